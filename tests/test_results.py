"""Every kind of result can be read again: in Python, in figures, in files and as tables, in any
order; or it says in a sentence that it cannot."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import ganvas.results
from ganvas import InputError, api
from ganvas.core import NamedExamples, Parts, Result
from ganvas.core.detection import ReferenceScores, ScoredStream
from ganvas.results.detections import Detections
from ganvas.results.generated import Generated
from ganvas.results.image_pairs import ImagePairs
from ganvas.runtime import registry

SMALL: dict[str, Any] = {"steps": 2, "batch": 8, "held_out": 0.5, "quiet": True}
RUNS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "vae": ("vae", "photos", {"latent": 3, "width": 8}),
    "rows": ("vae", "people.csv", {"latent": 3, "width": 16, "depth": 1}),
    "cgan": ("cgan", "photos", {"latent": 3, "width": 16, "depth": 1}),
    "made": ("made", "people.csv", {"width": 16, "depth": 1}),
    "inpainter": ("inpainter", "photos", {"channels": 8}),
    "rednet": ("rednet", "photos", {"channels": 8, "depth": 1}),
    "srgan": ("srgan", "photos", {"channels": 8, "depth": 1, "warmup": 1, "scale": 2}),
}
"""By a name of a run, its model, what it learned from, and how."""


class Case(NamedTuple):
    """A task of a run, what it is given and how it is asked."""

    run: str
    task: str
    source: str | None = None
    options: dict[str, Any] = {}


CASES = [
    Case("vae", "sample", None, {"n": 5}),
    Case("vae", "sample", None, {"n": 5, "seed": 1}),
    Case("vae", "reconstruct", "photos"),
    Case("vae", "reconstruct", "photos", {"interval": 0.5}),
    Case("vae", "interpolate", None, {"n": 2, "steps": 3}),
    Case("vae", "traverse", None, {"most": 2, "steps": 3}),
    Case("vae", "detect", "photos"),
    Case("vae", "embed", "photos", {"map": "pca"}),
    Case("vae", "cluster", "photos", {"k": 2}),
    Case("vae", "edit", "photos", {"found": 1, "steps": 3, "inversion_steps": 2}),
    Case("rows", "reconstruct", "people.csv"),
    Case("rows", "reconstruct", "people.csv", {"interval": 0.5}),
    Case("rows", "sample", None, {"n": 40_000}),
    Case("rows", "embed", "people.csv", {"map": "none"}),
    Case("rows", "edit", "people.csv", {"found": 1, "steps": 3, "inversion_steps": 2}),
    Case("cgan", "augment", "photos", {"per_class": 14}),
    Case("made", "sample", None, {"n": 300, "where": "age > 30"}),
    Case("made", "sample", None, {"n": 20, "balance": "income"}),
    Case("made", "detect", "people.csv"),
    Case("made", "detect", "people.csv", {"alpha": 0.5}),
    Case("made", "complete", "missing.csv", {"draws": 2}),
    Case("made", "complete", "missing.csv", {"interval": 0.5}),
    Case("made", "augment", "people.csv", {"target": "income", "per_class": 40}),
    Case("made", "compress", "people.csv"),
    Case("made", "decompress", "packed.ganvas"),
    Case("inpainter", "complete", "photos", {"keep": "left"}),
    Case("inpainter", "complete", "photos", {"keep": "left", "draws": 2}),
    Case("rednet", "denoise", "photos"),
    Case("srgan", "upscale", "photos"),
]


def kinds() -> list[type[Result]]:
    """Every kind of result that there is."""
    found = set[type[Result]]()
    for module in pkgutil.iter_modules(ganvas.results.__path__, "ganvas.results."):
        classes = inspect.getmembers(import_module(module.name), inspect.isclass)
        found |= {kind for _, kind in classes if issubclass(kind, Result)}
    return sorted((kind for kind in found if not inspect.isabstract(kind)), key=str)


class World:
    """Runs that are trained when they are asked for, and what they are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        random = np.random.default_rng(0)
        for i in range(24):
            file = folder / "photos" / ("cats" if i % 3 else "dogs") / f"{i}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(file)
        rows = pd.DataFrame(
            {
                "age": random.integers(18, 70, 60),
                "income": np.where(np.arange(60) % 4, "low", "high"),
                "town": random.choice(["Bern", "Rome", "Oslo"], 60),
            }
        )
        rows.to_csv(folder / "people.csv", index=False)
        missing = rows.astype({"age": float}).mask(random.random(rows.shape) < 0.2)
        missing.to_csv(folder / "missing.csv", index=False)

    @cache  # noqa: B019 # one world for all tests
    def run(self, name: str) -> api.Trained:
        model, source, options = RUNS[name]
        out = self.folder / "runs" / name
        trained = api.train(model, self.folder / source, out=out, **options, **SMALL)
        if name == "made":
            content = trained.compress(self.folder / "people.csv")
            (self.folder / "packed.ganvas").write_bytes(content)
        return trained

    def result(self, case: Case) -> Result:
        trained = self.run(case.run)
        given = [] if case.source is None else [self.folder / case.source]
        return trained.do(case.task, *given, **case.options)

    def modality(self, case: Case) -> Any:
        return self.run(case.run).run.modality


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("results"))


def name_of(case: Case) -> str:
    return "-".join([case.run, case.task, *map(str, case.options)])


def contents(files: list[Path], folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def assert_same(a: Any, b: Any) -> None:
    """Whether two things that a person in Python got are equal."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert [*a] == [*b]
        a, b = [*a.values()], [*b.values()]
    if isinstance(a, list | tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    elif isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b)
    elif isinstance(a, Image.Image | np.ndarray):
        assert np.array_equal(np.asarray(a), np.asarray(b))
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    else:
        assert a == b


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_result_can_be_read_twice(case: Case, world: World, tmp_path: Path) -> None:
    result, modality = world.result(case), world.modality(case)
    figures = result.figures()
    assert isinstance(result.describe(), str)
    first = contents(result.save(modality, tmp_path / "a"), tmp_path / "a")
    shown = result.to_python(modality)
    second = contents(result.save(modality, tmp_path / "b"), tmp_path / "b")
    assert first == second
    assert_same(result.to_python(modality), shown)
    assert_same(result.figures(), figures)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_tables_of_a_result_can_be_read_twice(case: Case, world: World) -> None:
    result, modality = world.result(case), world.modality(case)
    for table in result.tables(modality).values():
        assert pa.concat_tables(table).equals(pa.concat_tables(table))


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_what_is_a_table_goes_into_a_file_of_tables(
    case: Case, world: World, tmp_path: Path
) -> None:
    """As a service asks for it."""
    result, modality = world.result(case), world.modality(case)
    tables = result.tables(modality)
    if len(tables) == 1:
        (file,) = result.save(modality, tmp_path / "rows.parquet")
        assert pq.read_table(file).num_rows == sum(map(len, next(iter(tables.values()))))


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_fresh_result_says_the_same_in_any_order(
    case: Case, world: World, tmp_path: Path
) -> None:
    options = [option.name for option in registry.options(registry.load("tasks", case.task))]
    if "seed" in options:
        case = case._replace(options=case.options | {"seed": 3})
    modality = world.modality(case)
    figures, used = world.result(case).figures(), world.result(case)
    used.save(modality, tmp_path / "used")
    assert_same(used.figures(), figures)
    assert_same(used.to_python(modality), world.result(case).to_python(modality))


def test_every_kind_of_result_is_looked_at(world: World) -> None:
    assert {type(world.result(case)) for case in CASES} == {
        kind for kind in kinds() if not any(issubclass(k, kind) and k is not kind for k in kinds())
    }


@pytest.mark.parametrize("case", [CASES[0], CASES[6], CASES[-2], CASES[-1]], ids=name_of)
def test_whoever_reads_computes_no_gradients(case: Case, world: World) -> None:
    result = world.result(case)
    assert isinstance(result, Generated | Detections | ImagePairs)
    for part in result.pairs if isinstance(result, ImagePairs) else result.parts:
        assert torch.is_grad_enabled()
        assert not any(x.requires_grad for x in tensors_of(part))


def tensors_of(part: Any) -> list[torch.Tensor]:
    if isinstance(part, torch.Tensor):
        return [part]
    values = part if isinstance(part, tuple) else vars(part).values()
    return [value for value in values if isinstance(value, torch.Tensor)]


def test_samples_without_a_seed_differ_from_each_other_and_not_from_themselves(
    world: World,
) -> None:
    one, other = (world.result(CASES[0]) for _ in range(2))
    assert isinstance(one, Generated)
    assert isinstance(other, Generated)
    again = torch.cat([*one.parts])
    assert torch.equal(torch.cat([*one.parts]), again)
    assert not torch.equal(torch.cat([*other.parts]), again)


def test_drawing_leaves_random_numbers_as_they_were(world: World) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    result = world.result(CASES[0])
    assert isinstance(result, Generated)
    list(result.parts)
    assert torch.equal(torch.rand(3), expected)


def numbers(n: int, log: list[int]) -> Callable[[], Iterator[int]]:
    def make() -> Iterator[int]:
        for i in range(n):
            log.append(i)
            assert not torch.is_grad_enabled()
            yield i

    return make


@given(st.lists(st.integers(0, 6), max_size=4), st.integers(0, 5))
def test_parts_start_anew_wherever_the_last_reading_ended(stops: list[int], n: int) -> None:
    parts = Parts(numbers(n, []))
    for stop in stops:
        assert [part for part, _ in zip(parts, range(stop), strict=False)] == [*range(min(stop, n))]
    assert list(parts) == list(parts) == [*range(n)]


def test_parts_are_computed_when_they_are_asked_for() -> None:
    parts = Parts(numbers(4, log := []))
    assert not log
    assert next(iter(parts)) == 0
    assert log == [0]


def test_what_has_no_end_is_read_once_and_says_so() -> None:
    known = NamedExamples(torch.empty(0, 1), [])
    normal = ReferenceScores(torch.ones(3), torch.zeros(1), lambda: known, lambda x: x)
    result = Detections(Parts(lambda: iter([]), endless=True), normal, endless=True)
    assert result.figures() == {"found": 0, "of": 0, "normal": 3}
    assert list(result.parts) == []
    with pytest.raises(InputError, match="can be read once"):
        list(result.parts)


def test_what_follows_a_file_is_read_once_and_says_so(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = world.run("made")
    stream = ScoredStream(lambda weigh: iter(()))
    result = trained.do("detect", stream, follow=True)
    modality = trained.run.modality
    result.save(modality, tmp_path / "scores.csv")
    with pytest.raises(InputError, match="can be read once"):
        result.save(modality, tmp_path / "again.csv")
