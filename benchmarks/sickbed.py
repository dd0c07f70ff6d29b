"""Twelve trainings that are broken on purpose, and twelve that are well: is each illness named, and
what does it cure?

A broken training is named rightly if an illness that it has is among what health says of it within
so many steps. It is cured if it was treated and nothing grave is left at the end; of a game,
samples must cover a third of real examples too. On a healthy one, anything grave and any treatment
is a false alarm; what is said without being grave is listed. Fashion-MNIST, the first 5,000
images, and the census that ships with the package.

python benchmarks/sickbed.py                        # all, 2,000 steps each
python benchmarks/sickbed.py --only rate beta --steps 1000
python benchmarks/sickbed.py --reduced              # 600 steps, narrow networks
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _common import fashion, place, report
from torch import Tensor, nn

import ganvas
from ganvas.core import Space
from ganvas.data.samples import ADULT
from ganvas.models._adversarial import Adversarial
from ganvas.nn import perceptron
from ganvas.runs.diagnosis import Diagnosis
from ganvas.runtime import registry
from ganvas.training.progress import Progress

IMAGES = 5000
NOT_NUMBERS = "not numbers"
"""What an InputError before the first step is counted as."""


class Dwarf(Adversarial):
    """A generator of two hidden units against a discriminator of three layers of 512."""

    def __init__(self, space: Space) -> None:
        super().__init__(space, None, latent=64)
        self.generator = nn.Sequential(
            perceptron(64, 2, prod(space.raw)), nn.Unflatten(1, space.raw)
        )
        self.discriminator = nn.Sequential(
            nn.Flatten(), perceptron(prod(space.shape), 512, 512, 512, 1), nn.Flatten(0)
        )

    def generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.generator(z)

    def discriminate(self, x: Tensor, y: Tensor | None) -> Tensor:
        return self.discriminator(x)


class Case(NamedTuple):
    """One training.

    wanted: Illnesses of which one must be named; none for a healthy training.
    curable: Whether one change can help.
    """

    model: str
    source: Callable[[], Any]
    options: dict[str, Any]
    wanted: frozenset[str] = frozenset()
    curable: bool = False


def images(n: int = IMAGES) -> np.ndarray:
    return fashion("train")[0][:n].copy()


def labelled(shuffled: bool = False) -> tuple[np.ndarray, list[str]]:
    y = fashion("train")[1][:IMAGES]
    return images(), list(map(str, np.random.default_rng(0).permutation(y) if shuffled else y))


def with_a_hole() -> np.ndarray:
    x = images().astype(np.float32) / 255
    x[1234, 5, 6] = np.nan
    return x


def copied(share: float = 0.95) -> np.ndarray:
    x = images()
    return x[np.random.default_rng(0).permutation(np.arange(len(x)) % int(len(x) * (1 - share)))]


def both(rate: float) -> dict[str, float]:
    return {"discriminator": rate, "generator": rate}


STRONG = {"loss": "minimax", "discriminator_steps": 5, "lr": {"discriminator": 2e-3}}
SICK = {
    "rate": Case(
        "gan",
        images,
        {"lr": both(1e-2)},
        frozenset({"learning rate too high", "divergence"}),
        True,
    ),
    "few": Case("gan", lambda: images(300), {}, frozenset({"memorisation", "too few data"}), True),
    "small": Case("dwarf", images, {}, frozenset({"small generator"})),
    "labels": Case("cgan", lambda: labelled(True), {}, frozenset({"labels that go with nothing"})),
    "constant": Case("gan", lambda: images(1).repeat(IMAGES, 0), {}, frozenset({"constant data"})),
    "nan": Case("gan", with_a_hole, {}, frozenset({NOT_NUMBERS})),
    "latent": Case("gan", images, {"latent": 1}, frozenset({"narrow latent"})),
    "beta": Case(
        "vae",
        images,
        {"beta": 100.0, "network": "perceptron"},
        frozenset({"posterior collapse"}),
        True,
    ),
    "slow": Case(
        "gan",
        images,
        {"lr": {"discriminator": 4e-6}},
        frozenset({"discriminator has lost", "mode collapse"}),
        True,
    ),
    "minimax": Case(
        "gan", images, STRONG, frozenset({"vanishing gradients", "discriminator has won"}), True
    ),
    "sixteen": Case("gan", lambda: images(16), {}, frozenset({"too few data", "memorisation"})),
    "copies": Case("gan", copied, {}, frozenset({"duplicates"})),
}
WELL = {
    "gan": Case("gan", images, {}),
    "gan, latent 16": Case("gan", images, {"latent": 16}),
    "gan, deeper": Case("gan", images, {"depth": 4}),
    "gan, minimax": Case("gan", images, {"loss": "minimax"}),
    "gan, two steps": Case("gan", images, {"discriminator_steps": 2}),
    "cgan": Case("cgan", labelled, {}),
    "dcgan": Case("dcgan", images, {"channels": 16}),
    "dcgan, labels": Case("dcgan", labelled, {"channels": 16}),
    "vae": Case("vae", images, {"network": "perceptron"}),
    "vae, bernoulli": Case(
        "vae", images, {"network": "perceptron", "likelihood": "bernoulli", "latent": 8}
    ),
    "ctgan, a table": Case("ctgan", lambda: ADULT / "train.csv", {"as_": "tables"}),
    "gan, a table": Case("gan", lambda: ADULT / "train.csv", {"as_": "tables"}),
}


@contextmanager
def listening() -> Iterator[dict[str, int]]:
    """Inside, what health says: by illness, the step in which it was first said; 0 before the
    first."""
    first: dict[str, int] = {}
    original = Progress.show_diagnoses

    def show_diagnoses(progress: Progress, seen: Sequence[Diagnosis]) -> None:
        log = (progress.run.path / "log.jsonl").read_text().splitlines()
        for one in seen:
            first.setdefault(one.kind, json.loads(log[-1])["step"] if one.since else 0)
        original(progress, seen)

    Progress.show_diagnoses = show_diagnoses  # type: ignore[method-assign] # to hear when
    try:
        yield first
    finally:
        Progress.show_diagnoses = original  # type: ignore[method-assign]


def play(name: str, case: Case, given: argparse.Namespace) -> dict[str, Any]:
    """Trains, listens, and says what came of it."""
    out = given.runs / place(name)
    shutil.rmtree(out, ignore_errors=True)
    options = dict(case.options)
    if given.reduced and case.model in ("gan", "cgan", "vae"):
        options["width"] = 256
    with listening() as first:
        try:
            run = ganvas.train(
                case.model,
                case.source(),
                out=out,
                steps=given.steps,
                quiet=not given.loud,
                **options,
            ).run
        except ganvas.InputError as error:
            first.setdefault(NOT_NUMBERS if not (out / "log.jsonl").exists() else "gave up", 0)
            return {
                "case": name,
                "said": first,
                "words": [str(error)],
                "treatments": [],
                "grave": [],
                "coverage": None,
            }
    covered = [line["made/coverage"] for line in run.read_log() if "made/coverage" in line]
    return {
        "case": name,
        "said": first,
        "words": list(map(str, run.diagnoses)),
        "treatments": list(map(str, run.interventions)),
        "grave": [one.kind for one in run.diagnoses if one.grave],
        "coverage": covered[-1] if covered else None,
    }


def judged(case: Case, result: dict[str, Any]) -> dict[str, Any]:
    """The same, with the verdict."""
    if not case.wanted:
        return result | {"false_alarm": bool(result["treatments"] or result["grave"])}
    covers = result["coverage"] is None or result["coverage"] > 1 / 3
    cured = case.curable and bool(result["treatments"]) and not result["grave"] and covers
    return result | {
        "named": bool(case.wanted & result["said"].keys()),
        "curable": case.curable,
        "cured": cured,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int)
    parser.add_argument("--reduced", action="store_true")
    parser.add_argument("--only", nargs="+", choices=[*SICK, *WELL], default=[*SICK, *WELL])
    parser.add_argument("--runs", type=Path, default=Path("runs/sickbed"))
    parser.add_argument("--loud", action="store_true")
    parser.add_argument("--id", help="name of the file of results")
    given = parser.parse_args()
    registry._entries("models")["dwarf"] = EntryPoint("dwarf", "sickbed:Dwarf", "ganvas.models")
    given.steps = given.steps or (600 if given.reduced else 2000)
    results = {}
    for name in given.only:
        case = SICK.get(name) or WELL[name]
        results[name] = judged(case, play(name, case, given))
        said = (
            ", ".join(f"{illness} ({step:,})" for illness, step in results[name]["said"].items())
            or "nothing"
        )
        verdict = [word for word in ("named", "cured", "false_alarm") if results[name].get(word)]
        print(f"{name:18} {' '.join(verdict) or '-':12} {said}", flush=True)
        for treatment in results[name]["treatments"]:
            print(f"{'':18} treated: {treatment}", flush=True)
    sick, well = ([results[n] for n in kind if n in results] for kind in (SICK, WELL))
    whole = len(results) == len(SICK) + len(WELL) and not given.reduced
    report(
        given.id or ("sickbed" if whole else "sickbed-part"),
        {
            "steps": given.steps,
            "named": sum(r["named"] for r in sick),
            "of": len(sick),
            "cured": sum(r["cured"] for r in sick),
            "curable": sum(r["curable"] for r in sick),
            "false_alarms": sum(r["false_alarm"] for r in well),
            "well": len(well),
            "cases": results,
        },
    )


if __name__ == "__main__":
    main()
