"""The latent space of a model: a map of two directions, sliders for more, and interpolations from
seed to seed.

Directions are those along which examples change most: principal components of what is generated,
each brought back to the latents by linear regression (as Härkönen et al., 2020, do with those of
activations).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from ...abilities import Autoencodes, Generates, Tokenizes
from ...api import Trained
from ...core import InputError, Tokens, seeded_rng
from ...tasks._inputs import training_examples
from .data_overview import to_frame
from .task_results import open_run

SAMPLED = 512  # latents
DIRECTIONS = 6
REACH = 2.5  # standard deviations to either side
ACROSS = 7  # images on a side of the map
TILE, LARGE = 72, 360  # pixels


@dataclass(frozen=True)
class LatentExplorer:
    """Latents around a middle.

    middle: (1, ...).
    directions: (D, ...), each a standard deviation long.
    encoded: Latents that seeds stand for where there is no prior, (N, ...).
    label: Class of every example, where the model learned classes.
    """

    trained: Trained
    middle: Tensor
    directions: Tensor
    encoded: Tensor
    label: int

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes that can be asked for."""
        model = self.trained.model
        conditional = isinstance(model, Generates) and model.condition is not None
        return self.trained.run.modality.classes if conditional else ()

    def decode_at(self, positions: Tensor) -> Tensor:
        """Examples (n, *space.shape) at positions (n, D), in standard deviations from the middle
        along each direction."""
        moved = positions.to(self.middle) @ self.directions.flatten(1)
        return self.decode(self.middle + moved.view(len(positions), *self.middle.shape[1:]))

    def draw_latent(self, seed: int) -> Tensor:
        """A latent (1, ...): the same seed gives the same one."""
        model = self.trained.model
        if not isinstance(model, Generates):
            return self.encoded[seed % len(self.encoded)][None]
        with seeded_rng(seed):
            return model.prior(1)

    def interpolate(self, first: int, second: int, share: float) -> Tensor:
        """The example at a share of the way between two seeds, on the arc where there is a prior
        (White, 2016)."""
        a, b = self.draw_latent(first), self.draw_latent(second)
        if not isinstance(self.trained.model, Generates):
            return self.decode(torch.lerp(a, b, share))
        angle = torch.cosine_similarity(a.flatten(1), b.flatten(1)).clamp(-0.9999, 0.9999).acos()
        weight_a, weight_b = ((1 - share) * angle).sin(), (share * angle).sin()
        return self.decode((weight_a * a + weight_b * b) / angle.sin())

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Examples of latents (n, ...), on the CPU; the same whenever they are asked for."""
        model = self.trained.model
        assert isinstance(model, Generates | Autoencodes), "what is explored decodes"
        conditional = isinstance(model, Generates) and model.condition is not None
        examples = list[Tensor]()
        with seeded_rng(0):
            for part in torch.split(z, 64):
                y = torch.full((len(part), 1), self.label, device=z.device) if conditional else None
                examples.append(model.decode(part, y).cpu())
        return torch.cat(examples)


def is_explorable(trained: Trained) -> bool:
    """Whether the latent space is continuous, and examples can be decoded from it."""
    model = trained.model
    if isinstance(model, Tokenizes) and isinstance(model.latents, Tokens):
        return False
    return isinstance(model, Generates) or (
        isinstance(model, Autoencodes) and trained.source is not None
    )


def open_explorer(run: Path, label: str | None = None) -> LatentExplorer:
    """The explorer of a run, computed once. Raises InputError where its latents are not
    continuous."""
    trained = open_run(run)
    if not is_explorable(trained):
        raise InputError(
            f"{run.name} has no continuous latent space; choose a run of another model"
        )
    return _build_explorer(trained, trained.run.modality.label(label) if label else 0)


@lru_cache(maxsize=8)
@torch.no_grad()
def _build_explorer(trained: Trained, label: int) -> LatentExplorer:
    model = trained.model
    if isinstance(model, Generates):
        with seeded_rng(0):
            z = model.prior(SAMPLED)
    else:
        assert isinstance(model, Autoencodes), "is_explorable says so"
        z = model.encode(training_examples(trained.run, trained.source, SAMPLED).x).float()
    nowhere = torch.zeros(1, *z.shape[1:])
    explorer = LatentExplorer(trained, z.mean(0, keepdim=True), nowhere, z, label)
    vectors = trained.run.modality.vectors(explorer.decode(z)).double().flatten(1)
    return replace(explorer, directions=_find_directions(z.cpu(), vectors.cpu()).to(z))


def _find_directions(z: Tensor, vectors: Tensor) -> Tensor:
    """Directions (D, ...) of latents (n, ...) along which vectors of their examples (n, V) change
    most."""
    flat = (z - z.mean(0)).double().flatten(1)
    rank = min(DIRECTIONS, *vectors.shape, flat.shape[1])
    with seeded_rng(0):
        components = torch.pca_lowrank(vectors, rank, niter=4)[0]  # (n, D)
    # regression of each latent on each component; latents of a prior are uncorrelated
    directions = torch.linalg.qr(flat.T @ components)[0].T
    lengths = (flat @ directions.T).std(0, correction=0)
    scaled: Tensor = directions * lengths[:, None]
    return scaled.view(-1, *z.shape[1:])


def draw_map(explorer: LatentExplorer) -> np.ndarray:
    """The plane of the first two directions as an image to click on, uint8 (H, W, 3)."""
    modality = explorer.trained.run.modality.inner
    line = torch.linspace(-REACH, REACH, ACROSS)
    across, up = torch.meshgrid(line, line.flip(0), indexing="xy")
    positions = torch.zeros(ACROSS**2, len(explorer.directions))
    positions[:, 0] = across.flatten()
    positions[:, min(1, len(explorer.directions) - 1)] = up.flatten()
    examples = _decode_encoded(explorer, explorer.decode_at(positions))
    small = modality.thumbnails(examples, TILE)
    if small is None:
        return _draw_dots(explorer)
    tiles = [_resize_tile(image) for image in small.numpy()]
    rows = [np.concatenate(tiles[i : i + ACROSS], 1) for i in range(0, len(tiles), ACROSS)]
    return np.concatenate(rows)


def _resize_tile(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((TILE, TILE), Image.Resampling.BICUBIC))


def _draw_dots(explorer: LatentExplorer) -> np.ndarray:
    """Where the latents lie, as dots: a map for examples that cannot be seen."""
    side = ACROSS * TILE
    canvas = np.full((side, side, 3), 247, np.uint8)
    unit = explorer.directions.flatten(1).double()
    unit = unit / unit.norm(dim=1, keepdim=True).square()
    offsets = (explorer.encoded - explorer.middle).double().flatten(1)
    positions = (offsets @ unit.T)[:, :2].cpu().numpy()
    for x, y in (positions / REACH / 2 + 0.5) * (side - 1):
        i, j = int(side - 1 - y), int(x)
        if 3 <= i < side - 3 and 3 <= j < side - 3:
            canvas[i - 2 : i + 3, j - 2 : j + 3] = (48, 102, 190)
    return canvas


def click_to_position(x: int, y: int) -> tuple[float, float]:
    """Where on the map a pixel lies, in standard deviations along the first two directions."""
    side = ACROSS * TILE
    return _pixel_to_deviations(x), _pixel_to_deviations(side - y)


def _pixel_to_deviations(pixel: int) -> float:
    """The middles of the outer tiles are at REACH."""
    edge, side = REACH * ACROSS / (ACROSS - 1), ACROSS * TILE
    return round(min(max((2 * pixel / side - 1) * edge, -REACH), REACH), 2)


def to_position(values: Sequence[float], explorer: LatentExplorer) -> Tensor:
    """The values of sliders as a position (1, D); along other directions it is the middle."""
    position = torch.zeros(1, len(explorer.directions))
    position[0, : len(values)] = torch.tensor([*values])
    return position


def render_example(
    explorer: LatentExplorer, x: Tensor
) -> tuple[np.ndarray | None, pd.DataFrame | None]:
    """An example (1, ...) as an image, or where it cannot be seen, as a row."""
    x, modality = _decode_encoded(explorer, x), explorer.trained.run.modality.inner
    small = modality.thumbnails(x, LARGE)
    if small is None:
        return None, to_frame(x, modality)
    image = Image.fromarray(small[0].numpy())
    times = max(LARGE // max(image.size), 1)
    size = (image.width * times, image.height * times)
    return np.asarray(image.resize(size, Image.Resampling.NEAREST)), None


def _decode_encoded(explorer: LatentExplorer, x: Tensor) -> Tensor:
    """Examples of the data itself, where the model learned on the latents of a trained encoder."""
    return explorer.trained.run.modality.decode(x)
