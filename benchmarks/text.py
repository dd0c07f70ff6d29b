"""Bits per byte of text that nobody has seen: a Transformer, beside general compressors and
n-grams.

The text is the King James Version (1611, public domain; see text_data.py): every tenth chapter is
for testing.

ours: `ganvas train transformer train.txt --whole` with the options below; each symbol of the test
    text is told from at
least half an example's length of symbols before it. Its vocabulary is learned from the training
text alone. xz -9 --extreme, zstd -19 --long=27: the bytes that the training and the test text take
together, less those that the training text takes alone.
Kneser-Ney: 5-grams, interpolated (Kneser & Ney, 1995; Chen & Goodman, 1999), of bytes and of our
model's symbols.

python benchmarks/text.py --cache kjv/ --runs runs/
"""

from __future__ import annotations

import argparse
import subprocess
from collections import Counter
from collections.abc import Sequence
from math import log, log2
from pathlib import Path

import torch
from _common import report
from text_data import kjv

import ganvas
from ganvas.api import Trained

ORDER = 5
COMPRESSORS = {"xz -9": ["xz", "-9", "--extreme"], "zstd -19 --long": ["zstd", "-19", "--long=27"]}


class KneserNey:
    """Interpolated n-grams with one discount for each order; orders below the highest count what
    precedes them."""

    def __init__(self, symbols: Sequence[int], vocabulary: int) -> None:
        self.vocabulary, self.orders = vocabulary, list[tuple[Counter, Counter, Counter, float]]()
        grams = Counter(zip(*(symbols[i:] for i in range(ORDER)), strict=False))
        for _ in range(ORDER):
            total, kinds = Counter[tuple[int, ...]](), Counter[tuple[int, ...]]()
            for gram, count in grams.items():
                total[gram[:-1]] += count
                kinds[gram[:-1]] += 1
            ones, twos = (sum(count == times for count in grams.values()) for times in (1, 2))
            self.orders.insert(0, (grams, total, kinds, ones / (ones + 2 * twos)))
            grams = Counter(gram[1:] for gram in grams)

    def bits(self, symbols: Sequence[int]) -> float:
        """Bits of a sequence, each symbol given up to four before it."""
        return sum(
            -log2(self._chance(tuple(symbols[max(i - ORDER + 1, 0) : i + 1])))
            for i in range(len(symbols))
        )

    def _chance(self, gram: tuple[int, ...]) -> float:
        chance = 1 / self.vocabulary
        for order, (grams, total, kinds, discount) in enumerate(self.orders[: len(gram)], 1):
            own = gram[-order:]
            seen = total[own[:-1]]
            if not seen:
                break
            chance = (max(grams[own] - discount, 0) + discount * kinds[own[:-1]] * chance) / seen
        return chance


@torch.no_grad()
def ours(run: Trained, text: str) -> float:
    """Bits of a text."""
    modality, model = run.run.modality, run.model
    symbols = torch.tensor(modality.alphabet.encode([text])[0])
    length = modality.length
    step = length // 2
    starts = range(0, max(len(symbols) - step, 1), step)
    windows = torch.stack(
        [
            torch.nn.functional.pad(
                symbols[i : i + length], (0, length - len(symbols[i : i + length]))
            )
            for i in starts
        ]
    )
    costs = model.score_with_attribution(windows)[1]
    whole = windows != 0
    own = costs[0][whole[0]].sum() + costs[1:, length - step :][whole[1:, length - step :]].sum()
    return float(own) / log(2)


def compressed(command: Sequence[str], text: bytes) -> int:
    return len(
        subprocess.run([*command, "-c"], input=text, stdout=subprocess.PIPE, check=True).stdout
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="Where the text is kept.")
    parser.add_argument("--runs", type=Path, required=True, help="Where the run is kept.")
    for name, value in {
        "width": 192,
        "depth": 4,
        "vocabulary": 4096,
        "length": 256,
        "batch": 8,
        "steps": 1800,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--part", default="test", choices=["choose", "test"])
    given = parser.parse_args()
    parts = kjv(given.cache)
    options = {
        name: getattr(given, name)
        for name in ("width", "depth", "vocabulary", "length", "batch", "steps")
    }
    folder = given.runs / f"text-{given.width}-{given.depth}-{given.steps}"
    source = given.cache / "train.txt"
    run = ganvas.train(
        "transformer", source, out=folder, as_="texts", whole=True, held_out=0.03, **options
    )
    train, test = parts["train"], parts[given.part]
    size = len(test.encode())
    bits = {"ours": ours(run, test)}
    for name, command in COMPRESSORS.items():
        bits[name] = 8 * (
            compressed(command, (train + test).encode()) - compressed(command, train.encode())
        )
    bits["5-grams of bytes"] = KneserNey(train.encode(), 256).bits(test.encode())
    encode, widths = run.run.modality.alphabet.encode, run.run.modality.space.bytes
    bits["5-grams of symbols"] = KneserNey(encode([train])[0], len(widths)).bits(encode([test])[0])
    report(
        "text" if given.part == "test" else "text-choosing",
        {
            "bits_per_byte": {name: value / size for name, value in bits.items()},
            "options": options,
            "bytes": {"training": len(train.encode()), given.part: size},
            "weights": sum(p.numel() for p in run.model.parameters()),
            "seconds": run.run.state["seconds"],
        },
    )


if __name__ == "__main__":
    main()
