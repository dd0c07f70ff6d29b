"""Losses with a name in the literature. Each returns named terms, or one number per example."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus


def discriminator_loss(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """-log D(x) - log(1 - D(G(z))) of logits, shape (B,): call the real real and the fake fake.

    Goodfellow et al., 2014, equation 1.
    """
    return {"real": softplus(-real).mean(), "fake": softplus(fake).mean()}


def minimax_generator_loss(fake: Tensor) -> dict[str, Tensor]:
    """log(1 - D(G(z))) of logits, shape (B,): the game's own value (Goodfellow et al., 2014, equation 1)."""
    return {"fool": -softplus(fake).mean()}


def non_saturating_generator_loss(fake: Tensor) -> dict[str, Tensor]:
    """-log D(G(z)) of logits, shape (B,): the same fixed point, with gradients that last (ibid., section 3)."""
    return {"fool": softplus(-fake).mean()}


def critic_loss(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """E D(G(z)) - E D(x) of scores, shape (B,): the less real below the more real (Arjovsky et al., 2017)."""
    return {"real": -real.mean(), "fake": fake.mean()}


def critic_generator_loss(fake: Tensor) -> dict[str, Tensor]:
    """-E D(G(z)) of scores, shape (B,) (Arjovsky et al., 2017)."""
    return {"please": -fake.mean()}


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """(|grad D| - 1)^2 somewhere between each real and its fake example, shape (B,) (Gulrajani et al., 2017)."""
    share = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)
    with torch.enable_grad():  # also where nobody learns, and the penalty is only looked at
        between = real.lerp(fake.to(real.dtype), share).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square()


def zero_centred_penalty(logits: Tensor, x: Tensor) -> Tensor:
    """|grad D(x)|^2 of each example, shape (B,): R1 where x is real, R2 where it is made (Mescheder et al., 2018).

    Takes logits (B,) that were worked out from x, which requires a gradient: they serve the loss as well.
    """
    (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return slope.flatten(1).float().square().sum(1)


def relativistic_discriminator_loss(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """-log sigmoid(D(x) - D(G(z))) of pairs of logits, (B,): the real more real (Jolicoeur-Martineau, 2019)."""
    return {"pairs": softplus(fake - real).mean()}


def relativistic_generator_loss(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """-log sigmoid(D(G(z)) - D(x)) of pairs of logits, (B,): the same with the parts exchanged (ibid.)."""
    return {"pairs": softplus(real - fake).mean()}


class Game(NamedTuple):
    """What each player minimises, given logits (B,) of real and of made examples."""

    discriminator: Callable[[Tensor, Tensor], dict[str, Tensor]]
    generator: Callable[[Tensor, Tensor], dict[str, Tensor]]


Loss = Literal["non-saturating", "minimax", "relativistic"]

GAMES: Mapping[Loss, Game] = {
    "non-saturating": Game(discriminator_loss, lambda real, fake: non_saturating_generator_loss(fake)),
    "minimax": Game(discriminator_loss, lambda real, fake: minimax_generator_loss(fake)),
    "relativistic": Game(relativistic_discriminator_loss, relativistic_generator_loss),
}


def kl_standard_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, var) || N(0, 1)) of each latent, in nats, shape like `mean` (Kingma & Welling, 2014, appendix B)."""
    return (mean.square() + logvar.exp() - 1 - logvar) / 2


def clipped(costs: Tensor, norms: Tensor, most: float) -> Tensor:
    """Costs (B,) of which none has a gradient longer than `most`; norms (B,) are those of their own gradients.

    Abadi et al., 2016, algorithm 1, "clip gradient".
    """
    return costs * (most / norms.clamp(min=most)).detach()


def gaussian_noise(parameters: Iterable[Tensor], deviation: float) -> Tensor:
    """<noise, parameters>, which has noise for a gradient: N(0, deviation^2) that no seed can bring back.

    Abadi et al., 2016, algorithm 1, "add noise".
    """
    noise = torch.Generator()
    noise.seed()
    drawn = [(torch.randn(p.shape, generator=noise).to(p.device), p) for p in parameters]
    return deviation * torch.stack([(ours * p).sum() for ours, p in drawn]).sum()
