"""Networks fit their space; shortcuts are the same map as what they replace."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conftest import SPACES, examples
from ganvas.core import Continuous, Space
from ganvas.nn import decoder, encoder, standard_normal
from ganvas.nn.perceptron import FourierFeatures
from ganvas.nn.strided import Double, Halve


@pytest.mark.parametrize("network", ["fitting", "perceptron"])
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_networks_fit_every_space(space: Space, network: str) -> None:
    x = examples(space, 3)
    z = encoder(space, 5, network, width=8)(x)
    assert z.shape == (3, 5)
    assert decoder(space, 5, network, width=8)(z).shape == (3, *space.raw)


@pytest.mark.parametrize("size", [16, 17, 28, 33, 64])
@pytest.mark.parametrize("likelihood", ["squared", "gaussian"])
def test_images_of_any_size(size: int, likelihood: str) -> None:
    space = Continuous((3, size, size), likelihood)
    z = encoder(space, 4, width=6, depth=2)(examples(space, 2))
    assert decoder(space, 4, width=6, depth=2)(z).shape == (2, *space.raw)


LAYERS = {
    "halve": (Halve(32, 24, bias=False), partial(F.conv2d, stride=2, padding=1)),
    "halve by 3": (Halve(32, 24, 3), partial(F.conv2d, stride=2, padding=1)),
    "double": (Double(32, 24), partial(F.conv_transpose2d, stride=2, padding=1)),
    "double by 3": (
        Double(32, 24, 3, bias=False),
        partial(F.conv_transpose2d, stride=2, padding=1),
    ),
    "double by 3, and one": (
        Double(32, 24, 3, extra=1),
        partial(F.conv_transpose2d, stride=2, padding=1, output_padding=1),
    ),
}


@pytest.mark.parametrize("size", [(8, 8), (7, 5)], ids=["even", "odd"])
@pytest.mark.parametrize(("layer", "plain"), LAYERS.values(), ids=LAYERS)
def test_products_are_the_convolution(
    layer: nn.Module, plain: Callable[..., Tensor], size: tuple[int, int]
) -> None:
    """Deep and narrow enough for matrix products; the result and all gradients are the
    convolution's."""
    torch.manual_seed(0)
    x = torch.randn(2, 32, *size, requires_grad=True)
    y, expected = layer(x), plain(x, layer.weight, layer.bias)
    assert (
        "Products"
        in type(y.grad_fn if layer.bias is None else y.grad_fn.next_functions[0][0]).__name__
    )
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)
    g = torch.randn_like(y)
    ours, theirs = (torch.autograd.grad(out, [x, *layer.parameters()], g) for out in (y, expected))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "layer", [Halve(16, 16), Halve(16, 16, 3), Double(16, 16), Double(16, 16, 3, extra=1)]
)
def test_products_can_be_differentiated_twice(layer: nn.Module) -> None:
    """As a gradient penalty does."""
    torch.manual_seed(0)
    layer = deepcopy(layer).double()
    x = torch.randn(1, 16, 4, 4, dtype=torch.double, requires_grad=True)
    assert "Products" in type(layer(x).grad_fn.next_functions[0][0]).__name__
    assert torch.autograd.gradgradcheck(lambda x: layer(x).square().mean((2, 3)).sum(1), x)


def test_truncated_noise_stays_within_and_is_noise() -> None:
    torch.manual_seed(0)
    z = standard_normal(2000, 4, torch.device("cpu"), truncation=0.5)
    assert z.abs().max() <= 0.5
    assert z.std() == pytest.approx(
        0.5 / 3**0.5, rel=0.05
    )  # nearly uniform on so short an interval


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_waves_are_features_of_a_gaussian_kernel(scale: float) -> None:
    """Inner products of many are exp(-scale^2 |x - x'|^2 / 2) (Rahimi & Recht, 2007); x comes
    first, unchanged."""
    torch.manual_seed(0)
    x, count = torch.rand(20, 3) - 0.5, 20_000
    seen = FourierFeatures(3, scale, count)(x)
    assert torch.equal(seen[:, :3], x)
    kernel = seen[:, 3:] @ seen[:, 3:].T / count
    assert torch.allclose(kernel, (-(scale**2) * torch.cdist(x, x) ** 2 / 2).exp(), atol=0.03)


def test_waves_are_as_fine_in_bf16_as_in_float32() -> None:
    waves, x = FourierFeatures(3, 30.0), torch.rand(8, 3)
    with torch.autocast("cpu", torch.bfloat16):
        seen = waves(x)
    assert torch.equal(seen, waves(x))
