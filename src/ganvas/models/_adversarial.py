"""What every generative adversarial network shares: the game (Goodfellow et al., 2014)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

from ..core import Batch, Generates, InputError, Model, Practice, Space, Tokens, Turn, adam
from ..losses import GAMES, Loss, zero_centred_penalty
from ..nets import standard_normal

__all__ = ["Adversarial", "Loss", "refuse_tokens"]


def refuse_tokens(space: Space) -> None:
    """Raises InputError for a space of symbols: what a discriminator says of them has no gradient to follow."""
    if isinstance(space, Tokens):
        raise InputError("a GAN needs examples that change smoothly, and tokens do not; use an autoencoder here")


class Adversarial(Model, Generates):
    """min over G, max over D of  E log D(x) + E log(1 - D(G(z)))    (Goodfellow et al., 2014, equation 1).

    A round is algorithm 1 of the paper: the discriminator moves first, on one batch; every
    `discriminator_steps`-th round the generator moves too, and meets the discriminator that just learned.
    """

    players = {"discriminator": adam(2e-4, (0.5, 0.999)), "generator": adam(2e-4, (0.5, 0.999))}
    practice = Practice(batch=64, epochs=50, steps=10_000, schedule="constant")

    def __init__(
        self,
        space: Space,
        condition: Tokens | None,
        *,
        latent: int,
        loss: Loss = "non-saturating",
        discriminator_steps: int = 1,
        r1: float = 0.0,
        r2: float = 0.0,
        lazy: int = 1,
    ) -> None:
        super().__init__(space)
        refuse_tokens(space)
        self.condition, self.latent, self.discriminator_steps = condition, latent, discriminator_steps
        self.game, self.lazy = GAMES[loss], lazy
        self.weights = {"r1": r1, "r2": r2}

    @abstractmethod
    def generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Raw output (B, *space.raw) for noise z (B, latent) and labels y (B,)."""

    @abstractmethod
    def discriminate(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Logits (B,) of the examples being real."""

    def turns(self, batch: Batch) -> Iterator[Turn]:
        y = self.labels(batch.y, len(batch))
        fake = self.space.activate(self.generate(self.prior(len(batch)), y))
        yield Turn("discriminator", self._judged(batch.x, fake.detach(), y))
        if self.step % self.discriminator_steps == 0:
            with torch.no_grad():
                real = self.discriminate(batch.x, y)
            yield Turn("generator", self.game.generator(real, self.discriminate(fake, y)))

    def _judged(self, real: Tensor, fake: Tensor, y: Tensor | None) -> dict[str, Tensor]:
        """What the discriminator minimises, with weight / 2 E |grad D|^2 of real (R1) and made (R2) examples.

        The penalties come every `lazy` rounds, that much heavier; logits are worked out once for all terms.
        """
        weights = {} if self.step % self.lazy else {name: w for name, w in self.weights.items() if w}
        examples = {"r1": real, "r2": fake}
        with torch.set_grad_enabled(torch.is_grad_enabled() or bool(weights)):
            examples = {name: x.detach().requires_grad_(name in weights) for name, x in examples.items()}
            logits = {name: self.discriminate(x, y) for name, x in examples.items()}
            penalties = {
                name: self.lazy * w / 2 * zero_centred_penalty(logits[name], examples[name]).mean()
                for name, w in weights.items()
            }
        return self.game.discriminator(logits["r1"], logits["r2"]) | penalties

    def labels(self, y: Tensor | None, n: int) -> Tensor | None:
        """The labels a conditional model works with, (n,): those given, or every class in turn."""
        if self.condition is None:
            return None
        if y is None:
            return torch.arange(n, device=self.device) % self.condition.vocabulary
        return y.squeeze(1).to(self.device)

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        return self.decode(self.prior(n, truncation), y)

    def prior(self, n: int, truncation: float | None = None) -> Tensor:
        return standard_normal(n, self.latent, self.device, truncation)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.space.draw(self.generate(z, self.labels(y, len(z))))
