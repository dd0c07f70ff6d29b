"""Transformations do what they say, can be differentiated twice, and do not leak while p < 1."""

from __future__ import annotations

from math import log, pi

import pytest
import torch
from torch import Tensor

from ganvas.core import InputError
from ganvas.nn.augmentation import (
    BLIT_GEOMETRY_COLOUR,
    DIFFERENTIABLE,
    Adaptive,
    Augmentation,
    Policy,
    Transformation,
    brightness,
    contrast,
    flip,
    hue,
    luma_flip,
    quarter_turns,
    rotation,
    saturation,
    scaling,
    shift,
    stretching,
    uniform_brightness,
    uniform_contrast,
    uniform_saturation,
    whole_shift,
)
from ganvas.nn.warping import recolour, warp

POLICIES = {"bgc": BLIT_GEOMETRY_COLOUR, "fixed": DIFFERENTIABLE}
GEOMETRIC = [flip, quarter_turns, whole_shift, scaling, rotation, stretching, shift]
COLOUR = [
    brightness,
    contrast,
    luma_flip,
    hue,
    saturation,
    uniform_brightness,
    uniform_contrast,
    uniform_saturation,
]
every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape) * 2 - 1


@every_policy
@pytest.mark.parametrize(
    "shape", [(5, 1, 8, 8), (5, 3, 8, 8), (5, 4, 12, 8), (5, 3, 7, 10), (5, 2, 1, 1)]
)
def test_images_of_any_shape_keep_it(policy: Policy, shape: tuple[int, ...]) -> None:
    y = Augmentation(policy)(noise(*shape), 0.7)
    assert y.shape == shape
    assert y.isfinite().all()


@every_policy
@pytest.mark.parametrize("p", [0, 0.0, torch.tensor(0.0)])
def test_never_is_the_identity_bit_for_bit(policy: Policy, p: float | Tensor) -> None:
    x = noise(9, 3, 8, 8)
    assert torch.equal(Augmentation(policy)(x, p), x)
    for transformation in policy.colour:
        assert torch.equal(recolour(x, transformation(x, torch.tensor(0.0))), x)
    for transformation in policy.geometric:
        assert torch.equal(warp(x, transformation(x, torch.tensor(0.0))), x)


@every_policy
def test_a_seed_brings_the_same_back_whatever_p_is_kept_in(policy: Policy) -> None:
    x, found = noise(9, 3, 8, 8), []
    for p in (0.5, torch.tensor(0.5)):
        torch.manual_seed(3)
        found.append(Augmentation(policy)(x, p))
    assert torch.equal(*found)
    assert not torch.equal(found[0], Augmentation(policy)(x, 0.5))


@every_policy
@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_and_their_gradients_are_right(policy: Policy, channels: int) -> None:
    """As a gradient penalty needs them."""
    x = noise(2, channels, 4, 3).double().requires_grad_()

    def squared(x: Tensor) -> Tensor:
        torch.manual_seed(1)
        return Augmentation(policy)(x, 0.6).square()

    assert torch.autograd.gradcheck(squared, x)
    assert torch.autograd.gradgradcheck(squared, x)


@every_policy
def test_what_is_rounded_elsewhere_is_not_here(policy: Policy) -> None:
    x, found = noise(9, 3, 32, 32).bfloat16(), []
    for precision, cast in (("highest", False), ("medium", True)):
        torch.manual_seed(1)
        torch.set_float32_matmul_precision(precision)
        with torch.autocast("cpu", torch.bfloat16, enabled=cast):
            found.append(Augmentation(policy)(x, 0.8))
    assert found[1].dtype == torch.float32
    assert torch.equal(*found)


def test_a_flip_flips_half() -> None:
    x = noise(200, 1, 4, 6)
    y = warp(x, flip(x, 1.0))
    same, flipped = (
        (y == x).flatten(1).all(1),
        torch.isclose(y, x.flip(3), atol=1e-5).flatten(1).all(1),
    )
    assert (same ^ flipped).all()
    assert 60 < same.sum() < 140


@pytest.mark.parametrize("shape", [(6, 6), (4, 6)])
def test_quarter_turns_turn(shape: tuple[int, int]) -> None:
    x = noise(200, 2, *shape)
    y = warp(x, quarter_turns(x, 1.0))
    turns = [
        torch.rot90(x, k, (2, 3)) for k in range(4) if torch.rot90(x, k, (2, 3)).shape == x.shape
    ]
    which = torch.stack([torch.isclose(y, turned, atol=1e-5).flatten(1).all(1) for turned in turns])
    assert (which.sum(0) == 1).all()
    assert (which.sum(1) > 25).all()


def test_whole_shifts_roll_and_reflect_what_comes_in() -> None:
    x = noise(50, 2, 16, 24)
    matrices = whole_shift(x, 1.0)
    reflected, blank = warp(x, matrices), warp(x, matrices, "zeros")
    moved = matrices[:, :2, 2].int().tolist()
    assert {v for _, v in moved} == set(range(-2, 3))
    assert {u for u, _ in moved} == set(range(-3, 4))
    for i, (u, v) in enumerate(moved):
        rolled = x[i].roll((-v, -u), (1, 2))
        torch.testing.assert_close(
            reflected[i, :, 2:-2, 3:-3], rolled[:, 2:-2, 3:-3], rtol=0, atol=1e-4
        )
        columns = torch.arange(24) + u
        mirrored = torch.where(columns < 0, -1 - columns, columns.minimum(47 - columns))
        torch.testing.assert_close(
            reflected[i, :, 2:-2], x[i][:, :, mirrored].roll(-v, 1)[:, 2:-2], rtol=0, atol=1e-4
        )
        assert (blank[i][:, :, (columns < 0) | (columns > 23)].abs() < 1e-4).all()


@pytest.mark.parametrize("transformation", GEOMETRIC)
def test_places_come_from_where_the_matrix_says(transformation: Transformation) -> None:
    """Bilinear sampling reproduces ramps, on which a pixel's value is its place."""
    u, v = torch.arange(20.0) - 9.5, torch.arange(12.0).unsqueeze(1) - 5.5
    ramps = torch.stack([u.expand(12, 20), v.expand(12, 20)]).repeat(40, 1, 1, 1)
    matrices = transformation(ramps, 1.0)
    (a, b, c), (d, e, f) = (row[:, :, None, None].unbind(1) for row in matrices[:, :2].unbind(1))
    expected = torch.stack([a * u + b * v + c, d * u + e * v + f], 1)
    inside = (
        ((expected[:, 0].abs() <= 9.5) & (expected[:, 1].abs() <= 5.5))
        .unsqueeze(1)
        .expand_as(ramps)
    )
    assert inside.float().mean() > 0.3
    torch.testing.assert_close(warp(ramps, matrices)[inside], expected[inside], rtol=0, atol=1e-4)


def test_parameters_are_drawn_as_in_the_paper() -> None:
    x = torch.zeros(20_000, 3, 8, 16)

    def near(values: Tensor, deviation: float) -> None:
        assert values.mean() == pytest.approx(0, abs=0.03 * deviation)
        assert values.std() == pytest.approx(deviation, rel=0.03)

    isotropic, anisotropic, moved = scaling(x, 1.0), stretching(x, 1.0), shift(x, 1.0)
    assert torch.equal(isotropic[:, 0, 0], isotropic[:, 1, 1])
    near(isotropic[:, 0, 0].log(), 0.2 * log(2))
    near(anisotropic[:, 0, 0].log(), 0.2 * log(2))
    torch.testing.assert_close(anisotropic.det(), torch.ones(len(x)))
    near(moved[:, 0, 2] / 16, 1 / 8)
    near(moved[:, 1, 2] / 8, 1 / 8)
    turned = rotation(x, 1.0)
    torch.testing.assert_close(turned @ turned.mT, torch.eye(3).expand_as(turned))
    near(torch.atan2(turned[:, 1, 0], turned[:, 0, 0]), pi / 3**0.5)
    near(brightness(x, 1.0)[:, 0, 3], 0.2)
    near(contrast(x, 1.0)[:, 0, 0].log(), 0.5 * log(2))
    near(
        (saturation(x, 1.0)[:, 0, 0] - saturation(x, 0.0)[:, 0, 1]).sub(1 / 3).mul(1.5).log(),
        log(2),
    )


@pytest.mark.parametrize("transformation", [*GEOMETRIC, *COLOUR])
def test_each_is_carried_out_with_its_probability(transformation: Transformation) -> None:
    x, p = noise(20_000, 3, 8, 8), 0.4
    matrices = transformation(x, p)
    share = (matrices != torch.eye(matrices.shape[-1])).flatten(1).any(1).float().mean()
    nothing = {flip: 1 / 2, luma_flip: 1 / 2, quarter_turns: 1 / 4, whole_shift: 1 / 4}.get(
        transformation, 0
    )
    once = 1 - (1 - p) ** 0.5 if transformation is rotation else p
    assert share == pytest.approx(once * (1 - nothing), abs=0.015)


def parts(x: Tensor) -> tuple[Tensor, Tensor]:
    """Grey, and what is left."""
    return x.mean(1, keepdim=True).expand_as(x), x - x.mean(1, keepdim=True)


def test_colours_change_as_they_say() -> None:
    x = noise(30, 3, 4, 4)
    grey, coloured = parts(x)
    found = {t: parts(recolour(x, t(x, 1.0))) for t in COLOUR}
    for transformation in (brightness, uniform_brightness):
        torch.testing.assert_close(found[transformation][1], coloured, rtol=0, atol=1e-5)
        added = found[transformation][0] - grey
        torch.testing.assert_close(added, added[:, :1, :1, :1].expand_as(x))
    for transformation in (hue, saturation, uniform_saturation):
        torch.testing.assert_close(found[transformation][0], grey, rtol=0, atol=1e-5)
    torch.testing.assert_close(found[hue][1].norm(dim=1), coloured.norm(dim=1), rtol=0, atol=1e-5)
    assert (found[hue][1] - coloured).flatten(1).norm(dim=1).gt(0).all()
    for transformation in (saturation, uniform_saturation):
        factor = found[transformation][1].flatten(1).norm(dim=1) / coloured.flatten(1).norm(dim=1)
        torch.testing.assert_close(
            found[transformation][1], factor.view(-1, 1, 1, 1) * coloured, rtol=0, atol=1e-5
        )
    torch.testing.assert_close(found[luma_flip][1], coloured, rtol=0, atol=1e-5)
    torch.testing.assert_close(found[luma_flip][0].abs(), grey.abs(), rtol=0, atol=1e-5)
    flat = x.flatten(1) - x.flatten(1).mean(1, keepdim=True)
    stretched = sum(found[uniform_contrast]).flatten(1) - x.flatten(1).mean(1, keepdim=True)
    torch.testing.assert_close(stretched.mean(1), torch.zeros(30), rtol=0, atol=1e-6)
    ratio = stretched.norm(dim=1) / flat.norm(dim=1)
    assert ((ratio > 0.5) & (ratio < 1.5)).all()


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("transformation", [hue, saturation, uniform_saturation])
def test_what_needs_colours_leaves_others_alone(
    transformation: Transformation, channels: int
) -> None:
    x = noise(9, channels, 4, 4)
    assert torch.equal(recolour(x, transformation(x, 1.0)), x)


def test_one_channel_flips_to_its_negative() -> None:
    x = noise(100, 1, 4, 4)
    y = recolour(x, luma_flip(x, 1.0))
    negative = (y == -x).flatten(1).all(1)
    assert (negative | (y == x).flatten(1).all(1)).all()
    assert 30 < negative.sum() < 70


def test_cutout_blanks_a_quarter_at_most() -> None:
    x = torch.ones(300, 2, 8, 12)
    y = Augmentation(Policy(cutout=True))(x, 1.0)
    blank = (y == 0)[:, 0]
    assert torch.equal(y == 0, blank.unsqueeze(1).expand_as(y))
    assert torch.equal(y[y != 0], x[y != 0])
    assert blank.sum((1, 2)).max() == 4 * 6
    assert blank.sum((1, 2)).min() >= 2 * 3
    assert torch.equal(blank, blank.any(1, keepdim=True) & blank.any(2, keepdim=True))
    assert blank.float().mean(0).min() > 0.05
    some = (Augmentation(Policy(cutout=True))(x, 0.3) == 0).flatten(1).any(1)
    assert some.float().mean() == pytest.approx(0.3, abs=0.1)


def turns_and_flips() -> list[Tensor]:
    """The eight matrices that map a square to itself."""
    turn, mirror = torch.tensor([[0.0, -1], [1, 0]]), torch.diag(torch.tensor([-1.0, 1]))
    turns = [torch.linalg.matrix_power(turn, k) for k in range(4)]
    return turns + [mirror @ t for t in turns]


def operator(p: float, drawn: int = 40_000) -> Tensor:
    """What flips and quarter turns do to a distribution over the eight ways an image may lie: (8,
    8), by counting."""
    x, group = torch.zeros(drawn, 1, 4, 4), turns_and_flips()
    carried_out = (flip(x, p) @ quarter_turns(x, p))[:, :2, :2]
    shares = [(carried_out == g).flatten(1).all(1).float().mean() for g in group]
    return torch.stack(
        [
            torch.stack(
                [
                    sum(s for s, k in zip(shares, group, strict=True) if torch.equal(k @ a, b))
                    for a in group
                ]
            )
            for b in group
        ]
    )


def test_a_distribution_can_be_told_from_its_augmentation_while_p_is_below_one() -> None:
    """Eigenvalues are products of 1 and 1 - p (Karras et al., 2020, appendix C)."""
    for p in (0.5, 0.8, 1.0):
        values = torch.linalg.svdvals(operator(p))
        assert values[0] == pytest.approx(1, abs=0.01)
        assert values[-1] == pytest.approx((1 - p) ** 2, abs=0.015)
    assert torch.linalg.matrix_rank(operator(0.8)) == 8
    assert torch.linalg.matrix_rank(operator(1.0), atol=0.02) == 1


def test_distributions_stay_different_below_one_and_not_at_one() -> None:
    """Bright images with a dark middle, and their negatives: luma flips at p = 1 make the two
    alike."""
    x = torch.ones(3000, 3, 8, 8)
    x[:, :, 2:6, 2:6] = -1
    x += 0.1 * torch.randn_like(x)
    contrasts = {}
    for p in (0.8, 1.0):
        ways = [Augmentation()(images, p)[:, :, 3:5, 3:5].flatten(1).mean(1) for images in (x, -x)]
        spread = (sum(way.var() for way in ways) / len(x)) ** 0.5
        contrasts[p] = ((ways[0].mean() - ways[1].mean()) / spread).abs()
    assert contrasts[0.8] > 6
    assert contrasts[1.0] < 4


def test_a_probability_is_one() -> None:
    with pytest.raises(InputError, match=r"probability 1\.5"):
        Augmentation()(noise(1, 1, 4, 4), 1.5)


def test_adaptive_goes_from_zero_to_its_end_in_so_many_images_and_back() -> None:
    adaptive = Adaptive(images=4000, most=0.8)
    up = [float(adaptive.step(torch.tensor(0.95), 50)) for _ in range(80)]
    assert up[:8] == pytest.approx([0, 0, 0, 0.05, 0.05, 0.05, 0.05, 0.1])
    assert up[62] < up[63] == pytest.approx(0.8)  # 64 steps of 50: 0.8 of 4000
    assert up[-1] == pytest.approx(0.8)
    down = [float(adaptive.step(0.5, 50)) for _ in range(80)]
    assert down == sorted(down, reverse=True)
    assert down[-1] == 0


def test_adaptive_stays_where_its_target_is_met() -> None:
    adaptive = Adaptive(target=0.5, images=1000)
    shares = [0.5, 1.0, 0.875, 0.625]  # r = 0, 1, 0.75, 0.25: 0.5 on average
    assert [float(adaptive.step(share, 50)) for share in shares] == [0, 0, 0, 0]


def test_adaptive_goes_on_where_it_was_saved_and_stays_while_evaluating() -> None:
    shares = 0.5 + torch.rand(23) / 2
    whole, saved, resumed = (Adaptive(target=0.0, images=1000) for _ in range(3))
    expected = [float(whole.step(share, 20)) for share in shares]
    for share in shares[:10]:
        saved.step(share, 20)
    resumed.load_state_dict(saved.state_dict())
    resumed.eval()
    assert float(resumed.step(1.0, 1000)) == expected[9]
    resumed.train()
    assert [float(resumed.step(share, 20)) for share in shares[10:]] == expected[10:]
    assert len(set(expected)) > 3
