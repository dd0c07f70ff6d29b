"""A small world in which everything that the documentation says can be done: files under the names
that its pages use, trainings of two steps that are played once for all pages, and answers cut
short."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cache, wraps
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from PIL import Image

from ganvas import api
from ganvas.apps import cli
from ganvas.data._recognition import guess_modality, source_name
from ganvas.data.samples import ADULT, unpacking
from ganvas.runtime import registry

LESS = {
    "width": 16,
    "latent": 4,
    "channels": 8,
    "depth": 1,
    "codes": 16,
    "warmup": 1,
    "discriminator_start": 1,
    "judge": 8,
}
LESS |= {
    "blocks": 1,
    "features": 4,
    "size": 16,
    "length": 12,
    "vocabulary": 300,
    "heads": 2,
    "trials": 2,
}
"""Options of models and modalities that are made as small as this, whatever a page says."""

FEW = {
    "n": 4,
    "draws": 2,
    "best": 2,
    "per_class": 22,
    "decoding_steps": 2,
    "inversion_steps": 2,
    "steps": 3,
    "found": 2,
}
"""Options of tasks, likewise, where a page or the task says more."""

GIVEN = {
    "cats": ("dcgan", "photos"),
    "mine": ("vae", "photos"),
    "faces": ("vae", "faces"),
    "vqvae": ("vqvae", "photos"),
    "paintings": ("adain", "photos", {"to": "paintings"}),
    "horses": ("cyclegan", "horses", {"to": "zebras"}),
    "cyclegan-horses": ("cyclegan", "horses", {"to": "zebras"}),
}
"""Runs that pages use without saying how they were trained, by name; others are called
MODEL-SOURCE."""

PHOTOS = (
    "photos",
    "few-photos",
    "more-photos",
    "images",
    "faces",
    "horses",
    "zebras",
    "paintings",
    "sketches",
    "more-sketches",
    "good-parts",
    "camera",
    "noisy",
    "soft",
    "grey",
    "small",
    "masks",
    "held-out-photos",
    "unseen-photos",
    "smiling",
    "serious",
    "others",
)
"""Folders of images."""

PEOPLE = (
    "people",
    "more-people",
    "unseen",
    "patients",
    "payments",
    "monday",
    "tuesday",
    "today",
    "live",
    "rows",
)
"""Tables."""

LINES = ("lines", "beginnings", "two", "new", "app", "today", "access", "live")
"""Texts, and logs."""


@dataclass
class World:
    """All of it in one folder; a page is read in a folder of its own, in which the same files seem
    to lie."""

    root: Path
    trained: dict[str, Path] = field(default_factory=dict)
    played: int = 0

    def __post_init__(self) -> None:
        self.files = self.root / "files"
        self.files.mkdir(parents=True)
        for number, name in enumerate(PHOTOS):
            photos(self.files / name, number, grey=name == "masks")
        for number, name in enumerate(PEOPLE):
            people(number).to_csv(self.files / f"{name}.csv", index=False)
        for name in LINES:
            for ending in ("txt", "log"):
                (self.files / f"{name}.{ending}").write_text(
                    "".join(f"the rain in {i}\n" for i in range(24))
                )
        self._odd()

    def _odd(self) -> None:
        """What is unlike the rest."""
        files = self.files
        for name in ("me.jpg", "sunflowers.jpg"):
            image(7).save(files / name)
        names = sorted(
            str(f.relative_to(files / "faces")) for f in (files / "faces").rglob("*.png")
        )
        attributes = {"file": names} | {
            k: np.arange(len(names)) % 2 for k in ("smiling", "gender", "glasses")
        }
        pd.DataFrame(attributes).to_csv(files / "faces.csv", index=False)
        pd.DataFrame(attributes | {"age": np.arange(len(names))}).to_csv(
            files / "ages.csv", index=False
        )
        incomplete = people(3)
        incomplete.loc[::3, "age"] = None
        incomplete.to_csv(files / "missing.csv", index=False)
        (files / "older").mkdir()
        people(5).to_csv(files / "older" / "one.csv", index=False)
        (files / "letters").mkdir()
        for i in range(8):
            (files / "letters" / f"{i}.txt").write_text(
                f"dear {i}, the rain stays mainly in the plain"
            )
        (files / "book.txt").write_text("the rain in spain stays mainly in the plain. " * 60)
        pd.DataFrame({"body": [f"mail number {i}" for i in range(24)]}).to_parquet(
            files / "mails.parquet"
        )
        for name, n in (("videos", 16), ("other-videos", 24)):
            (files / name).mkdir()
            for i in range(n):
                film(i + n).save(
                    files / name / f"{i}.gif", save_all=True, append_images=[*map(noise, range(23))]
                )
        time = np.arange(3000)
        pd.DataFrame({"heat": np.sin(time / 9), "load": np.cos(time / 7)}).to_csv(
            files / "sensors.csv", index=False
        )

    @contextmanager
    def page(self, name: str, instead: Mapping[str, str]) -> Iterator[Path]:
        """A folder to read a page in, which is where commands are run.

        instead: Files of this world that stand for others, where a name means something else on
            this page.
        """
        here = self.root / "pages" / name.replace("/", "-")
        here.mkdir(parents=True)
        for file in self.files.iterdir():
            (here / file.name).symlink_to(self.files / instead.get(file.name, file.name))
        before = Path.cwd()
        os.chdir(here)
        try:
            yield here
        finally:
            os.chdir(before)

    @contextmanager
    def short(self) -> Iterator[None]:
        """Within it trainings are played for two steps, each once, and answers are few."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ganvas.evaluation.features.learned.STEPS", 2)
            patch.setattr("ganvas.tasks.augment.networks.STEPS", 2)
            patch.setattr("ganvas.tasks.augment.networks.REPEATS", 1)
            patch.setattr("ganvas.tasks.augment.trees.STEPS", 2)
            patch.setattr("ganvas.evaluation.metrics.tstr.DRAWS", 3)
            patch.setattr("ganvas.training.loop.preview", lambda *_: None)
            patch.setattr("ganvas.training.progress.Progress.announce", lambda *_: None)
            patch.setattr("ganvas.training.start.make_plan", lambda *_: None)
            patch.setattr(registry, "summary", cache(registry.summary))
            patch.setattr(api, "train", shortly := self._trainer(api.train))
            patch.setattr("ganvas.sklearn.train", shortly)
            patch.setattr(unpacking, "unpack", self._unpacker(unpacking.unpack))
            patch.setattr(unpacking, "fashion", _some(unpacking.fashion))
            patch.setattr(unpacking, "CLIPS", {"moving": 30, "new-moving": 20})
            patch.setattr(unpacking, "ADULT", self._adult())
            patch.setattr(api.Trained, "do", _doer(api.Trained.do))
            with parallel_config("sequential"):  # what is patched here is not so in other processes
                yield

    def _trainer(self, train: Any) -> Any:
        """`api.train`, short; a training of the same words is the one that was played before."""

        @wraps(train)
        def shortly(model: str, source: Any, **given: Any) -> Any:
            given = _shorter(model, source, given)
            out = Path(given.pop("out", None) or f"runs/{model}-{source_name(source)}")
            if given.get("through") or not isinstance(source, str) or out.exists():
                return train(model, source, out=out, **given)
            key = f"{model} {Path(source).resolve()} {sorted(given.items(), key=str)}"
            if key not in self.trained:
                self.played += 1
                kept = self.root / "trained" / str(self.played)
                train(model, source, out=kept, **given)
                self.trained[key] = kept
            out.parent.mkdir(exist_ok=True)
            out.symlink_to(self.trained[key])
            return api.load(out)

        return shortly

    def _unpacker(self, unpack: Any) -> Any:
        """What ships, written once and then linked to."""

        def shortly(out: Path) -> dict[str, str]:
            kept = self.root / "samples"
            said = {} if kept.exists() else unpack(kept)
            if not out.exists():
                out.symlink_to(kept)
            return said

        return shortly

    def _adult(self) -> Path:
        """The census that ships, but for most rows."""
        some = self.root / "adult"
        some.mkdir(exist_ok=True)
        if not [*some.iterdir()]:
            first, other = (
                pd.read_csv(ADULT / f"{part}.csv", nrows=300) for part in ("train", "held_out")
            )
            known = [
                other[name].isin(first[name]) for name in first.select_dtypes(exclude="number")
            ]
            first.to_csv(some / "train.csv", index=False)
            other[np.logical_and.reduce(known)].to_csv(some / "held_out.csv", index=False)
        return some

    def provide(self, run: str) -> None:
        """Trains a run that a page uses and another page tells how to make."""
        if Path(run).exists():
            return
        name = Path(run).name
        model, source, *more = GIVEN.get(name) or name.partition("-")[::2]
        kinds = (Path(source), Path(f"{source}.csv"), Path(f"{source}.txt"))
        found = next((kind for kind in kinds if kind.exists()), source)
        api.train(model, str(found), out=run, quiet=True, **(more[0] if more else {}))


def run(words: list[str]) -> None:
    """Runs one command as a person would, in this process; fails with what it said where it
    fails."""
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said), _ended("--follow" in words):
        code = cli.run(words)
    assert code == 0, f"ganvas {' '.join(words)}\n{said.getvalue()}"


@contextmanager
def _ended(follow: bool) -> Iterator[None]:
    """What follows a file for ever ends when it has read what is there."""

    @contextmanager
    def stopping(stop: threading.Event) -> Iterator[None]:
        stop.set()
        yield

    with pytest.MonkeyPatch.context() as patch:
        if follow:
            patch.setattr("ganvas.tasks._inputs.stop_on_signal", stopping)
        yield


def _shorter(model: str, source: Any, given: dict[str, Any]) -> dict[str, Any]:
    kind = "latents" if given.get("through") else given.get("as_") or guess_modality(source)
    plugs = registry.load("modalities", kind).learn, registry.load("models", model)
    known = {option.name for plug in plugs for option in registry.options(plug)}
    less = {
        name: value
        for name, value in LESS.items()
        if name in known and (name != "size" or given.get("size"))
    }
    said = {
        name: value
        for name, value in given.items()
        if value is not None and name not in ("epochs", "minutes")
    }
    return (
        said
        | less
        | {"steps": 2, "batch": 4, "held_out": said.get("held_out") or 0.5, "precision": "float32"}
    )


def _doer(do: Any) -> Any:
    @wraps(do)
    def shortly(self: Any, task: str, *sources: Any, **options: Any) -> Any:
        usual = {
            option.name: option.default for option in registry.options(registry.load("tasks", task))
        }
        said = {name: options.get(name) or usual.get(name) for name in FEW}
        few = {
            name: min(value, FEW[name]) for name, value in said.items() if isinstance(value, int)
        }
        return do(self, task, *sources, **options | few)

    return shortly


def _some(fashion: Any) -> Any:
    """The images that ship, but for most."""
    return lambda part: tuple(one[:: 50 if part == "train" else 10] for one in fashion(part))


def image(seed: int) -> Image.Image:
    """An image that is smooth, in colour."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((16, 16), Image.Resampling.BICUBIC)


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16), dtype=np.uint8))


def film(seed: int) -> Image.Image:
    return noise(seed + 100)


def photos(folder: Path, seed: int, grey: bool = False) -> None:
    """Thirty-two images of two kinds, one of them rarer, whose names say what they show."""
    for kind in ("cat", "dog"):
        (folder / kind).mkdir(parents=True)
        for i in range(20 if kind == "cat" else 12):
            one = image(100 * seed + i + 50 * (kind == "dog"))
            one = one.convert("L").point(lambda v: 255 * (v > 128)) if grey else one
            one.save(folder / kind / f"a red apple {i:02d}.png")


def people(seed: int, n: int = 120) -> pd.DataFrame:
    """A table with numbers and categories."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": random.integers(18, 80, n),
            "amount": random.normal(100, 30, n).round(2),
            "income": random.choice(["<=50K", ">50K"], n),
            "fraud": random.choice(["no", "yes"], n, p=[0.8, 0.2]),
            "education": random.choice(["school", "college", "university"], n),
        }
    )


def signature(verb: list[str]) -> set[str]:
    """Every option that a command has, such as {"--out", "--n"}; of `train` without a model, those
    of any."""
    if verb[0] == "train":
        models = verb[1:] or registry.names("models")
        kinds = registry.names("modalities")
        plugs = [
            *(registry.load("models", m) for m in models),
            *(registry.load("modalities", k).learn for k in kinds),
        ]
        given = {o.name for plug in (*plugs, api.train) for o in registry.options(plug)} | {
            "resume"
        }
        named = {f"--{name.rstrip('_').replace('_', '-')}" for name in given}
    else:
        arguments = cli._app(verb)[verb[0]].assemble_argument_collection()
        named = {name for one in arguments for name in one.names}
    return named | {f"--no-{name.removeprefix('--')}" for name in named} | {"--json", "--help"}
