"""Small examples of every space, for tests that look at every model."""

from __future__ import annotations

import gzip
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ganvas.core import Batch, Continuous, Data, Mixed, Space, Tokens

torch.set_num_threads(1)

IMAGE, VECTOR = Continuous((3, 16, 16)), Continuous((6,))
ROW, TEXT = Mixed((1, 3, 4, 1, 2, 2)), Tokens(8, 11)
SPACES = {
    "image": IMAGE,
    "odd image": Continuous((1, 20, 20)),
    "clip": Continuous((1, 4, 8, 8)),
    "vector": VECTOR,
    "row": ROW,
    "text": TEXT,
    "codes": Tokens(3, 5, (5, 2, 4)),
}
LABELS = Tokens(1, 3)
OTHER: dict[Space, Space] = {
    IMAGE: Continuous((1, 16, 16)),
    SPACES["odd image"]: Continuous((1, 20, 20)),
}
"""By the space of images, that of the images they may be made of."""


def examples(space: Space, n: int = 16, seed: int = 0) -> Tensor:
    """Random examples of a space, shape (n, *space.shape)."""
    random = torch.Generator().manual_seed(seed)
    if isinstance(space, Tokens):
        return torch.stack([torch.randint(size, (n,), generator=random) for size in space.sizes], 1)
    if isinstance(space, Mixed):
        columns = [
            torch.rand(n, 1, generator=random) * 2 - 1
            if width == 1
            else F.one_hot(torch.randint(width, (n,), generator=random), width).float()
            for width in space.columns
        ]
        return torch.cat(columns, 1)
    return torch.rand(n, *space.shape, generator=random) * 2 - 1


class InMemory(Data):
    """Examples that are a tensor already."""

    def __init__(self, x: Tensor, y: Tensor | None = None) -> None:
        self.x, self.y, self.names = x, y, [str(i) for i in range(len(x))]

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, rows: Tensor, step: int | None = None) -> Batch:
        return Batch(self.x[rows], None if self.y is None else self.y[rows])

    def keys(self) -> Tensor:
        return (
            self.x.flatten(1).double() @ torch.arange(1.0, self.x[0].numel() + 1).double() * 1e6
        ).long()

    def subset(self, rows: Tensor) -> InMemory:
        return InMemory(self.x[rows], None if self.y is None else self.y[rows])


@pytest.fixture(autouse=True)
def _exact_products() -> None:
    """Training lets float32 products be faster than they are exact; the next test does not expect
    it."""
    torch.set_float32_matmul_precision("highest")


@pytest.fixture(scope="session")
def fashion() -> tuple[Tensor, Tensor]:
    """The images that ship with the package, uint8 (N, 28, 28), and their labels (N,)."""
    folder = files("ganvas.data.samples") / "fashion"
    images = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())
    x = torch.frombuffer(bytearray(images[16:]), dtype=torch.uint8).view(-1, 28, 28)
    return x, torch.frombuffer(bytearray(labels[8:]), dtype=torch.uint8).long()


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 200 images of noise, in three classes."""
    random = np.random.default_rng(0)
    file = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(
        file, x=random.integers(0, 256, (200, 16, 16, 3), dtype=np.uint8), y=np.arange(200) % 3
    )
    return file
