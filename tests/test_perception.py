"""Features learned from the data say how different images look."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ganvas.nn.perception import Perception, degrade


@pytest.fixture(scope="module")
def scenes(fashion: tuple[Tensor, Tensor]) -> Tensor:
    return fashion[0][:256].float().div(127.5).sub(1).unsqueeze(1)


@pytest.fixture(scope="module")
def taught(scenes: Tensor) -> Perception:
    torch.manual_seed(0)
    perception = Perception(1, width=8)
    adam = torch.optim.Adam(perception.parameters(), 4e-3)
    for part in [*scenes.split(16)] * 4:
        adam.zero_grad()
        sum(perception.loss(part).values(), torch.zeros(())).backward()
        adam.step()
    perception.zero_grad()
    return perception.requires_grad_(False)


def blurred(x: Tensor, by: int) -> Tensor:
    return F.interpolate(F.avg_pool2d(x, by, ceil_mode=True), x.shape[2:], mode="bilinear")


def test_it_learns_from_images_alone(taught: Perception, scenes: Tensor) -> None:
    torch.manual_seed(1)
    fresh = Perception(1, width=8)
    lost = (degrade(scenes) - scenes).square().mean()
    assert taught.loss(scenes)["restored"] < 0.6 * min(lost, fresh.loss(scenes)["restored"])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(4, 5), (17, 30)])
def test_nothing_lies_between_equal_images(channels: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    a, b = torch.rand(2, 3, channels, *size) * 2 - 1
    perception = Perception(channels, width=4)
    assert perception.distance(a, a).abs().max() == 0
    assert (perception.distance(a, b) > 0).all()
    assert torch.allclose(perception.distance(a, b), perception.distance(b, a))
    assert [len(f[0]) for f in perception.features(a)] == [4, 8, 16]


def test_distance_grows_with_blur_and_with_noise(taught: Perception, scenes: Tensor) -> None:
    x, noise = scenes[:64], torch.randn(64, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    for series in (
        [blurred(x, by) for by in (1, 2, 4, 7)],
        [x + s * noise for s in (0.0, 0.05, 0.2, 0.5)],
    ):
        distances = torch.stack([taught.distance(y, x).mean() for y in series])
        assert (distances.diff() > 0).all(), distances


def test_a_frozen_one_sends_gradients_on_and_takes_none(taught: Perception, scenes: Tensor) -> None:
    a = blurred(scenes[:4], 2).requires_grad_()
    before = [p.clone() for p in taught.parameters()]
    taught.distance(a, scenes[:4]).sum().backward()
    assert a.grad is not None
    assert (a.grad.flatten(1).abs().sum(1) > 0).all()
    assert all(
        p.grad is None and torch.equal(p, q)
        for p, q in zip(taught.parameters(), before, strict=True)
    )


def test_damage_hides_squares_and_colours() -> None:
    torch.manual_seed(0)
    x = torch.rand(200, 3, 10, 9) * 0.5 + 0.25
    y = degrade(x)
    hidden = (y == 0).all(1).flatten(1).float().mean(1)
    assert y.shape == x.shape
    assert 0.08 < hidden.mean() < 0.2
    grey = (
        (y.std(1, correction=0).flatten(1).median(1).values < (y - x).std() * 0.05).float().mean()
    )
    assert 0 < (y - x).square().mean() < 0.3
    assert grey < 1
