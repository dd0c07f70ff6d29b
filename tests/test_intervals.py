"""Intervals: values lie inside as often as was asked, whatever the model; and what was asked is
what is written."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from ganvas import InputError, api
from ganvas.apps import cli
from ganvas.core import Batch, Continuous
from ganvas.core.intervals import (
    Calibration,
    draws_needed,
    interval_ends,
    interval_of_draws,
    plain_values,
    predictive_values,
)
from ganvas.models.vae import VAE
from ganvas.tasks.reconstruct import reconstruct

LEVELS = (0.5, 0.8, 0.9, 0.95)


class Toy(VAE):
    """z ~ N(0, 1), x = 0.1 z + noise in each of six places; but its noise is said to be `swagger`
    times what it is."""

    def __init__(self, swagger: float) -> None:
        super().__init__(Continuous((6,)), latent=1, width=4)
        self.swagger = swagger

    def encode(self, x: Tensor) -> Tensor:
        return (
            x.mean(1, keepdim=True) * 0.01 / (0.01 + 0.0025 / 6) / 0.1
        )  # of the linear-Gaussian posterior the mean

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return (0.1 * z).expand(-1, 6)

    def resample_posterior(self, x: Tensor, n: int) -> Tensor:
        z = self.encode(x) + sqrt(1 / (1 + 0.01 * 6 / 0.0025)) * torch.randn(n, len(x), 1)
        return 0.1 * z + 0.05 * self.swagger * torch.randn(n, len(x), 6)


def toys(n: int) -> Tensor:
    return 0.1 * torch.randn(n, 1) + 0.05 * torch.randn(n, 6)


@pytest.mark.parametrize("swagger", [0.3, 1.0, 3.0])
def test_coverage_is_nominal_even_of_a_model_that_is_wrong_about_itself(swagger: float) -> None:
    torch.manual_seed(0)
    model, held_out, x = Toy(swagger), toys(2000), toys(4000)
    least = np.full(6, 1e-6)
    known = Calibration(
        plain_values,
        predictive_values(
            model.resample_posterior,
            held_out,
            model.decode(model.encode(held_out)),
            plain_values,
        ).scores(least),
        least,
    )
    for level in LEVELS:
        between = reconstruct(model, x, lambda: known, interval=level).between
        assert between is not None
        covered = ((between.low <= x.numpy()) & (x.numpy() <= between.high)).mean(0)
        error = sqrt(level * (1 - level) * (1 / 2000 + 1 / 4000))
        assert np.abs(covered - level).max() < 4.5 * error


@given(st.integers(0, 1000), st.sampled_from(LEVELS), st.integers(0, 40))
def test_another_draw_lies_between_the_ends_as_often_as_was_asked(
    seed: int, level: float, more: int
) -> None:
    draws = np.random.default_rng(seed).normal(size=(draws_needed(level) + more, 4, 3))
    low, high = interval_ends(draws, level)
    between = (low < draws) & (draws < high)
    assert (
        (between.sum(0) + 1) / (len(draws) + 1) >= level - 1e-9
    ).all()  # of the ranks that another one may have
    narrow = interval_ends(draws, level / 2)
    assert (low <= narrow[0]).all()
    assert (narrow[1] <= high).all()


def test_what_is_missing_among_draws_does_not_count() -> None:
    draws = np.random.default_rng(0).normal(size=(40, 2, 2))
    incomplete = np.concatenate([draws, np.full((7, 2, 2), np.nan)])[
        np.random.default_rng(1).permutation(47)
    ]
    for ours, theirs in zip(interval_ends(incomplete, 0.8), interval_ends(draws, 0.8), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert np.isnan(interval_ends(np.full((5, 1, 1), np.nan), 0.8)[0]).all()


def test_a_category_is_the_most_frequent_with_its_share() -> None:
    draws = np.array([2, 2, -1, 2, 0], float).reshape(5, 1, 1)
    said = interval_of_draws(draws, np.array([True]), 0.5)
    assert (said.middle.item(), said.share.item()) == (2, 0.6)
    assert np.isnan([said.low, said.high]).all()


@pytest.mark.parametrize("likelihood", ["squared", "bernoulli", "binary", "gaussian", "logistic"])
def test_noise_is_as_wide_as_the_likelihood_says(likelihood: Any) -> None:
    space = Continuous((2,)).under(likelihood)
    raw = torch.tensor([0.2, -0.4, -2.0, -1.5])[: space.raw[0]].repeat(20_000, 1)
    torch.manual_seed(0)
    x = space.noisy(raw)
    torch.testing.assert_close(x.mean(0), space.activate(raw)[0], atol=0.01, rtol=0)
    scale = raw[0, 2:].exp() if space.scaled else torch.zeros(2)
    deviation = scale * (torch.pi / 3**0.5 if likelihood == "logistic" else 1)
    torch.testing.assert_close(x.std(0), deviation, rtol=0.03, atol=1e-4)


def people(n: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    age = random.integers(20, 70, n)
    return pd.DataFrame(
        {
            "age": age,
            "pay": np.round(age * 100 + random.normal(0, 300, n), 2),
            "city": random.choice(["Ulm", "Bonn"], n),
            "since": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(age * 10 + random.integers(0, 50, n), "D"),
        }
    )


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> api.Trained:
    out = tmp_path_factory.mktemp("vae") / "run"
    return api.train(
        "vae", people(1500), out=out, steps=300, width=32, latent=4, held_out=0.2, quiet=True
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> api.Trained:
    out = tmp_path_factory.mktemp("made") / "run"
    return api.train("made", people(2000), out=out, steps=300, width=48, quiet=True)


@pytest.fixture(scope="module")
def seen(images: Path, tmp_path_factory: pytest.TempPathFactory) -> api.Trained:
    out = tmp_path_factory.mktemp("images") / "run"
    return api.train("vae", images, out=out, steps=10, width=8, latent=4, held_out=0.3, quiet=True)


def test_rows_are_reconstructed_with_intervals_in_the_units_of_the_table(rows: api.Trained) -> None:
    x = people(800, 1)
    wide, narrow = (rows.reconstruct(x, interval=level) for level in (0.9, 0.5))
    pairs = [
        name
        for column in ("age", "pay", "since")
        for name in (column, f"{column} low", f"{column} high")
    ]
    assert list(wide) == [*pairs[:6], "city", "city probability", *pairs[6:]]
    assert all(
        wide[f"{c} {end}"].dtype == x[c].dtype for c in ("age", "since") for end in ("low", "high")
    )
    for column in ("age", "pay", "since"):
        low, high = wide[f"{column} low"], wide[f"{column} high"]
        assert ((low <= wide[column]) & (wide[column] <= high)).all()
        assert ((low <= narrow[f"{column} low"]) & (narrow[f"{column} high"] <= high)).all()
        assert (
            (low <= x[column]) & (x[column] <= high)
        ).mean() > 0.84  # 800 of them, scaled by 300
    assert wide["city probability"].between(0, 1).all()
    pd.testing.assert_frame_equal(wide, rows.reconstruct(x, interval=0.9))
    bare = rows.reconstruct(x)
    assert (bare.dtypes == x.dtypes).all()
    assert (bare["age"] - wide["age"]).abs().max() <= 1  # other batches step otherwise


def test_images_come_with_their_ends_and_how_unsure_each_value_is(
    seen: api.Trained, images: Path, tmp_path: Path
) -> None:
    x = np.load(images)["x"][:5]
    for before, after, low, high in seen.reconstruct(x, interval=0.8):
        assert before.size == after.size == low.size == high.size
        assert (np.asarray(low) <= np.asarray(after)).all()
        assert (np.asarray(after) <= np.asarray(high)).all()
    np.savez(tmp_path / "x.npz", x=x)
    command = [
        "reconstruct",
        str(seen.run.path),
        str(tmp_path / "x.npz"),
        "--interval",
        "0.8",
        "--out",
    ]
    assert cli.run([*command, str(tmp_path / "back")]) == 0
    for folder in ("", "low", "high", "unsure"):
        assert (tmp_path / "back" / folder / "0004.png").exists()
    assert cli.run([*command, str(tmp_path / "back.png")]) == 0
    plain_sheet, sheet = tmp_path / "plain.png", Image.open(tmp_path / "back.png")
    assert cli.run([*command[:3], "--out", str(plain_sheet)]) == 0
    assert sheet.height > Image.open(plain_sheet).height


def test_holes_are_filled_with_intervals(made: api.Trained, tmp_path: Path) -> None:
    x = people(600, 2)
    hidden = np.random.default_rng(0).random(x.shape) < 0.25
    hidden[:, 2] &= np.arange(600) < 300
    incomplete = x.mask(hidden)
    filled = made.complete(incomplete, interval=0.9, seed=1)
    pd.testing.assert_frame_equal(filled, made.complete(incomplete, interval=0.9, seed=1))
    narrow = made.complete(incomplete, interval=0.5, seed=1)
    for i, column in enumerate(x):
        lost = hidden[:, i]
        assert (filled[column][~lost] == x[column][~lost]).all()
        if column == "city":
            assert (filled["city probability"].notna() == lost).all()
            continue
        low, high = filled[f"{column} low"], filled[f"{column} high"]
        assert (low.notna() == lost).all()
        assert ((low <= filled[column]) & (filled[column] <= high))[lost].all()
        assert ((low <= narrow[f"{column} low"]) & (narrow[f"{column} high"] <= high))[lost].all()
        assert 0.8 < ((low <= x[column]) & (x[column] <= high))[lost].mean() <= 1
    assert filled.drop(columns=[c for c in filled if c not in x]).notna().all(axis=None)
    (incomplete := incomplete.assign(age=x["age"])).to_csv(
        tmp_path / "missing values.csv", index=False
    )
    out = tmp_path / "filled.csv"
    command = [
        "complete",
        str(made.run.path),
        str(tmp_path / "missing values.csv"),
        "--interval",
        "0.9",
        "--out",
        str(out),
    ]
    assert cli.run(command) == 0
    assert list(pd.read_csv(out)) == [
        "age",
        "pay",
        "pay low",
        "pay high",
        "city",
        "city probability",
        "since",
        "since low",
        "since high",
    ]


def test_more_of_a_categorys_probability_means_more_often_right(made: api.Trained) -> None:
    x = people(300, 3).assign(city=None)
    probability = made.complete(x, interval=0.5, seed=0)["city probability"]
    assert 0.5 <= probability.mean() < 0.65  # cities are drawn by a coin


@pytest.mark.parametrize(
    ("level", "words"),
    [
        (0.0, "interval= is 0.0"),
        (1.0, "interval= is 1.0"),
        (0.9999, "needs 9999 examples held out"),
    ],
)
def test_what_cannot_be_promised_is_refused(rows: api.Trained, level: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        rows.reconstruct(people(3), interval=level)


def test_too_few_draws_are_refused(made: api.Trained) -> None:
    with pytest.raises(
        InputError, match=r"interval=0\.95 needs 39 draws at least, and draws= is 20"
    ):
        made.complete(people(3).assign(city=None), interval=0.95, draws=20)
    filled = made.complete(people(3).assign(city=None), interval=0.9, draws=20)
    assert list(filled) == ["age", "pay", "city", "city probability", "since"]


def test_a_model_without_a_posterior_and_a_run_that_held_nothing_out_say_so(tmp_path: Path) -> None:
    ae = api.train("ae", people(100), out=tmp_path / "ae", steps=3, width=8, quiet=True)
    with pytest.raises(InputError, match="models that have a posterior"):
        ae.reconstruct(people(3), interval=0.9)
    vae = api.train(
        "vae", people(100), out=tmp_path / "vae", steps=3, width=8, held_out=0.0, quiet=True
    )
    with pytest.raises(InputError, match="held nothing out; train with held_out="):
        vae.reconstruct(people(3), interval=0.9)


def test_missing_values_have_no_interval(tmp_path: Path) -> None:
    x = people(600)
    x["pay"] = x["pay"].where(np.arange(600) % 5 > 0)
    run = api.train("vae", x, out=tmp_path / "run", steps=200, width=16, held_out=0.2, quiet=True)
    back = run.reconstruct(x[:100], interval=0.8)
    assert (back["pay"].isna() == back["pay low"].isna()).all()


def test_redrawing_is_part_of_what_a_vae_can(seen: api.Trained) -> None:
    model, space = seen.model, seen.run.modality.space
    assert isinstance(model, VAE)
    x = Batch(torch.zeros(3, *space.shape)).x
    with torch.no_grad():
        assert model.resample_posterior(x, 7).shape == (7, 3, *space.shape)
