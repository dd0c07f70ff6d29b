"""Conditional tabular GAN: training by sampling, so that rare categories are learned (Xu et al.,
2019)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import accumulate, count, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..abilities import Samples
from ..core import (
    Batch,
    Data,
    Defaults,
    InputError,
    Mixed,
    Model,
    Space,
    Turn,
    adam,
    seeded_generator,
)
from ..nn import standard_normal
from ..nn.losses import critic_generator_loss, critic_loss, gradient_penalty, ordering
from ..nn.perceptron import Append, LeakyDropout
from ..runtime.errors import flag


class CTGAN(Model, Samples):
    """A Wasserstein GAN of rows, conditioned on a category c (Gulrajani et al., 2017):

    D maximises E D(x, c) - E D(G(z, c), c) - penalty E (|grad D| - 1)^2
    G maximises E D(G(z, c), c) + E log(probability that G(z, c) has the category c)

    The condition is one category of one column. In training the column is drawn evenly, its
    category in proportion to the logarithm of its frequency, and the real row from among those that
    have it (training by sampling, section 4.3 of the paper). D sees `pac` rows at once, so that
    rows too much alike are found out (Lin et al., 2018). In a step both players get the same
    generated rows, where algorithm 1 of the paper draws them twice.

    Arguments:
        latent: Dimensions of the noise that a row is generated from.
        width: Units of each hidden layer.
        depth: Hidden layers of each player.
        pac: Rows that the discriminator sees together.
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
        hidden = [Append(latent + len(places) + width * i, width) for i in range(depth)]
        last = nn.Linear(latent + len(places) + width * depth, space.raw[0])
        self.generator = nn.Sequential(*hidden, last)
        widths = [pac * (space.shape[0] + len(places)), *[width] * depth]
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [nn.Linear(a, b), LeakyDropout(0.2, 0.5)]
        last = nn.Linear(widths[-1], 1, bias=False)
        self.discriminator = nn.Sequential(*layers, last, nn.Flatten(0))

    def batches(self, data: Data, size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        """Endless batches by sampling: y, int64 (B, 1), are the categories drawn, x rows that have
        them."""
        if not self.columns:
            yield from super().batches(data, size, seed, start)
            return
        column = self.column.cpu()
        widths = column.bincount().tolist()
        codes = self._category_codes(data, widths)
        frequencies = [codes[:, i].bincount(minlength=width) for i, width in enumerate(widths)]
        counts = torch.cat(frequencies)
        self.frequencies.copy_(counts)
        # the rows of the data in the order of each column's categories
        rows = torch.stack([codes[:, i].argsort().int() for i in range(len(widths))])
        first = counts.cumsum(0) - counts - column * len(data)
        weights = counts.add(1).log()
        weights /= torch.zeros(len(widths)).index_add(0, column, weights)[column]
        for step in count(start):
            random = seeded_generator(seed, step)
            asked = weights.multinomial(size, replacement=True, generator=random)
            among = (torch.rand(size, generator=random, dtype=torch.float64) * counts[asked]).long()
            chosen = rows[column[asked], first[asked] + among].long()
            yield Batch(data.batch(chosen, step).x, asked.unsqueeze(1))

    def _category_codes(self, data: Data, widths: list[int]) -> Tensor:
        """The category of each example in each column of so many categories, (N, columns)."""
        codes = []
        for batch in data.in_batches(4096):
            blocks = batch.x[:, self.places].cpu().split(widths, 1)
            codes.append(torch.stack([block.argmax(1) for block in blocks], 1))
        return torch.cat(codes)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        condition = self._conditions(batch)
        raw = self._generate(condition)
        real = self._pack(batch.x, condition)
        fake = self._pack(self.space.activate(raw), condition)
        logits = self.discriminator(torch.cat([real, fake.detach()])).chunk(2)
        penalty = gradient_penalty(self.discriminator, real, fake.detach()).mean()
        terms = critic_loss(*logits) | {"penalty": self.penalty * penalty}
        yield Turn("discriminator", terms, {"ordering": ordering(*logits)})
        if self.step % self.discriminator_steps == 0:
            loss = critic_generator_loss(self.discriminator(fake))
            yield Turn("generator", loss | self._condition_loss(raw, condition))

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        drawn = self.frequencies.double().multinomial(n, replacement=True) if self.columns else None
        return self.space.draw(self._generate(self._one_hot(drawn, n), truncation))

    def _generate(self, asked: Tensor, truncation: float | None = None) -> Tensor:
        """Raw output for conditions (B, categories)."""
        z = standard_normal(len(asked), self.latent, self.device, truncation)
        return self.generator(torch.cat([z, asked], 1))

    def _one_hot(self, asked: Tensor | None, n: int) -> Tensor:
        if asked is None:
            return torch.zeros(n, 0, device=self.device)
        return F.one_hot(asked, len(self.places)).float()

    def _conditions(self, batch: Batch) -> Tensor:
        """One category for each row, one-hot (B, categories): the one it was drawn for, or else one
        of those it has."""
        if batch.y is not None and self.columns:
            return self._one_hot(batch.y.squeeze(1), len(batch))
        of = torch.randint(self.columns or 1, (len(batch), 1), device=self.device)
        return batch.x[:, self.places] * (self.column == of)

    def _condition_loss(self, raw: Tensor, asked: Tensor) -> dict[str, Tensor]:
        """-log of the probability that rows have the category of their condition."""
        if not self.columns:
            return {}
        wanted = asked.argmax(1)
        others = self.column != self.column[wanted, None]
        logits = raw[:, self.places].float().masked_fill(others, -torch.inf)
        return {"missed": F.cross_entropy(logits, wanted)}

    def _pack(self, x: Tensor, asked: Tensor) -> Tensor:
        """Rows beside their conditions, `pac` in one; the first ones come again to fill up."""
        x = torch.cat([x, asked], 1)
        short = -len(x) % self.pac
        whole = torch.cat([x, x[torch.arange(short) % len(x)]]) if short else x
        return whole.view(-1, self.pac * x.shape[1])


def _categories(space: Mixed) -> tuple[Tensor, Tensor]:
    """Where in a row each category has its place, and the number of its column, both int64
    (categories,).

    A column after a number holds the mode that it lies in, which is no category.
    """
    starts = [0, *accumulate(space.columns)]
    pairs = enumerate(pairwise((0, *space.columns)))
    found = [i for i, (before, own) in pairs if own > 1 and before != 1]
    places = [torch.arange(starts[i], starts[i + 1]) for i in found]
    numbers = [torch.full((len(place),), n) for n, place in enumerate(places)]
    none = torch.empty(0, dtype=torch.int64)
    return torch.cat([none, *places]), torch.cat([none, *numbers])
