"""scikit-learn's own checks of the estimators, and what they do beside."""

from __future__ import annotations

import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from conftest import ROW, examples
from ganvas import InputError
from ganvas.apps import cli
from ganvas.models.ae import AE
from ganvas.sklearn import AnomalyDetector, Denoiser, Embedder, Estimator, Imputer, Synthesizer

KINDS = (AnomalyDetector, Denoiser, Embedder, Imputer, Synthesizer)
TINY: dict[str, Any] = {"steps": 1, "options": {"width": 8, "device": "cpu"}}
SOME: dict[str, Any] = TINY | {"random_state": 0}


@pytest.mark.filterwarnings("ignore:alpha")
@parametrize_with_checks([kind(**TINY) for kind in KINDS])
def test_scikit_learn_checks(estimator: Estimator, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    """Rows of numbers, categories, dates and masked regions, numbered in an order of their own."""
    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "age": random.integers(17, 90, 120),
            "income": random.normal(3e4, 1e4, 120),
            "city": random.choice(["Rome", "Oslo", "Lima"], 120),
            "plan": pd.Categorical(random.choice(["free", "paid"], 120)),
            "since": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(random.integers(0, 999, 120), "D"),
        },
        index=random.permutation(120),
    )
    rows.loc[random.random(120) < 0.3, ["income", "city"]] = None
    return rows


@pytest.fixture(scope="module")
def fitted(people: pd.DataFrame) -> list[Estimator]:
    """One of each kind."""
    return [kind(**SOME).fit(people) for kind in KINDS]


def answer(estimator: Estimator, rows: pd.DataFrame) -> np.ndarray | pd.DataFrame:
    """What an estimator makes of rows, whatever it is for."""
    match estimator:
        case AnomalyDetector():
            return estimator.score_samples(rows)
        case Synthesizer():
            return estimator.sample(5)
    return estimator.transform(rows)


def same(a: np.ndarray | pd.DataFrame, b: np.ndarray | pd.DataFrame) -> bool:
    return a.equals(b) if isinstance(a, pd.DataFrame) else np.array_equal(a, b)


@pytest.mark.parametrize("which", range(len(KINDS)), ids=[kind.__name__ for kind in KINDS])
def test_copies_pickles_and_saved_runs_answer_alike(
    fitted: list[Estimator], which: int, people: pd.DataFrame, tmp_path: Path
) -> None:
    own = fitted[which]
    loaded = type(own).load(own.save(tmp_path / "run"))
    assert (
        loaded.get_params().items() >= {"model": own.model, "steps": 1, "random_state": 0}.items()
    )
    for other in (deepcopy(own), pickle.loads(pickle.dumps(own)), loaded):
        assert same(answer(own, people), answer(other, people))
        assert list(other.feature_names_in_) == list(people)
    assert not hasattr(clone(own), "run_")
    with pytest.raises(InputError, match="is there already"):
        own.save(tmp_path / "run")


def test_what_comes_in_decides_what_goes_out(fitted: list[Estimator], people: pd.DataFrame) -> None:
    _, denoiser, embedder, imputer, synthesizer = fitted
    for rows in (denoiser.transform(people), imputer.transform(people)):
        pd.testing.assert_index_equal(rows.index, people.index)
        assert rows.dtypes.equals(people.dtypes)
    assert synthesizer.sample(3).dtypes.equals(people.dtypes)
    assert embedder.transform(people).shape == (120, 8)
    assert embedder.inverse_transform(np.zeros((2, 8))).dtypes.equals(people.dtypes)


def test_frames_of_polars_are_frames(fitted: list[Estimator], people: pd.DataFrame) -> None:
    pl = pytest.importorskip("polars")
    embedder = fitted[2]
    assert np.array_equal(embedder.transform(pl.from_pandas(people)), embedder.transform(people))


def test_detector_names_p_values_as_the_task_does(
    fitted: list[Estimator], people: pd.DataFrame
) -> None:
    detector = fitted[0]
    assert isinstance(detector, AnomalyDetector)
    others = people.assign(age=people["age"] + 1, city="Oslo")
    found = detector.run_.detect(others, alpha=detector.alpha)
    assert np.allclose(detector.p_values(others), found["p"])
    assert np.array_equal(detector.predict(others) == -1, found["found"])
    for alpha in (0.02, 0.1, 0.29, 0.5, 0.98):
        other = AnomalyDetector.load(detector.folder_.path, alpha=alpha)
        assert np.array_equal(other.predict(others) == -1, other.p_values(others) <= alpha)
    odd = people.head(1).assign(city="Atlantis", age=10**6)
    assert detector.p_values(odd)[0] <= detector.p_values(people).min()
    assert detector.predict(odd)[0] == -1


def test_what_few_rows_cannot_promise_is_said() -> None:
    with pytest.warns(UserWarning, match="needs 999 normal rows held out"):
        AnomalyDetector(**SOME, alpha=0.001).fit(np.random.default_rng(0).normal(size=(30, 2)))


def test_imputer_fills_holes_and_nothing_else(
    fitted: list[Estimator], people: pd.DataFrame
) -> None:
    imputer = fitted[3]
    filled = imputer.transform(people)
    assert not filled.isna().any().any()
    pd.testing.assert_frame_equal(
        filled.where(people.notna()), people.where(people.notna()), check_dtype=False
    )
    assert filled.equals(imputer.transform(people))


def test_synthesizer_draws_what_goes_with_rows(people: pd.DataFrame) -> None:
    y = people["income"].isna().map({True: "hidden", False: "told"})
    synthesizer = Synthesizer(**SOME, target="said").fit(people, y)
    rows, said = synthesizer.sample(6, where="said = 'told' AND age > 40")
    assert list(rows) == list(people)
    assert set(said) == {"told"}
    assert rows["age"].min() > 40
    whole = people.assign(said=y)
    nats = synthesizer.run_.model.score(synthesizer.run_.run.modality.read(whole).gather().x)
    assert synthesizer.score(people, y) == pytest.approx(-nats.mean().item(), rel=1e-4)
    with pytest.raises(InputError, match="give y too"):
        synthesizer.score(people)
    x, classes = Synthesizer(**SOME).fit(np.eye(20)[:, :3], np.arange(20) % 2).sample(4)
    assert x.shape == (4, 3)
    assert classes.dtype == np.int64


def test_they_live_in_pipelines_and_searches() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(40, 3)), random.integers(0, 2, 40)
    pipeline = make_pipeline(StandardScaler(), Embedder(**SOME), LogisticRegression())
    search = GridSearchCV(pipeline, {"embedder__latent": [2, 3]}, cv=2).fit(x, y)
    assert search.predict(x).shape == (40,)
    embedder = search.best_estimator_[1].set_output(transform="pandas")
    latents = embedder.transform(StandardScaler().fit_transform(x))
    assert list(latents) == [f"embedder{i}" for i in range(search.best_params_["embedder__latent"])]
    best = GridSearchCV(Synthesizer(**SOME), {"options": [{"width": 8}, {"width": 16}]}, cv=2).fit(
        x
    )
    assert best.best_score_ == pytest.approx(best.cv_results_["mean_test_score"].max())


def test_opens_runs_of_the_command_line(people: pd.DataFrame, tmp_path: Path) -> None:
    people.to_parquet(tmp_path / "people.parquet", index=False)
    out = str(tmp_path / "run")
    assert (
        cli.run(
            [
                "train",
                "ae",
                str(tmp_path / "people.parquet"),
                "--out",
                out,
                "--steps",
                "1",
                "--latent",
                "3",
            ]
        )
        == 0
    )
    embedder = Embedder.load(out)
    assert embedder.get_params()["latent"] == 3
    assert embedder.transform(people).shape == (120, 3)
    with pytest.raises(InputError, match="'ae' is not able to; these are: "):
        Imputer.load(out)
    with pytest.raises(InputError, match="'vae' is not able to; these are: "):
        Imputer(model="vae").fit(people)
    with pytest.raises(InputError, match="there are 2 columns; latents have 3"):
        embedder.inverse_transform(np.zeros((1, 2)))


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.ones((20, 2)), "no column that varies"),
        (np.geomspace(1, 1e300, 20).reshape(-1, 1), "beyond 1e\\+150; scale it"),
        (pd.DataFrame({"a": ["x", 1.0] * 9}), "mixes types"),
    ],
)
def test_refuses_in_one_sentence(x: Any, words: str) -> None:
    with pytest.raises(InputError, match=words) as refusal:
        Embedder(**SOME).fit(x)
    assert "\n" not in str(refusal.value)


def test_damaged_rows_are_rows() -> None:
    torch.manual_seed(0)
    x = examples(ROW, 4000)
    damaged = AE(ROW, width=8, corrupt="gaussian", strength=0.3).degrade(x)
    for width, before, after in zip(
        ROW.columns, x.split(ROW.columns, 1), damaged.split(ROW.columns, 1), strict=True
    ):
        if width == 1:
            assert (after - before).std().item() == pytest.approx(0.3, rel=0.1)
        else:
            assert torch.equal(after.sort(1).values[:, -1], torch.ones(4000))
            moved = (after != before).any(1).float().mean().item()
            assert moved == pytest.approx(0.3 * (1 - 1 / width), abs=0.04)
