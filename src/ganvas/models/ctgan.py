"""Conditional tabular GAN: rows whose rare categories are practised as often as the others (Xu et
al., 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import accumulate, count, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import (
    Batch,
    Data,
    Defaults,
    InputError,
    Mixed,
    Model,
    Samples,
    Space,
    Turn,
    adam,
    seeded_generator,
)
from ..nn import standard_normal
from ..nn.losses import critic_generator_loss, critic_loss, gradient_penalty, ordering
from ..nn.perceptron import Appending, Middleware
from ..runtime.errors import flag


class CTGAN(Model, Samples):
    """A Wasserstein GAN of rows that are asked for a category c (Gulrajani et al., 2017):

    D maximises E D(x, c) - E D(G(z, c), c) - penalty E (|grad D| - 1)^2,
    G maximises E D(G(z, c), c) + E log(probability that G(z, c) has the category c)

    What is asked is one category of one column. In training the column is drawn evenly, its
    category by the logarithm of how frequent it is, and the real row from among those that have it
    (training by sampling, section 4.3 of the paper). D judges `pac` rows at once, so that rows too
    much alike give themselves away (Lin et al., 2018). In a step both players meet the same made
    rows, where algorithm 1 of the paper draws them twice.

    Arguments:
        latent: Dimensions of the noise a row is made from.
        width: Units of each hidden layer.
        depth: Hidden layers of each player.
        pac: Rows that the discriminator judges together.
        penalty: Weight of the gradient penalty.
        discriminator_steps: Steps the discriminator plays for each one of the generator's.

    Example: ganvas train ctgan people.csv --out runs/ctgan-people
    """

    players = {
        "discriminator": adam(2e-4, (0.5, 0.9)),
        "generator": partial(
            torch.optim.Adam, lr=2e-4, betas=(0.5, 0.9), weight_decay=1e-6, fused=True
        ),
    }
    defaults = Defaults(
        batch=500,
        epochs=300,
        steps=5000,
        schedule="constant",
        ema=0.99,
        data_options={"numbers": "modes"},
    )

    frequencies: Tensor
    places: Tensor
    column: Tensor

    def __init__(
        self,
        space: Space,
        *,
        latent: int = 128,
        width: int = 256,
        depth: int = 2,
        pac: int = 10,
        penalty: float = 10.0,
        discriminator_steps: int = 1,
    ) -> None:
        if not isinstance(space, Mixed):
            raise InputError(
                "ctgan learns rows of a table, with numbers as places within modes; use"
                f" {flag('numbers', 'modes')}"
            )
        super().__init__(space)
        self.latent, self.pac, self.penalty = latent, pac, penalty
        self.second_order = True
        self.discriminator_steps = discriminator_steps
        places, column = _categories(space)
        self.columns = len(column.unique())
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("column", column, persistent=False)
        self.register_buffer("frequencies", torch.ones(len(places), dtype=torch.int64))
        hidden = [Appending(latent + len(places) + width * i, width) for i in range(depth)]
        self.generator = nn.Sequential(
            *hidden, nn.Linear(latent + len(places) + width * depth, space.raw[0])
        )
        widths = [pac * (space.shape[0] + len(places)), *[width] * depth]
        judging = [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), Middleware(0.2, 0.5))]
        self.discriminator = nn.Sequential(
            *judging, nn.Linear(widths[-1], 1, bias=False), nn.Flatten(0)
        )

    def batches(self, data: Data, size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        """Endless batches by sampling: of each example y, int64 (B, 1), is the category drawn, x a
        row that has it."""
        if not self.columns:
            yield from super().batches(data, size, seed, start)
            return
        column = self.column.cpu()
        widths = column.bincount().tolist()
        blocks = (batch.x[:, self.places].cpu().split(widths, 1) for batch in data.in_batches(4096))
        codes = torch.cat([torch.stack([block.argmax(1) for block in row], 1) for row in blocks])
        counts = torch.cat(
            [codes[:, i].bincount(minlength=width) for i, width in enumerate(widths)]
        )
        self.frequencies.copy_(counts)
        rows = torch.stack(
            [codes[:, i].argsort().int() for i in range(len(widths))]
        )  # of each column, by category
        first = counts.cumsum(0) - counts - column * len(data)
        weights = counts.add(1).log()
        weights /= torch.zeros(len(widths)).index_add(0, column, weights)[column]
        for step in count(start):
            random = seeded_generator(seed, step)
            asked = weights.multinomial(size, replacement=True, generator=random)
            among = (torch.rand(size, generator=random, dtype=torch.float64) * counts[asked]).long()
            chosen = rows[column[asked], first[asked] + among].long()
            yield Batch(data.batch(chosen, step).x, asked.unsqueeze(1))

    def turns(self, batch: Batch) -> Iterator[Turn]:
        asked = self._asked(batch)
        raw = self._generate(asked)
        real, fake = self._packed(batch.x, asked), self._packed(self.space.activate(raw), asked)
        judged = self.discriminator(torch.cat([real, fake.detach()])).chunk(2)
        slope = gradient_penalty(self.discriminator, real, fake.detach()).mean()
        terms = critic_loss(*judged) | {"penalty": self.penalty * slope}
        yield Turn("discriminator", terms, {"ordering": ordering(*judged)})
        if self.step % self.discriminator_steps == 0:
            yield Turn(
                "generator",
                critic_generator_loss(self.discriminator(fake)) | self._missed(raw, asked),
            )

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        drawn = self.frequencies.double().multinomial(n, replacement=True) if self.columns else None
        return self.space.draw(self._generate(self._one_hot(drawn, n), truncation))

    def _generate(self, asked: Tensor, truncation: float | None = None) -> Tensor:
        """Raw output for categories asked for, (B, categories)."""
        z = standard_normal(len(asked), self.latent, self.device, truncation)
        return self.generator(torch.cat([z, asked], 1))

    def _one_hot(self, asked: Tensor | None, n: int) -> Tensor:
        if asked is None:
            return torch.zeros(n, 0, device=self.device)
        return F.one_hot(asked, len(self.places)).float()

    def _asked(self, batch: Batch) -> Tensor:
        """One category for each row, (B, categories): the one it was drawn for, or else one of
        those it has."""
        if batch.y is not None and self.columns:
            return self._one_hot(batch.y.squeeze(1), len(batch))
        of = torch.randint(self.columns or 1, (len(batch), 1), device=self.device)
        return batch.x[:, self.places] * (self.column == of)

    def _missed(self, raw: Tensor, asked: Tensor) -> dict[str, Tensor]:
        """-log of the probability that rows give the category they were asked for."""
        if not self.columns:
            return {}
        wanted = asked.argmax(1)
        logits = (
            raw[:, self.places]
            .float()
            .masked_fill(self.column != self.column[wanted, None], -torch.inf)
        )
        return {"missed": F.cross_entropy(logits, wanted)}

    def _packed(self, x: Tensor, asked: Tensor) -> Tensor:
        """Rows beside what they were asked, `pac` in one; where that does not go even, the first
        ones come again."""
        x = torch.cat([x, asked], 1)
        short = -len(x) % self.pac
        whole = torch.cat([x, x[torch.arange(short) % len(x)]]) if short else x
        return whole.view(-1, self.pac * x.shape[1])


def _categories(space: Mixed) -> tuple[Tensor, Tensor]:
    """Where in a row each category has its place, and the number of its column, both int64
    (categories,).

    What comes after a number says which mode it lies in, and is no category.
    """
    starts = [0, *accumulate(space.columns)]
    found = [
        i
        for i, (before, own) in enumerate(pairwise((0, *space.columns)))
        if own > 1 and before != 1
    ]
    places = [torch.arange(starts[i], starts[i + 1]) for i in found]
    numbers = [torch.full((len(place),), n) for n, place in enumerate(places)]
    none = torch.empty(0, dtype=torch.int64)
    return torch.cat([none, *places]), torch.cat([none, *numbers])
