"""Losses with a name in the literature. Each returns named terms, or one number per example."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

Loss = Literal["non-saturating", "minimax", "least-squares", "hinge", "wasserstein", "relativistic"]


def discriminator_loss(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """-log D(x) - log(1 - D(G(z))) of logits, shape (B,) (Goodfellow et al., 2014, equation 1)."""
    return {"real": softplus(-real).mean(), "fake": softplus(fake).mean()}


def minimax_generator_loss(fake: Tensor) -> dict[str, Tensor]:
    """log(1 - D(G(z))) of logits, shape (B,): the value of the game itself (ibid., equation 1)."""
    return {"fool": -softplus(fake).mean()}


def non_saturating_generator_loss(fake: Tensor) -> dict[str, Tensor]:
    """-log D(G(z)) of logits, shape (B,): the same fixed point, with gradients that do not vanish
    (ibid., section 3)."""
    return {"fool": softplus(-fake).mean()}


def critic_loss(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """E D(G(z)) - E D(x) of scores, shape (B,) (Arjovsky et al., 2017)."""
    return {"real": -real.mean(), "fake": fake.mean()}


def critic_generator_loss(fake: Tensor) -> dict[str, Tensor]:
    """-E D(G(z)) of scores, shape (B,) (Arjovsky et al., 2017)."""
    return {"please": -fake.mean()}


def least_squares_loss(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """(D(x) - 1)^2 / 2 + D(G(z))^2 / 2 of scores, shape (B,) (Mao et al., 2017, equation 9)."""
    return {"real": (real - 1).square().mean() / 2, "fake": fake.square().mean() / 2}


def least_squares_generator_loss(fake: Tensor) -> dict[str, Tensor]:
    """(D(G(z)) - 1)^2 / 2 of scores, shape (B,) (Mao et al., 2017, equation 9)."""
    return {"fool": (fake - 1).square().mean() / 2}


def hinge_loss(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))) of scores, shape (B,) (Lim & Ye, 2017; Miyato et al.,
    2018, equation 16).

    The generator's part is `critic_generator_loss`.
    """
    return {"real": relu(1 - real).mean(), "fake": relu(1 + fake).mean()}


def relativistic_loss(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """-log sigmoid(D(x) - D(G(z))) of logits, shape (B,): which of each pair is the real one.

    Jolicoeur-Martineau, 2019; Huang et al., 2024, equation 2.
    """
    return {"pair": softplus(fake - real).mean()}


def relativistic_generator_loss(fake: Tensor, real: Tensor) -> dict[str, Tensor]:
    """-log sigmoid(D(G(z)) - D(x)) of logits, shape (B,): the same with both exchanged (ibid.)."""
    return {"fool": softplus(real - fake).mean()}


class Game(NamedTuple):
    """What the players minimise.

    discriminator: Of logits of real and of generated examples, each (B,).
    generator: Of logits of generated examples, and of real ones where they are compared.
    relative: Whether they are.
    unanchored: Whether only differences between logits matter, so that a bias of the last layer
        would learn nothing.
    density_ratio: Whether optimal logits are log p(x) - log q(x), p the density of the data and q
        of samples, but for a constant.
    """

    discriminator: Callable[[Tensor, Tensor], dict[str, Tensor]]
    generator: Callable[..., dict[str, Tensor]]
    relative: bool = False
    unanchored: bool = False
    density_ratio: bool = False


GAMES: Mapping[Loss, Game] = {
    "non-saturating": Game(discriminator_loss, non_saturating_generator_loss, density_ratio=True),
    "minimax": Game(discriminator_loss, minimax_generator_loss, density_ratio=True),
    "least-squares": Game(least_squares_loss, least_squares_generator_loss),
    "hinge": Game(hinge_loss, critic_generator_loss),
    "wasserstein": Game(critic_loss, critic_generator_loss, unanchored=True),
    "relativistic": Game(
        relativistic_loss,
        relativistic_generator_loss,
        relative=True,
        unanchored=True,
        density_ratio=True,
    ),
}


def ordering(real: Tensor, fake: Tensor) -> Tensor:
    """The share of pairs of logits (B,) that are in the right order, the real one above, whatever
    their zero is.

    It is the area under the discriminator's ROC curve: 1/2 where real and generated examples get
    the same logits, 1 where all real ones get higher ones.
    """
    apart = real.detach().unsqueeze(1) - fake.detach()
    return ((apart > 0).float() + (apart == 0).float() / 2).mean()


def zero_centred_penalty(logits: Tensor, x: Tensor) -> Tensor:
    """|grad D|^2 at each example, shape (B,): R1 of real ones, R2 of generated ones (Mescheder et
    al., 2018).

    logits: D(x), shape (B,), as computed from x, which requires a gradient.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return gradient.flatten(1).float().square().sum(1)


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """(|grad D| - 1)^2 at a random point between each real and its fake example, shape (B,)
    (Gulrajani et al., 2017)."""
    share = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device)
    with torch.enable_grad():  # also in evaluation, where the penalty is only logged
        between = real.lerp(fake.to(real.dtype), share).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square()


def kl_standard_normal(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, var) || N(0, 1)) of each latent, in nats, shape like `mean` (Kingma & Welling,
    2014, appendix B)."""
    return (mean.square() + logvar.exp() - 1 - logvar) / 2


def clip_costs(costs: Tensor, norms: Tensor, most: float) -> Tensor:
    """Costs (B,), scaled so that none has a gradient longer than `most`.

    norms: Of their own gradients, (B,).

    Abadi et al., 2016, algorithm 1, "clip gradient".
    """
    return costs * (most / norms.clamp(min=most)).detach()


def gaussian_noise(parameters: Iterable[Tensor], deviation: float) -> Tensor:
    """<noise, parameters>, whose gradient is noise from N(0, deviation^2), which no seed repeats.

    Abadi et al., 2016, algorithm 1, "add noise".
    """
    random = torch.Generator()
    random.seed()
    products = []
    for p in parameters:
        noise = torch.randn(p.shape, generator=random).to(p.device)
        products.append((noise * p).sum())
    return deviation * torch.stack(products).sum()
