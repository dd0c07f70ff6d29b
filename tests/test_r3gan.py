"""R3GAN: its loss, its penalties, and layers that are the same maps as torch's."""

from __future__ import annotations

from itertools import islice, repeat

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conftest import IMAGE, LABELS, examples
from ganvas.core import Batch, Continuous, InputError
from ganvas.models.r3gan import R3GAN
from ganvas.nn.losses import GAMES, zero_centred_penalty
from ganvas.nn.residual import Bottleneck, Down, Up, mix
from ganvas.nn.second_order import Convolution, LeakyReLU
from ganvas.runtime.device import prepare
from ganvas.training.engine import Engine


def small(space: Continuous = IMAGE, **options: object) -> R3GAN:
    torch.manual_seed(0)
    return R3GAN(
        space, LABELS, **{"latent": 4, "channels": 8, "most": 16, "networks": "residual"} | options
    )


def test_the_relativistic_game_knows_differences_alone_and_is_the_same_for_both() -> None:
    real, fake = torch.randn(2, 5)
    game = GAMES["relativistic"]
    ours = game.discriminator(real, fake)["pair"]
    torch.testing.assert_close(ours, -(real - fake).sigmoid().log().mean())
    torch.testing.assert_close(game.discriminator(real + 3, fake + 3)["pair"], ours)
    torch.testing.assert_close(game.generator(real, fake)["fool"], ours)


def test_the_penalty_of_a_linear_judge_is_the_square_of_its_weight() -> None:
    judge = nn.Linear(6, 1)
    x = torch.randn(4, 6, requires_grad=True)
    penalty = zero_centred_penalty(judge(x).flatten(), x)
    torch.testing.assert_close(penalty, judge.weight.square().sum().expand(4))
    penalty.mean().backward(inputs=[judge.weight])
    torch.testing.assert_close(judge.weight.grad, 2 * judge.weight.detach())


@pytest.mark.parametrize(("kernel", "groups"), [(1, 1), (3, 1), (3, 4)])
@pytest.mark.parametrize("biased", [True, False])
def test_layers_and_their_first_two_derivatives_are_those_of_torch(
    kernel: int, groups: int, biased: bool
) -> None:
    torch.manual_seed(0)
    layer = Convolution(8, 12, kernel, 1, kernel // 2, groups=groups, bias=biased)
    ours = nn.Sequential(layer, LeakyReLU(), mix(12, 4))
    found, expected = (
        _derivatives(f, ours) for f in (ours, lambda x: _by_torch(x, layer, ours[2]))
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def _by_torch(x: Tensor, first: nn.Conv2d, last: nn.Conv2d) -> Tensor:
    y = F.conv2d(x, first.weight, first.bias, 1, first.padding, 1, first.groups)
    return F.conv2d(F.leaky_relu(y, 0.2), last.weight)


def _derivatives(function: object, layers: nn.Module) -> list[Tensor]:
    """Values; gradients of their squares; and gradients of the square of the gradient of x."""
    x = torch.randn(3, 8, 5, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
    weights = [p for p in layers.parameters() if p.dim() > 1]
    y = function(x)
    first = torch.autograd.grad(y.square().sum(), [x, *layers.parameters()], retain_graph=True)
    (slope,) = torch.autograd.grad(y.sin().sum(), x, create_graph=True)
    return [y, *first, *torch.autograd.grad(slope.square().sum(), [x, *weights])]


def test_gradients_of_weights_are_not_differentiable_and_say_so() -> None:
    layer = mix(8, 4)
    with pytest.raises(RuntimeError, match="not have been used"):
        torch.autograd.grad(layer(torch.randn(2, 8, 3, 3)).sum(), layer.weight, create_graph=True)


def test_a_block_begins_as_the_identity() -> None:
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(Bottleneck(8, 16, 4)(x), x)


def test_maps_of_channels_commute_with_bilinear_resampling() -> None:
    x = torch.randn(2, 8, 4, 4)
    up, down = Up(8, 6, (8, 8)), Down(8, 6)
    torch.testing.assert_close(up(x), up.mix(F.interpolate(x, scale_factor=2.0, mode="bilinear")))
    torch.testing.assert_close(
        down(x), F.interpolate(down.mix(x), scale_factor=0.5, mode="bilinear")
    )


@pytest.mark.parametrize("finest", [0, 1])
@pytest.mark.parametrize("size", [16, 28, 33, 64])
def test_images_of_any_size(size: int, finest: int) -> None:
    space = Continuous((1, size, size))
    model = small(space, finest=finest)
    assert model.sample(2).shape == (2, 1, size, size)
    seen = examples(space, 2).requires_grad_()
    (slope,) = torch.autograd.grad(model.discriminate(seen, torch.tensor([0, 1])).sum(), seen)
    assert (slope != 0).flatten(2).any((0, 1)).all(), "a pixel that the discriminator does not see"


def test_both_players_mind_the_label() -> None:
    model, z = small(), torch.randn(1, 4).expand(3, 4)
    x = model.decode(z, torch.tensor([[0], [1], [2]]))
    assert not torch.equal(x[0], x[1])
    same = x[:1].expand(3, -1, -1, -1)
    assert len(model.discriminate(same, torch.tensor([0, 1, 2])).unique()) == 3
    assert small(conditional=False).condition is None


@pytest.mark.parametrize("lazy", [1, 2])
def test_learns_in_bf16_with_channels_last(lazy: int) -> None:
    model = small(lazy=lazy)
    prepare(model, torch.device("cpu"))
    before = {name: p.clone() for name, p in model.named_parameters()}
    batch = Batch(examples(IMAGE), torch.arange(16).unsqueeze(1) % 3)
    logs = list(islice(Engine(model, precision=torch.bfloat16).steps(repeat(batch)), 4))
    assert all(torch.isfinite(value) for log in logs for value in log.values())
    assert ["discriminator/r1" in log for log in logs] == [step % lazy == 0 for step in range(1, 5)]
    assert not [name for name, p in model.named_parameters() if torch.equal(p, before[name])]


def test_gradients_of_the_penalties_in_bf16_point_where_those_of_float32_do() -> None:
    model, batch = small(), Batch(examples(IMAGE), torch.arange(16).unsqueeze(1) % 3)
    for p in model.parameters():
        p.data += 0.05 * torch.randn_like(p)
    team = [p for p in model.discriminator.parameters() if p.dim() == 4]
    found = []
    for precision in (torch.float32, torch.bfloat16):
        model.step = 1
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
            loss = next(model.turns(batch)).loss
        found.append(torch.autograd.grad(loss["r1"] + loss["r2"], team))
    for a, b in zip(*found, strict=True):
        assert F.cosine_similarity(a.flatten(), b.flatten(), 0) > 0.98


@pytest.mark.parametrize(
    "options", [{"channels": 12}, {"most": 8, "channels": 16}, {"blocks": 0}, {"finest": -1}]
)
def test_says_what_is_wrong(options: dict[str, int]) -> None:
    with pytest.raises(InputError, match="="):
        R3GAN(IMAGE, **options)


def test_penalties_are_larger_for_larger_images() -> None:
    weights = R3GAN(Continuous((1, 64, 64)), channels=8, most=8, r2=3.0).hyperparameters
    small = R3GAN(Continuous((1, 32, 32)), channels=8, most=8).hyperparameters
    assert (weights["r1"], weights["r2"]) == (4 * small["r1"], 3.0)
