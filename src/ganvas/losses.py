"""Losses with a name in the literature. Each returns named terms, or one number per example."""

from __future__ import annotations

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


def kl_standard_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, var) || N(0, 1)) of each latent, in nats, shape like `mean` (Kingma & Welling, 2014, appendix B)."""
    return (mean.square() + logvar.exp() - 1 - logvar) / 2
