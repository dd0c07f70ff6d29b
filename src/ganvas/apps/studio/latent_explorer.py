"""The latents of a model as a landscape: a map of two directions, sliders for more, and walks from
seed to seed.

Directions are those along which examples change most: principal components of what is made, each
brought back to the latents by linear regression (as Härkönen et al., 2020, do with those of
activations).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from ...api import Trained
from ...core import (
    Autoencodes,
    EncodedModality,
    Generates,
    InputError,
    Tokenizes,
    Tokens,
    data_of,
    seeded_rng,
)
from ...tasks._inputs import training_examples
from .data_overview import said
from .task_results import opened

LOOKED_AT = 512  # latents
DIRECTIONS = 6
REACH = 2.5  # standard deviations to either side
ACROSS = 7  # images on a side of the map
TILE, LARGE = 72, 360  # pixels


@dataclass(frozen=True)
class LatentExplorer:
    """Latents around a middle.

    middle: (1, ...).
    directions: (D, ...), each a standard deviation long.
    spots: Latents that seeds stand for where there is no prior, (N, ...).
    label: What every example shall be, where the model learned labels.
    """

    trained: Trained
    middle: Tensor
    directions: Tensor
    spots: Tensor
    label: int

    @property
    def labels(self) -> tuple[str, ...]:
        """What can be asked for."""
        model = self.trained.model
        asks = isinstance(model, Generates) and model.condition is not None
        return self.trained.run.modality.classes if asks else ()

    def at(self, places: Tensor) -> Tensor:
        """Examples (n, *space.shape) at places (n, D), in standard deviations from the middle along
        each direction."""
        moved = places.to(self.middle) @ self.directions.flatten(1)
        return self.decoded(self.middle + moved.view(len(places), *self.middle.shape[1:]))

    def seeded(self, seed: int) -> Tensor:
        """A latent (1, ...): the same seed gives the same one."""
        model = self.trained.model
        if not isinstance(model, Generates):
            return self.spots[seed % len(self.spots)][None]
        with seeded_rng(seed):
            return model.prior(1)

    def between(self, first: int, second: int, share: float) -> Tensor:
        """The example at a share of the way between two seeds, on the arc where there is a prior
        (White, 2016)."""
        a, b = self.seeded(first), self.seeded(second)
        if not isinstance(self.trained.model, Generates):
            return self.decoded(torch.lerp(a, b, share))
        angle = torch.cosine_similarity(a.flatten(1), b.flatten(1)).clamp(-0.9999, 0.9999).acos()
        return self.decoded(
            (((1 - share) * angle).sin() * a + (share * angle).sin() * b) / angle.sin()
        )

    @torch.no_grad()
    def decoded(self, z: Tensor) -> Tensor:
        """Examples of latents (n, ...), on the CPU; the same whenever they are asked for."""
        model = self.trained.model
        assert isinstance(model, Generates | Autoencodes), "what is explored decodes"
        asked = isinstance(model, Generates) and model.condition is not None
        y = torch.full((len(z), 1), self.label, device=z.device) if asked else None
        with seeded_rng(0):
            parts = zip(
                z.split(64), y.split(64) if y is not None else [None] * len(z), strict=False
            )
            return torch.cat([model.decode(part, own).cpu() for part, own in parts])


def explorable(trained: Trained) -> bool:
    """Whether latents are a landscape: numbers that change smoothly, of which examples can be
    made."""
    model = trained.model
    if isinstance(model, Tokenizes) and isinstance(model.latents, Tokens):
        return False
    return isinstance(model, Generates) or (
        isinstance(model, Autoencodes) and trained.source is not None
    )


def landscape(run: Path, label: str | None = None) -> LatentExplorer:
    """The landscape of a run, worked out once. Raises InputError where it has none."""
    trained = opened(run)
    if not explorable(trained):
        raise InputError(
            f"{run.name} has no latents that change smoothly; choose a run of another model"
        )
    return _landscape(trained, trained.run.modality.label(label) if label else 0)


@lru_cache(maxsize=8)
@torch.no_grad()
def _landscape(trained: Trained, label: int) -> LatentExplorer:
    model = trained.model
    if isinstance(model, Generates):
        with seeded_rng(0):
            z = model.prior(LOOKED_AT)
    else:
        assert isinstance(model, Autoencodes), "explorable says so"
        z = model.encode(training_examples(trained.run, trained.source, LOOKED_AT).x).float()
    ground = LatentExplorer(
        trained, z.mean(0, keepdim=True), torch.zeros(1, *z.shape[1:]), z, label
    )
    vectors = trained.run.modality.vectors(ground.decoded(z)).double().flatten(1)
    return LatentExplorer(
        trained, ground.middle, _directions(z.cpu(), vectors.cpu()).to(z), z, label
    )


def _directions(z: Tensor, vectors: Tensor) -> Tensor:
    """Directions (D, ...) of latents (n, ...) along which vectors of their examples (n, V) change
    most."""
    flat = (z - z.mean(0)).double().flatten(1)
    with seeded_rng(0):
        places = torch.pca_lowrank(
            vectors, min(DIRECTIONS, *vectors.shape, flat.shape[1]), niter=4
        )[0]  # (n, D)
    found = (
        flat.T @ places
    )  # regression of each latent on each component; latents of a prior are uncorrelated
    found = torch.linalg.qr(found)[0].T
    return (found * (flat @ found.T).std(0, correction=0)[:, None]).view(-1, *z.shape[1:])


def chart(ground: LatentExplorer) -> np.ndarray:
    """The plane of the first two directions as an image to click on, uint8 (H, W, 3)."""
    modality = data_of(ground.trained.run.modality)
    line = torch.linspace(-REACH, REACH, ACROSS)
    across, up = torch.meshgrid(line, line.flip(0), indexing="xy")
    places = torch.zeros(ACROSS**2, len(ground.directions))
    places[:, 0] = across.flatten()
    places[:, min(1, len(ground.directions) - 1)] = up.flatten()
    small = modality.thumbnails(_inner(ground, ground.at(places)), TILE)
    if small is None:
        return _plain(ground)
    tiles = [
        np.asarray(Image.fromarray(one).resize((TILE, TILE), Image.Resampling.BICUBIC))
        for one in small.numpy()
    ]
    return np.concatenate(
        [np.concatenate(tiles[i : i + ACROSS], 1) for i in range(0, len(tiles), ACROSS)]
    )


def _plain(ground: LatentExplorer) -> np.ndarray:
    """Where the examples lie, as dots: a map for what cannot be seen."""
    canvas = np.full((ACROSS * TILE, ACROSS * TILE, 3), 247, np.uint8)
    unit = ground.directions.flatten(1).double()
    unit = unit / unit.norm(dim=1, keepdim=True).square()
    places = ((ground.spots - ground.middle).double().flatten(1) @ unit.T)[:, :2].cpu().numpy()
    for x, y in (places / REACH / 2 + 0.5) * (len(canvas) - 1):
        i, j = int(len(canvas) - 1 - y), int(x)
        if 3 <= i < len(canvas) - 3 and 3 <= j < len(canvas) - 3:
            canvas[i - 2 : i + 3, j - 2 : j + 3] = (48, 102, 190)
    return canvas


def place(x: int, y: int) -> tuple[float, float]:
    """Where on the map a pixel lies, in standard deviations along the first two directions."""
    reach, side = REACH * ACROSS / (ACROSS - 1), ACROSS * TILE
    across, up = ((2 * one / side - 1) * reach for one in (x, side - y))
    return tuple(round(min(max(one, -REACH), REACH), 2) for one in (across, up))  # type: ignore[return-value]


def seen(ground: LatentExplorer, x: Tensor) -> tuple[np.ndarray | None, pd.DataFrame | None]:
    """An example (1, ...) as an image, or where it cannot be seen, as a row."""
    x, modality = _inner(ground, x), data_of(ground.trained.run.modality)
    small = modality.thumbnails(x, LARGE)
    if small is None:
        return None, said(x, modality)
    image = Image.fromarray(small[0].numpy())
    times = max(LARGE // max(image.size), 1)
    return np.asarray(image.resize([n * times for n in image.size], Image.Resampling.NEAREST)), None


def _inner(ground: LatentExplorer, x: Tensor) -> Tensor:
    """Examples of the data itself, where the model learned latents of it."""
    modality = ground.trained.run.modality
    return modality.decode(x) if isinstance(modality, EncodedModality) else x


def places(values: Sequence[float], ground: LatentExplorer) -> Tensor:
    """What sliders say as a place (1, D); along other directions it is the middle."""
    place = torch.zeros(1, len(ground.directions))
    place[0, : len(values)] = torch.tensor([*values])
    return place
