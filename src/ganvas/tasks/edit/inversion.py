"""From examples back to latents: by a model's own encoder, or of a generator without one, by
inverting it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor
from torch.nn import functional as F

from ...abilities import Decodes, Encodes, Generates, Samples
from ...core import Batch, Continuous, InputError, Model, Space, Turn, adam, seeded_rng
from ...nn import encoder
from ...training.classifier import Network
from ...training.engine import SCHEDULES, Engine
from .._progress import with_progress
from ..embed.latents import encode_all

BATCH = 64
AT_ONCE = 256
DRAWN = 4096  # latents that tell how wide a prior is
PACE = 0.05  # of Adam on latents, in standard deviations
GLANCE = 20  # steps that tell which label fits
FEATURES, PRIOR = 0.1, 1e-3
"""Weights of what features say, and of how unlikely latents are, beside the mean squared error of
pixels."""


class Latents(ABC):
    """Goes from examples to latents of a model and back."""

    def __init__(self, model: Decodes, seed: int) -> None:
        self.model, self.seed = model, seed
        self.condition = model.condition if isinstance(model, Samples) else None

    @abstractmethod
    def of(self, x: Tensor) -> Tensor:
        """Latents of many examples, quickly: (n, ...)."""

    @abstractmethod
    def best(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Latents of examples as good as they can be found, (n, ...), and their labels (n, 1) where
        the model has them.

        y: Labels, where they are known.
        """

    def decode(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Examples of latents, always the same."""
        parts = zip(
            z.split(AT_ONCE), [None] * len(z) if y is None else y.split(AT_ONCE), strict=False
        )
        with seeded_rng(self.seed):
            return torch.cat([self.model.decode(part, label).float() for part, label in parts])


class OwnEncoder(Latents):
    """By the model's own encoder."""

    def of(self, x: Tensor) -> Tensor:
        assert isinstance(self.model, Encodes)
        return encode_all(self.model, x)

    def best(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return self.of(x), None


class InvertedGenerator(Latents):
    """Of a generator: an encoder learns on its own samples where these came from, and what it says
    of an example is the start of a search (Zhu et al., 2016, iGAN):

    min over z of  mean (G(z) - x)^2 + 0.1 (1 - cos(f(G(z)), f(x))) + 0.001 mean u^2,    u = z,
    standardised

    features: f, where there are any.
    inversion_steps: In which the encoder learns; half as many steps does the search take.
    """

    def __init__(
        self,
        model: Decodes,
        seed: int,
        features: Callable[[Tensor], Tensor] | None,
        inversion_steps: int,
    ) -> None:
        super().__init__(model, seed)
        if not isinstance(model, Generates) or not isinstance(model.space, Continuous):
            raise InputError(
                "this model neither encodes examples nor can be inverted; edit with a VAE, AE"
                " or GAN"
            )
        self.prior, self.features, self.steps = model.prior, features, inversion_steps // 2
        drawn = model.prior(DRAWN).float()
        self.middle, self.width = drawn.mean(0), drawn.std(0)
        self.inverter = Inverter(model.space, drawn.shape[1], self._made).to(drawn.device)
        engine, batches = Engine(self.inverter, ema=0.99), self._samples()
        with torch.enable_grad(), seeded_rng(seed):
            game = islice(engine.steps(batches), inversion_steps)
            for i, _ in enumerate(
                with_progress(game, inversion_steps, "learning to invert", lambda _: 1, 0), 1
            ):
                engine.set_lr_factor(SCHEDULES["one-cycle"](i / inversion_steps))
        self.inverter.load_state_dict(engine.ema_model.state_dict())
        self.inverter.eval()

    def _samples(self) -> Iterator[Batch]:
        """Endless samples, with the latents and labels they were made from, as one vector each."""
        while True:
            z = self.prior(BATCH).float()
            y = self._labels(BATCH)
            with torch.no_grad():
                x = self.model.decode(z, y).float()
            yield Batch(x, z if y is None else torch.cat([z, y], 1))

    def _labels(self, n: int) -> Tensor | None:
        """Labels drawn evenly, (n, 1), of a model that has them."""
        if self.condition is None:
            return None
        return torch.randint(self.condition.vocabulary, (n, 1), device=self.middle.device)

    def _made(self, z: Tensor, y: Tensor) -> Tensor:
        """Examples of latents that an encoder found, and what is left of a batch's y beside
        latents: labels or none."""
        return self.model.decode(z, y.long() if y.shape[1] else None).float()

    def of(self, x: Tensor) -> Tensor:
        return torch.cat([self.inverter(part).float() for part in x.split(AT_ONCE)])

    def best(self, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if y is None and self.condition is not None:
            y = self._fitting(x)
        pairs = list(
            zip(x.split(AT_ONCE), [None] * len(x) if y is None else y.split(AT_ONCE), strict=False)
        )
        return torch.cat([self._searched(part, label, self.steps)[0] for part, label in pairs]), y

    def _fitting(self, x: Tensor) -> Tensor:
        """The label of each example, (n, 1), with which a short search comes nearest to it: all are
        tried."""
        assert self.condition is not None
        labels = [
            torch.full((len(x), 1), k, device=x.device) for k in range(self.condition.vocabulary)
        ]
        costs = [
            torch.cat(
                [self._searched(part, y[: len(part)], GLANCE)[1] for part in x.split(AT_ONCE)]
            )
            for y in labels
        ]
        return torch.stack(costs).argmin(0).unsqueeze(1)

    @torch.enable_grad()  # tasks are done where nothing learns
    def _searched(self, x: Tensor, y: Tensor | None, steps: int) -> tuple[Tensor, Tensor]:
        """Latents of examples after so many steps, and what they cost, (n,)."""
        u = ((self.inverter(x).float() - self.middle) / self.width).detach().requires_grad_()
        wanted = None if self.features is None else self.features(x).detach()
        optimizer = torch.optim.Adam([u], lr=PACE)
        for i in with_progress(range(steps), steps, "inverting", lambda _: 1, GLANCE):
            optimizer.zero_grad()
            self._costs(x, wanted, u, y).sum().backward(inputs=[u])
            optimizer.param_groups[0]["lr"] = PACE * SCHEDULES["cosine"](i / steps)
            optimizer.step()
        costs = self._costs(x, wanted, u, y).detach()
        return (u.detach() * self.width + self.middle), costs

    def _costs(self, x: Tensor, wanted: Tensor | None, u: Tensor, y: Tensor | None) -> Tensor:
        """What is minimised, of each example, (n,)."""
        made = self.model.decode(u * self.width + self.middle, y).float()
        costs = (made - x).square().flatten(1).mean(1) + PRIOR * u.square().mean(1)
        if self.features is not None and wanted is not None:
            costs = costs + FEATURES * (1 - F.cosine_similarity(self.features(made), wanted, 1))
        return costs


class Inverter(Model):
    """An encoder E that finds where samples came from:   min over E of  E |E(G(z)) - z|^2 +
    |G(E(G(z))) - G(z)|^2

    decode: G, of latents and what follows these in a batch's y.
    """

    players = {"encoder": adam(1e-3)}

    def __init__(
        self, space: Space, latent: int, decode: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        super().__init__(space)
        self.latent = latent

        def decode_latent(z: Tensor, y: Tensor) -> Tensor:
            return decode(z, y)

        self.decode_latent = decode_latent  # copies of the network share it, and what is behind it
        self.encoder = encoder(space, latent)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        assert batch.y is not None
        z, y = batch.y.split((self.latent, batch.y.shape[1] - self.latent), 1)
        found = self(batch.x).float()
        again = (self.decode_latent(found, y) - batch.x).square().mean()
        yield Turn("encoder", {"latent": (found - z).square().mean(), "example": again})

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.encoder(x)
        return result


def make_encoder(
    model: Decodes, seed: int, features: Callable[[Tensor], Tensor] | None, inversion_steps: int
) -> Latents:
    """The way from examples to latents that a model offers. Raises InputError where it offers
    none."""
    return (
        OwnEncoder(model, seed)
        if isinstance(model, Encodes)
        else InvertedGenerator(model, seed, features, inversion_steps)
    )


def learned_features(x: Tensor, inversion_steps: int, seed: int) -> Callable[[Tensor], Tensor]:
    """Features (n, 128) of images that a small network learns on examples (N, C, H, W) by telling
    how these were turned (Gidaris et al., 2018), less what all have in common."""
    space = Continuous(tuple(x.shape[1:]))
    with seeded_rng(seed):
        network = Network(space, 0).to(x.device)
        engine = Engine(network, ema=0.99)
        with torch.enable_grad():
            parts = (
                Batch(x[torch.randint(len(x), (min(BATCH, len(x)),))])
                for _ in range(inversion_steps)
            )
            for i, _ in enumerate(
                with_progress(
                    engine.steps(parts), inversion_steps, "learning features", lambda _: 1, 0
                ),
                1,
            ):
                engine.set_lr_factor(SCHEDULES["one-cycle"](i / inversion_steps))
    network.load_state_dict(engine.ema_model.state_dict())
    network.eval().requires_grad_(False)
    middle = torch.cat([network.features(part) for part in x[:1024].split(AT_ONCE)]).mean(0)
    return lambda x: network.features(x) - middle
