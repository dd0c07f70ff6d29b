"""What every generative adversarial network shares: the game (Goodfellow et al., 2014)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..abilities import EstimatesDensityRatio
from ..core import Batch, Continuous, Defaults, InputError, Model, Space, Tokens, Turn, adam, label
from ..nn import standard_normal
from ..nn.augmentation import DIFFERENTIABLE, Adaptive, Augmentation, Policy, whole_shift
from ..nn.losses import GAMES, Loss, gradient_penalty, ordering, zero_centred_penalty
from ..runtime.errors import flag

Augment = Literal["none", "fixed", "adaptive"]


def refuse_tokens(space: Space) -> None:
    """Raises InputError for a space of tokens, through which a discriminator gives no gradient."""
    if isinstance(space, Tokens):
        raise InputError(
            "a GAN needs examples that change smoothly, and tokens do not; use an autoencoder here"
        )


def refuse_but_images(
    space: Space,
    name: str,
    *,
    square: bool = True,
    instead: str = f"another {flag('size')} or model",
) -> None:
    """Raises InputError for a space of anything but images of 16 to 256 pixels a side, which
    networks halve to 4."""
    sides = space.shape[1:] if isinstance(space, Continuous) and len(space.shape) == 3 else ()
    if not sides or min(sides) < 16 or max(sides) > 256 or (square and len(set(sides)) > 1):
        kind = "square images" if square else "images"
        raise InputError(
            f"{name} generates {kind} of 16 to 256 pixels, not {space}; choose {instead}"
        )


class Adversarial(Model, EstimatesDensityRatio):
    """The game of Goodfellow et al. (2014, equation 1):

    min over G, max over D of  E log D(x) + E log(1 - D(G(z)))

    A step is algorithm 1 of the paper: the discriminator moves first, on one batch; every
    `discriminator_steps`-th step the generator moves too, against the discriminator that was just
    updated.

    The players' losses and the discriminator's regularisation can be combined freely.

    Arguments:
        loss: What the players minimise; `minimax` is the value of the game above, the others are
            named by their papers.
        discriminator_steps: Steps the discriminator plays for each one of the generator's (k in
            algorithm 1).
        r1: Weight of D's squared gradient at real examples, as it sees them, halved (Mescheder et
            al., 2018).
        r2: The same at generated examples.
        gradient_penalty: Weight of (|gradient| - 1)^2 between real and generated examples
            (Gulrajani et al., 2017).
        consistency: Weight of how far real examples' logits move when they are transformed (Zhang
            et al., 2020).
        lazy: Penalties are computed every so many steps only, with that much more weight (Karras et
            al., 2020, StyleGAN2).
        augment: Transform what the discriminator sees: always (Zhao et al., 2020) or as it overfits
            (Karras et al.).
        spectral: Divide each of the discriminator's weights by its largest singular value (Miyato
            et al., 2018).
    """

    players = {"discriminator": adam(2e-4, (0.5, 0.999)), "generator": adam(2e-4, (0.5, 0.999))}
    defaults = Defaults(batch=64, epochs=50, steps=10_000, schedule="constant")

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
        gradient_penalty: float = 0.0,
        consistency: float = 0.0,
        lazy: int = 1,
        augment: Augment = "none",
        spectral: bool = False,
    ) -> None:
        super().__init__(space)
        refuse_tokens(space)
        if loss not in GAMES or augment not in get_args(Augment):
            raise InputError(
                f"{flag('loss')} is one of {', '.join(GAMES)}, {flag('augment')} of"
                f" {', '.join(get_args(Augment))}; not {loss!r} and {augment!r}"
            )
        weights = {
            "r1": r1,
            "r2": r2,
            "gradient_penalty": gradient_penalty,
            "consistency": consistency,
        }
        _refuse_below(0, weights)
        _refuse_below(1, {"lazy": lazy, "discriminator_steps": discriminator_steps})
        grids = isinstance(space, Continuous) and len(space.shape) == 3
        if not grids and (augment != "none" or consistency):
            raise InputError(
                f"{flag('augment')} and {flag('consistency')} transform images, and these are"
                f" {space}; leave them out"
            )
        self.condition, self.latent = label(condition), latent
        self.discriminator_steps = discriminator_steps
        self.game, self.lazy, self.spectral = GAMES[loss], lazy, spectral
        self.hyperparameters |= weights
        self.second_order = bool(r1 or r2 or gradient_penalty)
        if augment == "adaptive":
            self.single_process_reason = (
                f"{flag('augment', 'adaptive')} follows one discriminator, where"
                f" {flag('augment', 'fixed')} follows none"
            )
        if grids:
            self.hyperparameters["augmentation"] = float(augment == "fixed")
        self.augmentation = Augmentation(DIFFERENTIABLE if augment == "fixed" else None)
        self.translation = Augmentation(Policy(geometric=(whole_shift,)))
        self.adaptive = Adaptive() if augment == "adaptive" else None

    @abstractmethod
    def generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Raw output (B, *space.raw) for noise z (B, latent) and labels y (B,)."""

    @abstractmethod
    def discriminate(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Logits (B,) of the examples being real."""

    def turns(self, batch: Batch) -> Iterator[Turn]:
        y = self.labels(batch.y, len(batch))
        fake = self.space.activate(self.generate(self.prior(len(batch)), y))
        loss, order = self._discriminator_loss(batch.x, fake.detach(), y)
        yield Turn("discriminator", loss, {"ordering": order})
        if self.adaptive is not None:
            self.adaptive.step(order, len(batch))
        if self.step % self.discriminator_steps == 0:
            logits = [self.discriminate(self._augment(fake), y).float()]
            if self.game.relative:
                with torch.no_grad():
                    logits.append(self.discriminate(self._augment(batch.x), y).float())
            yield Turn("generator", self.game.generator(*logits))

    def _discriminator_loss(
        self, real: Tensor, fake: Tensor, y: Tensor | None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The discriminator's loss, with the penalties that are due while it learns, and the share
        of pairs that it orders."""
        due = torch.is_grad_enabled() and self.step % self.lazy == 0
        weight = {name: self.lazy * w for name, w in self.hyperparameters.items() if w and due}
        real = self._augment(real).detach().requires_grad_("r1" in weight)
        fake = self._augment(fake).detach().requires_grad_("r2" in weight)
        real_logits, fake_logits = (self.discriminate(x, y).float() for x in (real, fake))
        loss = dict(self.game.discriminator(real_logits, fake_logits))
        if "r1" in weight:
            loss["r1"] = weight["r1"] / 2 * zero_centred_penalty(real_logits, real).mean()
        if "r2" in weight:
            loss["r2"] = weight["r2"] / 2 * zero_centred_penalty(fake_logits, fake).mean()
        if "gradient_penalty" in weight:
            penalty = gradient_penalty(
                lambda x: self.discriminate(x, y), real.detach(), fake.detach()
            )
            loss["gradient_penalty"] = weight["gradient_penalty"] * penalty.mean()
        if "consistency" in weight:
            moved = self.discriminate(self.translation(real.detach(), 1.0), y) - real_logits
            loss["consistency"] = weight["consistency"] * moved.square().mean()
        return loss, ordering(real_logits, fake_logits)

    def _augment(self, x: Tensor) -> Tensor:
        """Examples as the discriminator sees them."""
        p = self.hyperparameters.get("augmentation", 0.0)
        if self.adaptive is None:
            return self.augmentation(x, p)
        return self.augmentation(x, self.adaptive.p.clamp(min=p))

    def constrain(self, network: nn.Module) -> nn.Module:
        """Adds spectral normalisation to a discriminator's network, if that was chosen."""
        if self.spectral:
            for module in [*network.modules()]:
                weight = getattr(module, "weight", None)
                if isinstance(weight, Tensor) and weight.dim() > 1:
                    spectral_norm(module)
        return network

    def labels(self, y: Tensor | None, n: int) -> Tensor | None:
        """Labels (n,) for a conditional model: those given, or every class in turn; else None."""
        if self.condition is None:
            return None
        if y is None:
            return torch.arange(n, device=self.device) % self.condition.vocabulary
        return y.squeeze(1).to(self.device)

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        return self.decode(self.prior(n, truncation), y)

    def log_density_ratio(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        if not self.game.density_ratio:
            fit = ", ".join(name for name, game in GAMES.items() if game.density_ratio)
            raise InputError(
                f"its discriminator learned no density ratio; of games played by {flag('loss')}"
                f" {fit} it does"
            )
        return self.discriminate(x, self.labels(y, len(x))).float()

    def prior(self, n: int, truncation: float | None = None) -> Tensor:
        return standard_normal(n, self.latent, self.device, truncation)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.space.draw(self.generate(z, self.labels(y, len(z))))


def _refuse_below(least: int, options: Mapping[str, float]) -> None:
    for name, value in options.items():
        if value < least:
            raise InputError(f"{flag(name)} is {value:g}; it must be at least {least}")
