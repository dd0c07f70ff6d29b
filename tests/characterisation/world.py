"""What Ganvas makes of small seeded runs, in full: a record that stays the same while the code is
moved and renamed.

    python tests/characterisation/world.py OUT.json                  a record of the code as it is
    python tests/characterisation/world.py --compare                 what differs from what is
    pinned python tests/characterisation/world.py --pin                     pins the code as it is
    python tests/characterisation/world.py OUT.json --only vae       runs whose names contain a word
    (any number)

With --only, `evaluate` of images may say other figures: which of the runs of the same images is
judged first learns the features of all. With --pin, --only leaves all other entries as they are
pinned.

Every entry of a record has two layers. `bits`: numbers alone, such as weights, pixels, cells,
figures; no renaming changes them. `names`: files, keys, columns, types and sentences; what is
renamed differs here and nowhere else. Of Ganvas only what is public is imported, and the names it
is asked by stand in `NOW`.
"""

# ruff: noqa: E501
# A run is a line.

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import difflib
import hashlib
import importlib
import io
import json
import platform
import re
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from safetensors import safe_open

PINNED = Path(__file__).with_name("pinned.json")

# ---- what a renaming changes: this program speaks the words of the day it was written, and NOW has
# those of today ----

NOW: dict[str, dict[str, str]] = {
    "option": {
        "out": "out", "quiet": "quiet", "steps": "steps", "batch": "batch", "seed": "seed", "held_out": "held_out",
        "through": "through", "rate": "lr", "schedule": "schedule", "average": "ema", "heal": "recover",
        "minutes": "minutes", "epochs": "epochs", "accumulate": "accumulate", "clip": "clip", "precision": "precision",
        "as": "as", "to": "to", "pairs": "pairs", "captions": "captions", "window": "window", "frames": "frames",
        "waves": "fourier_features", "deviation": "minibatch_std", "most": "most", "found": "found", "inversion_steps": "inversion_steps",
        "given": "given", "where": "where", "like": "like", "judge": "discriminator_channels", "joins": "discriminator_start", "features": "features",
    },
    "value": {},  # values of options: "salt-and-pepper", "boundary"
    "task": {},  # such as {"complete": "impute"}
    "model": {},
    "modality": {"windows": "series"},  # such as {"windows": "series"}; said with --as
}  # fmt: skip
"""By kind, the word that this program says -> the word that Ganvas has for it now; what is not
there is the same."""

VERBS = {"train": "train", "evaluate": "evaluate", "show": "show"}
COMMAND_LINES = (("ganvas.cli", "run"), ("ganvas.apps.cli", "run"), ("ganvas.apps.cli.main", "run"))
"""Where the function may be that runs a command line and returns its exit code."""
EVALUATED = "evaluation.json"
VOLATILE = {
    "seconds", "versions", "version", "python", "torch", "numpy", "ganvas", "time", "date", "started", "machine",
    "device", "memory", "size_on_disk", "rounds_per_second", "examples_per_second", "per_second", "schema_version",
    "resident", "started_at", "finished_at",
}  # fmt: skip
"""Keys of JSON whose values no two runs share."""
SINCE = {"neighbours.safetensors"}
"""Files that runs did not have when this was pinned."""

SKIPPED = {".html", ".lock", ".ipynb", ".mp4"}
"""Files that are there, and not looked into; the threads of an encoder of videos do not always
write the same."""


def now(kind: str, word: str) -> str:
    return NOW[kind].get(word, word)


def command_line() -> Callable[[list[str]], int]:
    for module, name in COMMAND_LINES:
        with contextlib.suppress(ImportError, AttributeError):
            return getattr(importlib.import_module(module), name)
    raise SystemExit(f"no command line at any of {COMMAND_LINES}: say in COMMAND_LINES where it is")


# ---------------------------------------------------- tiny data
# ----------------------------------------------------


def drawing(seed: int, side: int = 16) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def photos(
    folder: Path, seed: int, counts: Mapping[str, int], side: int = 16, grey: bool = False
) -> None:
    for kind, n in counts.items():
        (folder / kind).mkdir(parents=True)
        for i in range(n):
            one = drawing(1000 * seed + i + 50 * len(kind), side)
            (one.convert("L") if grey else one).save(folder / kind / f"a red apple {i:02d}.png")


def people(seed: int, n: int = 40, missing: bool = False) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "age": random.integers(18, 80, n), "amount": random.normal(100, 30, n).round(2),
        "income": random.choice(["low", "high"], n, p=[0.75, 0.25]), "town": random.choice(["A", "B", "C"], n),
        "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 900, n), "D"),
    })  # fmt: skip
    frame.loc[::7, "amount"] = None
    if missing:
        frame["age"] = frame["age"].astype("Int64")
        frame.loc[::3, "age"] = None
        frame.loc[1::4, "town"] = None
    return frame


def film(file: Path, seed: int, frames: int = 8) -> None:
    random = np.random.default_rng(seed)
    drawings = [
        Image.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8)) for _ in range(frames)
    ]
    drawings[0].save(file, save_all=True, append_images=drawings[1:], duration=100)


def make_data(root: Path) -> None:
    photos(root / "photos", 1, {"cat": 20, "horse": 14})
    photos(root / "new", 2, {"cat": 3, "horse": 3})
    photos(root / "grey", 3, {"one": 16, "three": 16}, side=8, grey=True)
    photos(root / "newgrey", 4, {"one": 2, "three": 2}, side=8, grey=True)
    photos(root / "zebras", 5, {"": 30})
    photos(root / "horses", 6, {"": 30})
    photos(root / "newhorses", 10, {"": 3})
    photos(root / "style", 7, {"": 1})
    photos(root / "large", 8, {"": 12}, side=24)
    (root / "captioned").mkdir()
    for i in range(30):
        drawing(900 + i).save(root / "captioned" / f"{i}.png")
        (root / "captioned" / f"{i}.txt").write_text(
            f"a {('red', 'blue')[i % 2]} apple {('big', 'small')[i // 15]}"
        )
    mask = np.zeros((16, 16), dtype=np.uint8)
    mask[4:10, 4:10] = 255
    Image.fromarray(mask).save(root / "mask.png")
    Image.fromarray(mask[::2, ::2]).save(root / "mask8.png")
    people(0).to_csv(root / "people.csv", index=False)
    people(1, 12).to_csv(root / "newpeople.csv", index=False)
    people(2, 12, missing=True).to_csv(root / "missing.csv", index=False)
    words = ["rain", "sun", "wind", "snow"]
    lines = [f"the {words[i % 4]} in {words[(i // 4) % 4]} stays {i % 3}" for i in range(40)]
    (root / "lines.txt").write_text("\n".join(lines) + "\n")
    (root / "newlines.txt").write_text("\n".join(lines[3:9:2]) + "\na line of other words\n")
    (root / "begun.txt").write_text("the rain in\nthe snow\n")
    time = np.arange(160)
    series = pd.DataFrame(
        {"time": time, "heat": np.sin(time / 9).round(5), "load": np.cos(time / 7).round(5)}
    )
    series.to_csv(root / "sensors.csv", index=False)
    series[:60].to_csv(root / "newsensors.csv", index=False)
    for name, n in (("clips", 32), ("newclips", 4)):
        (root / name).mkdir()
        for i in range(n):
            film(root / name / f"{i}.gif", i + 100 * len(name))


# ------------------------------------------------------ the runs
# ------------------------------------------------------

VECTOR = {"width": 8}
GAN = {"latent": 4, "channels": 8}
IMAGES = {"data": "photos", "new": "new", "size": 16, "batch": 4}
TABLE = {"data": "people.csv", "new": "newpeople.csv", "batch": 8, "held_out": 0.4}
LINES = {"data": "lines.txt", "new": "newlines.txt", "vocabulary": 270, "length": 12, "batch": 8}
SERIES = {"data": "sensors.csv", "new": "newsensors.csv", "as": "windows", "window": 16, "batch": 8}
CLIPS = {"data": "clips", "new": "newclips", "frames": 4, "size": 8, "batch": 4}
GREY = {"data": "grey", "new": "newgrey", "batch": 4}
PAIRED = {"data": "horses", "new": "newhorses", "to": "zebras", "size": 16, "batch": 2}

CONSTRAINTS = [
    ("sample", {"n": 4, "seed": 2, "where": "income = 'high' and age > 30"}),
    ("sample", {"n": 4, "seed": 2, "balance": "income"}),
    ("sample", {"n": 4, "seed": 2, "like": "@newpeople.csv"}),
    ("augment", {"source": "people.csv", "target": "income", "seed": 2}),
]  # fmt: skip
WIDE = [
    ("sample", {"n": 2, "seed": 3, "truncation": 0.5}),
    ("sample", {"n": 2, "seed": 3, "reject": True}),
]
ASKED = [
    ("sample", {"n": 2, "seed": 3, "label": "horse"}),
    ("augment", {"source": "new", "per_class": 6, "seed": 3}),
]
SAID = [("sample", {"n": 2, "seed": 3, "prompt": "the rain"}),
        ("sample", {"n": 2, "seed": 3, "temperature": 0.7, "top_k": 5, "top_p": 0.9})]  # fmt: skip
WRITTEN = [("sample", {"n": 2, "seed": 3, "prompt": "a red apple big", "guidance": 2.0, "best": 2})]
HOLED = [("complete", {"source": "new", "mask": "@mask.png", "seed": 1, "draws": 2}),
         ("complete", {"source": "new", "keep": "upper", "seed": 1})]  # fmt: skip
SURE = [("reconstruct", {"source": "newpeople.csv", "interval": 0.8})]
BETWEEN = [
    ("interpolate", {"source": "new", "steps": 3}),
    ("traverse", {"source": "new", "steps": 3, "most": 2}),
]
FALSE = [
    ("detect", {"source": "newpeople.csv", "fdr": 0.3}),
    ("detect", {"source": "newpeople.csv", "alpha": 0.3}),
]

RUNS: dict[str, dict[str, Any]] = {
    "vae-photos": {**IMAGES, "latent": 4, "width": 8, "more": [
        *HOLED, ("edit", {"source": "new", "attribute": "cat", "steps": 3, "inversion_steps": 2, "strength": "-1..1"}),
        ("reconstruct", {"source": "new", "interval": 0.8}), ("interpolate", {"source": "new", "steps": 3}),
        ("traverse", {"source": "new", "steps": 3, "most": 2}), ("embed", {"source": "new", "map": "pca"})]},
    "vae-table": {**TABLE, **VECTOR, "latent": 3, "more": [*CONSTRAINTS, *SURE, *FALSE]},
    "vae-series": {**SERIES, **VECTOR, "latent": 3},
    "vae-clips": {**CLIPS, "latent": 4, "width": 8},
    "vae-grey": {**GREY, "latent": 4, "network": "perceptron", "likelihood": "bernoulli", "width": 8, "beta": 2.0,
                 "warmup": 2, "schedule": "cosine", "average": 0.9, "accumulate": 2, "clip": 1.0},
    "vae-text": {**LINES, "latent": 4, "width": 8},
    "vae-array": {"data": "#array", "new": "#array", "as": "windows", "window": 8, "latent": 2, "width": 8, "batch": 8},
    "vae-tensor": {"data": "#images", "new": "#images", "latent": 2, "width": 8, "batch": 8},
    "ae-photos": {**IMAGES, "latent": 4, "width": 8, "corrupt": "gaussian", "more": BETWEEN},
    "ae-table": {**TABLE, **VECTOR, "latent": 3, "corrupt": "salt-and-pepper", "more": [
        *FALSE, ("interpolate", {"source": "newpeople.csv", "steps": 3}), ("traverse", {"source": "newpeople.csv", "steps": 3, "most": 2})]},
    "ae-series": {**SERIES, **VECTOR, "latent": 3},
    "ae-clips": {**CLIPS, "latent": 4, "width": 8},
    "ae-frame": {"data": "#frame", "new": "#frame", "latent": 2, "width": 8, "batch": 8},
    "gan-table": {**TABLE, **VECTOR, "latent": 3, "depth": 1, "waves": 1.0, "more": [*CONSTRAINTS[:2], *WIDE]},
    "gan-photos": {**IMAGES, **VECTOR, "latent": 3, "depth": 1, "deviation": True, "augment": "fixed", "more": WIDE},
    "gan-series": {**SERIES, **VECTOR, "latent": 3, "depth": 1},
    "gan-options": {**IMAGES, **VECTOR, "latent": 3, "depth": 1, "r1": 1.0, "r2": 1.0, "gradient_penalty": 1.0,
                    "consistency": 1.0, "lazy": 2, "spectral": True, "rate": {"generator": 1e-3}, "average": 0.5,
                    "heal": False, "steps": 3},
    "cgan-photos": {**IMAGES, **VECTOR, "latent": 3, "depth": 1, "more": [*ASKED, *WIDE]},
    "dcgan-photos": {**IMAGES, **GAN, "more": [*ASKED, *WIDE, ("interpolate", {"label": "cat", "n": 2, "steps": 3, "seed": 1})]},
    "dcgan-flip": {**IMAGES, **GAN, "flip": True, "crop": "pad", "grey": True, "conditional": False, "precision": "bf16"},
    "gan-clips": {**CLIPS, **VECTOR, "latent": 3, "depth": 1},
    "lsgan-photos": {**IMAGES, **GAN},
    "wgan-photos": {**IMAGES, **GAN, "steps": 3},
    "r3gan-photos": {**IMAGES, **GAN, "more": ASKED[:1]},
    "ctgan-table": {**TABLE, **VECTOR, "latent": 3, "depth": 1, "pac": 2, "batch": 8, "more": CONSTRAINTS},
    "made-table": {**TABLE, **VECTOR, "depth": 1, "more": [
        *CONSTRAINTS, *FALSE, ("complete", {"source": "missing.csv", "interval": 0.8, "seed": 1}),
        ("complete", {"source": "missing.csv", "draws": 2, "seed": 1})]},
    "made-bins": {**TABLE, **VECTOR, "depth": 1, "numbers": "bins", "number": ["age"], "drop": ["since"]},
    "made-private": {**TABLE, **VECTOR, "depth": 1, "epsilon": 3.0, "delta": 1e-3},
    "made-text": {**LINES, **VECTOR, "depth": 1},
    "pixelcnn-grey": {**GREY, **VECTOR, "depth": 1, "reach": 2},
    "detector-table": {**TABLE, **VECTOR, "depth": 1, "more": FALSE},
    "detector-photos": {**IMAGES, **VECTOR, "depth": 1},
    "detector-series": {**SERIES, **VECTOR, "depth": 1},
    "fanogan-photos": {**IMAGES, "latent": 4, "width": 8, "steps": 3},
    "fanogan-table": {**TABLE, **VECTOR, "latent": 3, "steps": 3},
    "ganomaly-photos": {**IMAGES, "latent": 4, "width": 8, "more": BETWEEN},
    "ganomaly-series": {**SERIES, **VECTOR, "latent": 3},
    "inpainter-photos": {**IMAGES, "channels": 8, "more": HOLED},
    "rednet-photos": {**IMAGES, "channels": 8, "depth": 1, "more": [("denoise", {"source": "large"})]},
    "simvp-clips": {**CLIPS, "channels": 4, "translator": 8, "depth": 1},
    "srgan-photos": {**IMAGES, "channels": 8, "depth": 1, "warmup": 1, "scale": 2},
    "esrgan-photos": {**IMAGES, "channels": 8, "depth": 1, "warmup": 1, "more": [("upscale", {"source": "new", "fidelity": 0.5})]},
    "codec-photos": {**IMAGES, "latent": 4, "channels": 8, "more": [*BETWEEN, ("compress", {"source": "new", "quality": 3})]},
    "vqvae-photos": {**IMAGES, "latent": 4, "channels": 8, "codes": 8},
    "vqvae-finite": {**IMAGES, "latent": 3, "channels": 8, "codes": 64, "quantizer": "finite"},
    "vqvae-clips": {**CLIPS, "latent": 4, "channels": 8, "codes": 8},
    "vqgan-photos": {**IMAGES, "latent": 4, "channels": 8, "codes": 8, "warmup": 1, "joins": 1, "judge": 8, "features": 4},
    "textvae-text": {**LINES, "latent": 4, "width": 16, "depth": 1, "more": SAID[1:]},
    "transformer-text": {**LINES, "width": 16, "depth": 1, "more": [*SAID[1:], ("complete", {"source": "begun.txt", "seed": 1})]},
    "transformer-any": {**LINES, "width": 16, "depth": 1, "order": "masked", "tokenizer": "bytes", "vocabulary": None},
    "transformer-table": {**TABLE, "width": 16, "depth": 1, "numbers": "bins"},
    "adain-photos": {**PAIRED, "channels": 4, "warmup": 1, "more": [("stylise", {"source": "new", "style": "@style", "strength": 0.5})]},
    "cut-photos": {**PAIRED, "channels": 8, "blocks": 1, "places": 8},
    "cyclegan-photos": {**PAIRED, "channels": 8, "blocks": 1, "more": [("translate", {"source": "style", "to": "horses"})]},
    "pix2pix-photos": {**PAIRED, "pairs": True, "channels": 8},
    "dcgan-captions": {"data": "captioned", "new": "captioned", "size": 16, "batch": 4, **GAN},
    "vqvae-captions": {"data": "captioned", "new": "captioned", "size": 16, "batch": 4, "latent": 4, "channels": 8, "codes": 8},
    "transformer-through": {"data": "photos", "new": "new", "through": "vqvae-photos", "width": 16, "depth": 1, "batch": 4,
                            "more": [*ASKED[:1], *HOLED[1:]]},
    "transformer-words": {"data": "captioned", "new": "captioned", "through": "vqvae-captions", "width": 16, "depth": 1,
                          "batch": 4, "more": WRITTEN},
    "transformer-clips": {"data": "clips", "new": "newclips", "through": "vqvae-clips", "width": 16, "depth": 1, "batch": 4},
    "gan-through": {"data": "photos", "new": "new", "through": "vae-photos", "width": 8, "latent": 2, "depth": 1, "batch": 4},
    "vae-through": {"data": "people.csv", "new": "newpeople.csv", "through": "ae-table", "width": 8, "latent": 2, "batch": 8},
}  # fmt: skip

COMMANDED = ("vae-photos", "made-table", "transformer-text")
"""Runs that are trained by the command line a second time, too."""

CHANCY = {"made-private"}
"""Runs whose chance comes from the system, as privacy wants it: of these there are names alone."""

TASKS: dict[str, dict[str, Any]] = {
    "sample": {"n": 3, "seed": 1},
    "reconstruct": {"source": True}, "detect": {"source": True}, "embed": {"source": True},
    "cluster": {"source": True, "k": 2}, "complete": {"source": True, "seed": 1},
    "compress": {"source": True}, "decompress": {"packed": True},
    "edit": {"source": True, "found": 1, "steps": 3, "inversion_steps": 2},
    "interpolate": {"n": 2, "steps": 3, "seed": 1}, "traverse": {"most": 2, "steps": 3, "seed": 1},
    "augment": {"source": True, "seed": 1}, "upscale": {"source": True}, "denoise": {"source": True},
    "translate": {"source": True}, "stylise": {"source": True, "style": "@style"},
}  # fmt: skip
"""How each task is asked once of every run that offers it; a task that is not here is asked with
the source alone."""

INCOMPLETE = {"newpeople.csv": "missing.csv", "newlines.txt": "begun.txt"}
MASKED = {
    "newclips": {"given": 2},
    "newgrey": {"mask": "@mask8.png"},
    "new": {"mask": "@mask.png"},
    "captioned": {"mask": "@mask.png"},
}
"""What is filled in, by what is used otherwise."""


# ----------------------------------------------- what is recorded of things
# -----------------------------------------------


class Layers:
    """Numbers apart from names."""

    def __init__(self, root: Path | None = None) -> None:
        self.bits: list[str] = []
        self.names: list[str] = []
        self.root = root

    def name(self, words: str) -> None:
        words = words.replace(str(self.root), "ROOT") if self.root else words
        self.names.append(re.sub(r"\b\d+(\.\d+)? (s|seconds?|minutes?|ms)\b", "SOME TIME", words))

    def bit(self, kind: str, content: bytes) -> None:
        self.bits.append(f"{kind} {hashlib.sha256(content).hexdigest()[:16]}")

    def array(self, where: str, x: np.ndarray) -> None:
        self.name(f"{where}: {x.dtype}{list(x.shape)}")
        self.bit(f"{x.dtype}{list(x.shape)}", np.ascontiguousarray(x).tobytes())

    def tensor(self, where: str, x: torch.Tensor) -> None:
        x = x.detach().cpu().contiguous()
        self.name(f"{where}: {str(x.dtype).removeprefix('torch.')}{list(x.shape)}")
        raw = x.reshape(-1).view(torch.uint8).numpy().tobytes() if x.numel() else b""
        self.bit(f"{str(x.dtype).removeprefix('torch.')}{list(x.shape)}", raw)

    def table(self, where: str, frame: pd.DataFrame) -> None:
        self.name(
            f"{where}: {len(frame)} rows of "
            + ", ".join(f"{name} {frame[name].dtype}" for name in frame)
        )
        for i in range(frame.shape[1]):
            column = frame.iloc[:, i]
            cells = [self._cell(cell) for cell in column.tolist()]
            self.bit(f"column[{len(cells)}]", "\n".join(cells).encode())

    def _cell(self, cell: Any) -> str:
        if isinstance(cell, np.ndarray | list):
            return repr(np.asarray(cell).tolist())
        return (
            "missing"
            if cell is None or cell is pd.NaT or cell is pd.NA or cell != cell
            else str(cell)
        )

    def image(self, where: str, image: Image.Image) -> None:
        frames = getattr(image, "n_frames", 1)
        for i in range(frames):
            image.seek(i) if frames > 1 else None
            mode = "RGBA" if image.mode == "P" else image.mode
            self.bit(f"{mode}{list(image.size)}", image.convert(mode).tobytes())
        self.name(f"{where}: {image.mode}{list(image.size)} x {frames}")

    def value(self, where: str, x: Any) -> None:
        """Anything that Python returns or JSON says, whatever it is called."""
        match x:
            case torch.Tensor():
                self.tensor(where, x)
            case np.ndarray() if x.dtype != object:
                self.array(where, x)
            case pd.DataFrame():
                self.table(where, x)
            case Image.Image():
                self.image(where, x)
            case bytes():
                self.packed(where, x)
            case bool() | None:
                self.name(f"{where}: {x}")
            case int() if where.endswith(".schema"):  # the number of a format
                pass
            case int() | float() | np.number():
                self.name(f"{where}: number")
                self.bits.append(repr(x.item() if isinstance(x, np.number) else x))
            case str() | Path():
                self.name(f"{where}: {str(x)[:400]!r}")
            case Mapping():
                for key, one in x.items():
                    if not (isinstance(key, str) and key in VOLATILE):
                        self.value(f"{where}.{key}", one)
            case list() | tuple() | set() | frozenset() | np.ndarray():
                many = [*x]
                self.name(
                    f"{where}: {len(many)} of {type(many[0]).__name__ if many else 'nothing'}"
                )
                for one in many:
                    self.value(f"{where}[]", one)
            case _ if dataclasses.is_dataclass(x):
                self.name(f"{where}: a {type(x).__name__}")
                for field in dataclasses.fields(x):
                    if field.name not in VOLATILE:
                        self.value(f"{where}.{field.name}", getattr(x, field.name))
            case _ if hasattr(x, "to_pandas"):
                self.table(where, x.to_pandas())
            case _:
                self.name(f"{where}: a {type(x).__name__}")

    def packed(self, where: str, x: bytes) -> None:
        """What was compressed: its content alone, as its header and checksum depend on names."""
        self.name(f"{where}: bytes")
        if x.startswith(b"\x89GANVAS\n"):
            x = x[12 + int.from_bytes(x[8:12], "little") : -16]
        self.bit(f"bytes[{len(x)}]", x)

    def words(self, where: str, x: str) -> None:
        self.name(f"{where}: {len(x.splitlines())} lines")
        self.bit("text", x.encode())

    def file(self, where: str, file: Path) -> None:
        kind = file.suffix.lower()
        if kind in SKIPPED or file.name in SINCE:
            self.name(f"{where}: is there")
        elif kind == ".safetensors":
            with safe_open(file, "pt") as tensors:
                for key in tensors.keys():  # noqa: SIM118
                    self.tensor(f"{where}: {key}", tensors.get_tensor(key))
        elif kind == ".json":
            self.value(where, json.loads(file.read_text()))
        elif kind == ".jsonl":
            for line in file.read_text().splitlines():
                self.value(f"{where}[]", json.loads(line))
        elif kind in (".png", ".gif", ".jpg", ".webp", ".tif", ".tiff"):
            with Image.open(file) as image:
                drawn = "matplotlib" in str(image.info.get("Software", "")).lower()
                if drawn:
                    self.name(f"{where}: is drawn")  # words are drawn, too
                else:
                    self.image(where, image)
        elif kind == ".parquet":
            self.table(where, pd.read_parquet(file))
        elif kind in (".csv", ".tsv"):
            self.table(
                where,
                pd.read_csv(
                    file, sep="\t" if kind == ".tsv" else ",", dtype=str, keep_default_na=False
                ),
            )
        elif kind == ".npy":
            self.array(where, np.load(file))
        elif kind == ".npz":
            self.value(where, dict(np.load(file)))
        elif kind in (".txt", ".log"):
            self.words(where, file.read_text())
        else:
            self.packed(where, file.read_bytes())

    def folder(self, folder: Path, kinds: Iterable[str] = (), but: Iterable[str] = ()) -> None:
        """Files of a folder, or one file. kinds, but: endings of those to look at, and of those not
        to."""
        files = (
            [folder] if folder.is_file() else sorted(f for f in folder.rglob("*") if f.is_file())
        )
        for file in files:
            if (kinds and file.suffix not in kinds) or file.suffix in but:
                continue
            self.file(file.name if file == folder else str(file.relative_to(folder)), file)

    def record(self) -> dict[str, Any]:
        """Names are sorted, and bits too: order is a matter of names. Many of either become one."""
        counted = [
            f"{n} x {name}" if n > 1 else name for name, n in sorted(Counter(self.names).items())
        ]
        return {"bits": _short(sorted(self.bits), 40), "names": counted}


def _short(many: list[str], most: int) -> list[str]:
    """The first of many things, and all of them as one hash."""
    if len(many) <= most:
        return many
    return [
        *many[: most // 2],
        f"all {len(many)}: {hashlib.sha256(chr(10).join(many).encode()).hexdigest()[:16]}",
    ]


# --------------------------------------------------- what is done
# ---------------------------------------------------


class World:
    def __init__(self, root: Path, tell: bool = True) -> None:
        self.root, self.tell, self.entries = root, tell, dict[str, Any]()
        self.data, self.runs, self.made = root / "data", root / "runs", root / "made"
        for folder in (self.data, self.runs, self.made):
            folder.mkdir(parents=True)
        make_data(self.data)
        self.command = command_line()
        random = np.random.default_rng(9)
        rows = random.normal(size=(60, 4)).astype("float32")
        self.memory = {
            "#array": rows,
            "#frame": people(4),
            "#images": torch.from_numpy(random.random((40, 1, 8, 8), dtype="float32")),
        }

    def source(self, name: str) -> Any:
        return self.memory[name] if name.startswith("#") else self.data / name

    @contextlib.contextmanager
    def entry(self, key: str) -> Iterator[Layers]:
        """An entry of the record; what is refused is its names."""
        from ganvas import InputError

        layers = Layers(self.root)
        torch.manual_seed(0)
        np.random.seed(0)
        said, complained = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
                yield layers
        except InputError as error:
            layers.name(f"refused: {error}")
        except Exception as error:  # whatever it does is recorded
            where = traceback.extract_tb(error.__traceback__)[-1]
            layers.name(f"FAILED: {type(error).__name__}: {str(error)[:300]}")
            if self.tell:
                print(
                    f"{key}: {type(error).__name__}: {error} ({where.filename}:{where.lineno})",
                    file=sys.stderr,
                )
        if key.split(" | ")[0] in CHANCY:
            layers.bits.clear()
        self.entries[key] = layers.record()

    def train(self, name: str) -> Any:
        import ganvas

        said = dict(RUNS[name])
        model, trained = now("model", name.split("-")[0]), None
        said.pop("more", None)
        said.pop("new")
        source = self.source(said.pop("data"))
        options = self.options(
            {"steps": 2, "seed": 0, "quiet": True, "held_out": 0.4} | said, python=True
        )
        with self.entry(f"{name} | train") as layers:
            trained = ganvas.train(
                model, source, **{now("option", "out"): self.runs / name}, **options
            )
            layers.name("tasks: " + ", ".join(trained.tasks))
            layers.folder(self.runs / name, but=(".json", ".jsonl"))
        for kind in (".json", ".jsonl"):
            with self.entry(f"{name} | train | {kind}") as layers:
                layers.folder(self.runs / name, kinds=(kind,))
        if name in COMMANDED:
            words = [*self.flags({"steps": 2, "seed": 0, "quiet": True, "held_out": 0.4} | said)]
            out = self.made / f"{name}-commanded"
            self.run(f"{name} | train | command", [VERBS["train"], model, str(source), *words], out)
        return trained

    def options(self, said: Mapping[str, Any], python: bool) -> dict[str, Any]:
        """Options by their names of today; paths are those of this world."""
        return {
            self._option(name, python): self._value(name, value)
            for name, value in said.items()
            if value is not None
        }

    def _option(self, name: str, python: bool) -> str:
        name = now("option", name)
        return f"{name}_" if python and name in ("as",) else name

    def _value(self, name: str, value: Any) -> Any:
        if name == "through":
            return self.runs / value
        if name == "to" and value in ("zebras",):
            return self.data / value
        if name == "as":
            return now("modality", value)
        if isinstance(value, str):
            return self.data / value[1:] if value.startswith("@") else now("value", value)
        return value

    def flags(self, said: Mapping[str, Any]) -> Iterator[str]:
        for name, value in self.options(said, python=False).items():
            flag = f"--{name.replace('_', '-')}"
            if isinstance(value, bool):
                yield flag if value else f"--no-{flag[2:]}"
            elif isinstance(value, list):
                for one in value:
                    yield from (flag, str(one))
            else:
                yield from (flag, str(value))

    def run(self, key: str, words: list[str], out: Path | None) -> None:
        """One command, in this process."""
        with self.entry(key) as layers:
            said, complained = io.StringIO(), io.StringIO()
            given = [f"--{now('option', 'out')}", str(out)] if out else []
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
                code = self.command([*words, *given, "--json"])
            layers.name(f"exit code {code}")
            if code:
                layers.name(f"said: {' '.join(complained.getvalue().split())}")
            try:
                answer = json.loads(said.getvalue() or "null")
            except ValueError:
                layers.name("its output is no JSON")
                layers.words("output", said.getvalue())
            else:
                layers.value("answer", answer)
            if out and out.exists():
                layers.folder(out)

    def use(self, name: str, trained: Any) -> None:
        """Everything a run offers, in Python and by command."""
        offered = {word: now("task", word) for word in TASKS}
        back = {today: word for word, today in offered.items()}
        plain = [
            (back.get(task, task), TASKS.get(back.get(task, task), {"source": True}))
            for task in trained.tasks
        ]
        in_memory = RUNS[name]["data"].startswith("#")
        for number, (task, said) in enumerate([*plain, *RUNS[name].get("more", ())]):
            key = f"{name} | {task}" + (
                f" {number - len(plain) + 1}" if number >= len(plain) else ""
            )
            said = dict(said)
            source, packed = said.pop("source", None), said.pop("packed", False)
            if source is True:
                source = RUNS[name]["new"]
                if task == "complete":
                    said |= MASKED.get(source, {})
                    source = INCOMPLETE.get(source, source)
                if task == "augment" and source == "newpeople.csv":
                    source, said = "people.csv", said | {"target": "income"}
                if task == "augment" and source in ("new", "newgrey"):
                    said |= {"per_class": 6}
            with self.entry(f"{key} | python") as layers:
                given: list[Any] = [] if source is None else [self.source(source)]
                given = [self.pack(name)] if packed else given
                options = self.options(said, python=True)
                layers.value("answer", getattr(trained, now("task", task))(*given, **options))
            if in_memory and source:
                continue
            words = [] if source is None else [str(self.data / source)]
            if packed:
                file = self.made / f"{name}.packed"
                with contextlib.suppress(Exception):
                    file.write_bytes(self.pack(name))
                words = [str(file)]
            out = self.made / key.replace(" | ", "-").replace(" ", "-")
            self.run(
                f"{key} | command",
                [now("task", task), str(self.runs / name), *words, *self.flags(said)],
                out,
            )
        self.run(f"{name} | show", [VERBS["show"], str(self.runs / name)], None)
        if in_memory:
            with self.entry(f"{name} | evaluate") as layers:
                layers.value("answer", trained.evaluate(size=20, quiet=True))
        else:
            words = [VERBS["evaluate"], str(self.runs / name), "--size", "20"]
            self.run(f"{name} | evaluate", words, self.made / f"{name}-evaluated.html")

    def pack(self, name: str) -> bytes:
        """What a run compresses."""
        import ganvas

        source = self.source(RUNS[name]["new"])
        return getattr(ganvas.load(self.runs / name), now("task", "compress"))(source)


def record(only: Iterable[str] = (), tell: bool = True) -> dict[str, Any]:
    """What the code does now. only: words of which the names of runs contain one; all without."""
    torch.set_num_threads(1)
    wanted = [name for name in RUNS if not only or any(word in name for word in only)]
    wanted = [*{*wanted, *(RUNS[n]["through"] for n in wanted if "through" in RUNS[n])}]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        world = World(Path(folder).resolve() / "world", tell)
        for name in (name for name in RUNS if name in wanted):
            if trained := world.train(name):
                world.use(name, trained)
            if tell:
                print(f"{name}: {len(world.entries)} entries", file=sys.stderr, flush=True)
        return {"machine": machine(), "entries": world.entries}


def machine() -> dict[str, str]:
    """What bits depend on beside the code."""
    cpu = platform.processor()
    with contextlib.suppress(OSError):
        cpu = next(
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        )
    return {"cpu": cpu, "capability": torch.backends.cpu.get_cpu_capability(), "python": platform.python_version(),
            "torch": torch.__version__, "numpy": np.__version__, "pandas": pd.__version__}  # fmt: skip


def differences(
    pinned: Mapping[str, Any], found: Mapping[str, Any], layer: str, all_runs: bool = True
) -> list[str]:
    """What differs in a layer, in words: an entry, then lines that are gone and lines that are
    new."""
    told = []
    old, new = pinned["entries"], found["entries"]
    for key in [*old, *(key for key in new if key not in old)]:
        if key not in new and not all_runs:
            continue
        before, after = (one.get(key, {}).get(layer, ["(no such entry)"]) for one in (old, new))
        if before != after:
            lines = [*difflib.unified_diff(before, after, lineterm="", n=0)][2:]
            told.append(
                "\n".join([key, *(f"    {line}" for line in lines if not line.startswith("@@"))])
            )
    return told


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", nargs="?", type=Path, help="file for the record")
    parser.add_argument("--only", nargs="+", default=[], help="words in the names of runs")
    parser.add_argument("--pin", action="store_true", help="pin this record")
    parser.add_argument(
        "--compare", nargs="?", const=PINNED, type=Path, help="with this record, or what is pinned"
    )
    asked = parser.parse_args()
    found = record(asked.only)
    if asked.only and asked.pin:  # the others stay as they are pinned
        found["entries"] = json.loads(PINNED.read_text())["entries"] | found["entries"]
    for file in [asked.out] * (asked.out is not None) + [PINNED] * asked.pin:
        file.write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")
    if asked.compare is None:
        return 0
    pinned, wrong = json.loads(asked.compare.read_text()), 0
    if pinned["machine"] != found["machine"]:
        print(
            f"bits may differ: this machine is {found['machine']}, the pinned one {pinned['machine']}"
        )
    for layer in ("names", "bits"):
        told = differences(pinned, found, layer, all_runs=not asked.only)
        print(
            f"==== {layer}: {len(told)} of {len(pinned['entries'])} entries differ", *told, sep="\n"
        )
        wrong += len(told)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
