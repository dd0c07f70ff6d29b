"""Networks fit their space; shortcuts are the same map as what they replace."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from conftest import SPACES, examples
from ganvas.core import Continuous, Space
from ganvas.nets import decoder, encoder, standard_normal
from ganvas.nets.strided import Double, Halve


@pytest.mark.parametrize("network", ["fitting", "perceptron"])
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_networks_fit_every_space(space: Space, network: str) -> None:
    x = examples(space, 3)
    z = encoder(space, 5, network, width=8)(x)
    assert z.shape == (3, 5)
    assert decoder(space, 5, network, width=8)(z).shape == (3, *space.raw)


@pytest.mark.parametrize("size", [16, 17, 28, 33, 64])
@pytest.mark.parametrize("likelihood", ["squared", "gaussian"])
def test_pictures_of_any_size(size: int, likelihood: str) -> None:
    space = Continuous((3, size, size), likelihood)
    assert decoder(space, 4, width=8)(encoder(space, 4, width=8)(examples(space, 2))).shape == (2, *space.raw)


@pytest.mark.parametrize("module", [Halve, Double])
def test_products_are_the_convolution(module: type) -> None:
    """Deep and narrow enough for matrix products; the result and both gradients are the convolution's."""
    torch.manual_seed(0)
    layer = module(32, 24, bias=False)
    x = torch.randn(2, 32, 8, 8, requires_grad=True)
    y = layer(x)
    plain = F.conv2d if module is Halve else F.conv_transpose2d
    expected = plain(x, layer.weight, None, 2, 1)
    assert "ByProducts" in type(y.grad_fn).__name__
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)
    g = torch.randn_like(y)
    ours = torch.autograd.grad(y, [x, layer.weight], g)
    theirs = torch.autograd.grad(expected, [x, layer.weight], g)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("module", [Halve, Double])
def test_products_can_be_differentiated_twice(module: type) -> None:
    """As a gradient penalty does."""
    torch.manual_seed(0)
    layer = module(16, 16, bias=False).double()
    x = torch.randn(1, 16, 4, 4, dtype=torch.double, requires_grad=True)
    assert "ByProducts" in type(layer(x).grad_fn).__name__
    assert torch.autograd.gradgradcheck(lambda x: layer(x).square().mean((2, 3)).sum(1), x)


def test_truncated_noise_stays_within_and_is_noise() -> None:
    torch.manual_seed(0)
    z = standard_normal(2000, 4, torch.device("cpu"), truncation=0.5)
    assert z.abs().max() <= 0.5
    assert z.std() == pytest.approx(0.5 / 3**0.5, rel=0.05)  # nearly uniform on so short an interval
