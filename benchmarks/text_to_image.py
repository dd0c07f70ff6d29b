"""From words to images: do those of combinations of words that were never learned show what they
are asked to?

A VQGAN learns emoji, 64 pixels a side, and a transformer their codes given their names. For each
name held out (every
word of it is in another name, but not the combination: see emoji_data.py) one image is drawn. A
judge that learned from real pairs alone which of some names belongs to which of some images
(Radford et al., 2021) then says which of twenty prompts, its own and nineteen others that were held
out, the image is nearest to. Beside it the same of the real images that were held out, and of
the image to learn from whose name has most words in common.

python benchmarks/text_to_image.py --steps 1500 2500 --runs runs --sheet prompts.png
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import report
from emoji_data import emoji, words
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

import ganvas
from ganvas.core import seeded_rng
from ganvas.core.captions import encode_caption, vocabulary

AMONG = 20
SHOWN = 40


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--steps",
        type=int,
        nargs=2,
        default=[1500, 2500],
        help="steps of the VQGAN, and of the transformer",
    )
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--best", type=int, default=4)
    parser.add_argument(
        "--draws", type=int, default=3, help="images that are drawn of each name, and judged"
    )
    parser.add_argument("--runs", type=Path, help="folder to keep the runs in")
    parser.add_argument(
        "--sheet", type=Path, help="file to draw some names, real images and drawn ones into"
    )
    parser.add_argument("--id", default="text-to-image", help="name of the file of results")
    given = parser.parse_args()
    torch.set_num_threads(1)
    learn, held = emoji()
    with tempfile.TemporaryDirectory() as folder:
        runs = trained(learn, given.runs or Path(folder), given.steps)
        report(given.id, {"runs": [*map(told, runs)]} | judged(runs[-1], learn, held, given))


def trained(learn: Path, runs: Path, steps: list[int]) -> list[ganvas.Trained]:
    """A VQGAN, and a transformer through it; both are gone on with, or opened, where they are there
    already."""
    codes, run = runs / "emoji-codes", runs / "emoji"
    alike = {"held_out": 0.05, "quiet": False}
    return [
        ganvas.train(
            "vqgan",
            learn,
            out=codes,
            captions="names",
            steps=steps[0],
            channels=24,
            discriminator_channels=24,
            codes=512,
            factor=8,
            warmup=150,
            discriminator_start=600,
            batch=16,
            **alike,
        ),
        ganvas.train(
            "transformer",
            learn,
            out=run,
            through=codes,
            steps=steps[1],
            width=192,
            depth=5,
            dropout=0.1,
            batch=64,
            **alike,
        ),
    ]


def told(run: ganvas.Trained) -> dict[str, Any]:
    """What a run is, and how long its training took: less than asked for where held-out names were
    told no better."""
    card, state = run.run.config, run.run.state
    return {
        "model": card["model"],
        "options": card["options"],
        "batch": card["training"]["batch"],
        "steps": state["step"],
        "seconds": state["seconds"],
    }


def judged(
    run: ganvas.Trained, learn: Path, held: Path, given: argparse.Namespace
) -> dict[str, Any]:
    names = sorted(file.stem for file in held.iterdir())
    real = images([held / f"{name}.png" for name in names])
    known = sorted(file.stem for file in learn.iterdir())
    judge = FeatureDiscriminator(known, images([learn / f"{name}.png" for name in known]))
    nearest = [max(known, key=lambda other: _alike(name, other)) for name in names]
    drawn = [*torch.stack([drawings(run, name, given) for name in names], 1)]
    if given.sheet:
        draw_sheet(names, real, drawn, given.sheet)
    shares = [judge.right(x, names) for x in drawn]
    return {
        "images learned from": len(known),
        "names held out": len(names),
        "among": AMONG,
        "by chance": 1 / AMONG,
        "drawn images nearest to their own prompt": float(np.mean(shares)),
        "of each draw": shares,
        "real images nearest to their own name": judge.right(real, names),
        "images learned from, by words in common": judge.right(
            images([learn / f"{name}.png" for name in nearest]), names
        ),
    }


def drawings(run: ganvas.Trained, name: str, given: argparse.Namespace) -> Tensor:
    """Images of a name, (draws, 3, 64, 64) in [-1, 1]."""
    made = run.sample(given.draws, prompt=name, seed=0, guidance=given.guidance, best=given.best)
    return (
        torch.stack([torch.from_numpy(np.asarray(one).copy()) for one in made]).permute(0, 3, 1, 2)
        / 127.5
        - 1
    )


def images(files: list[Path]) -> Tensor:
    """Files as images (N, 3, 64, 64) in [-1, 1]."""
    stacked = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 127.5 - 1


def _alike(a: str, b: str) -> float:
    """The share of words that two names have in common."""
    one, other = set(words(a)), set(words(b))
    return len(one & other) / len(one | other)


class FeatureDiscriminator:
    """Vectors of images and of names, near each other where they belong together; learned from
    real pairs."""

    def __init__(self, names: list[str], x: Tensor, n_steps: int = 1500, batch: int = 128) -> None:
        self.words, self.length = vocabulary(names)
        y = encode_caption(names, self.words, self.length)
        with seeded_rng(0):
            self.sees = nn.Sequential(
                *(
                    layer
                    for a, b in ((3, 32), (32, 64), (64, 128), (128, 192))
                    for layer in (nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU())
                ),
                nn.Flatten(),
                nn.Linear(192 * 16, 128),
            )
            self.reads = nn.EmbeddingBag(len(self.words) + 2, 128, mode="sum", padding_idx=0)
            parameters = [*self.sees.parameters(), *self.reads.parameters()]
            optimizer = torch.optim.AdamW(parameters, 2e-3, weight_decay=0.05)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, n_steps)
            for _ in range(n_steps):
                rows = torch.randperm(len(x))[:batch]
                loss = self._loss(_shaken(x[rows]), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        self.sees.eval()

    def _loss(self, x: Tensor, y: Tensor) -> Tensor:
        logits = 15 * F.normalize(self.sees(x)) @ F.normalize(self.reads(y)).T
        same = (y[:, None] == y[None]).all(2).float()
        wanted = same / same.sum(1, keepdim=True)
        return (F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted)) / 2

    @torch.no_grad()
    def right(self, x: Tensor, names: list[str]) -> float:
        """The share of images that are nearest to their own name among twenty."""
        seen = F.normalize(self.sees(x))
        read = F.normalize(self.reads(encode_caption(names, self.words, self.length)))
        random = np.random.default_rng(0)
        others = [
            random.permutation(np.delete(np.arange(len(names)), i))[: AMONG - 1]
            for i in range(len(names))
        ]
        near = seen @ read.T
        return float(
            np.mean([bool((near[i, i] > near[i, rest]).all()) for i, rest in enumerate(others)])
        )


def _shaken(x: Tensor) -> Tensor:
    """Images, moved by some pixels and made a little noisy or soft."""
    dx, dy = torch.randint(-4, 5, (2,)).tolist()
    x = F.pad(x, (4, 4, 4, 4), value=1.0)[:, :, 4 + dy : 68 + dy, 4 + dx : 68 + dx]
    if torch.rand(()) < 0.5:
        x = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0, mode="bilinear")
    return x + 0.05 * torch.randn_like(x)


def draw_sheet(names: list[str], real: Tensor, drawn: list[Tensor], file: Path) -> None:
    """Rows of real images, and below each what was drawn of its name; the names beside the
    image as text."""
    some = np.random.default_rng(1).permutation(len(names))[:SHOWN].tolist()
    rows = [
        part
        for start in range(0, len(some), 10)
        for part in _rows(some[start : start + 10], real, drawn)
    ]
    Image.fromarray(np.concatenate(rows)).save(file)
    file.with_suffix(".txt").write_text("\n".join(names[i] for i in some) + "\n", encoding="utf-8")


def _rows(some: list[int], real: Tensor, drawn: list[Tensor]) -> list[np.ndarray]:
    levels = lambda x: x.add(1).mul(127.5).clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()  # noqa: E731
    return [np.concatenate([*levels(x[some])], 1) for x in (real, *drawn)]


if __name__ == "__main__":
    main()
