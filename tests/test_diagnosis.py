"""A game that goes wrong gets a diagnosis in words and recovers; a sound one is left alone."""

from __future__ import annotations

import inspect
import json
import math
import random
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ganvas
from conftest import IMAGE, LABELS, SPACES, VECTOR, InMemory, examples
from contract._cases import build, spaces_of
from ganvas.apps import cli
from ganvas.core import Batch, Continuous, InputError
from ganvas.models.cgan import CGAN
from ganvas.models.gan import GAN
from ganvas.models.vae import VAE
from ganvas.runs.diagnosis import (
    DIAGNOSES,
    RECKLESS,
    Curve,
    Diagnosis,
    Facts,
    History,
    Intervention,
    Remedy,
    diagnose,
    recent_lines,
)
from ganvas.runs.run import Run
from ganvas.runtime import registry
from ganvas.training.data_checks import check_data, dimension
from ganvas.training.diversity import Diversity
from ganvas.training.engine import Engine
from ganvas.training.progress import _losses
from ganvas.training.recovery import TRIES, Recovery
from test_run import same

MODELS = registry.names("models")

Column = Callable[[int], float] | float
RARE = ("made/", "seen/", "held_out/")
SOUND: dict[str, Column] = {
    "discriminator/ordering": 0.85,
    "discriminator/gradient": 3.0,
    "generator/gradient": 2.0,
    "made/coverage": lambda step: min(step / 1000, 0.8),
    "made/diversity": lambda step: min(step / 300, 0.9),
    "seen/discriminator/ordering": 0.85,
    "held_out/discriminator/ordering": 0.82,
}


def history(n_steps: int = 1000, facts: Facts | None = None, **columns: Column) -> History:
    """A log as training writes it: a line every 10 steps, what is rare every 100; `__` in names
    stands for a slash."""
    chosen = {name.replace("__", "/"): column for name, column in columns.items()}
    lines = [
        {"step": step}
        | {
            name: column(step) if callable(column) else column
            for name, column in chosen.items()
            if step % 100 == 0 or not name.startswith(RARE)
        }
        for step in range(10, n_steps + 1, 10)
    ]
    return History(lines, facts or Facts({"discriminator": 2e-4, "generator": 2e-4}))


def failing(**columns: Column) -> History:
    return history(**{name.replace("/", "__"): column for name, column in SOUND.items()} | columns)


FAILING: dict[str, History] = {
    "divergence": failing(generator__gradient=lambda step: 2.0 if step < 980 else 1e6),
    "discriminator has won": failing(
        discriminator__ordering=lambda step: 0.9 if step < 200 else 1.0,
        made__coverage=0.1,
        made__diversity=0.6,
    ),
    "discriminator has lost": failing(
        discriminator__ordering=0.4, made__coverage=0.1, made__diversity=0.6
    ),
    "vanishing gradients": failing(
        discriminator__ordering=0.99,
        generator__gradient=lambda step: math.exp(-step / 50),
        made__coverage=0.1,
        made__diversity=0.3,
    ),
    "oscillation": failing(
        discriminator__ordering=lambda step: 0.6 + 0.39 * math.sin(step / 60), made__coverage=0.1
    ),
    "mode collapse": failing(
        made__coverage=lambda step: 0.6 if step < 600 else 0.05,
        made__diversity=lambda step: 0.8 if step < 600 else 0.1,
    ),
    "slow collapse": failing(
        discriminator__ordering=1.0,
        made__coverage=lambda step: min(step / 500, 0.98) - max(step - 600, 0) / 1600,
    ),
    "memorisation": failing(
        seen__discriminator__ordering=0.99, held_out__discriminator__ordering=0.6
    ),
    "small generator": replace(
        failing(discriminator__ordering=0.99, made__coverage=0.05, made__diversity=0.6),
        facts=Facts(parameters={"generator": 1000, "discriminator": 1_000_000}),
    ),
    "learning rate too high": replace(
        failing(discriminator__real=lambda step: 500.0 if step == 50 else 0.7),
        facts=Facts({"discriminator": 0.01}, sizes={"discriminator": 0.02}),
    ),
    "posterior collapse": history(
        autoencoder__bits=lambda step: 30.0 if step < 300 else 0.1, autoencoder__active=0.0
    ),
    "posterior collapse of most latents": history(
        autoencoder__bits=3.0, autoencoder__active=lambda step: 0.9 if step < 300 else 0.05
    ),
    "dead codes": history(autoencoder__perplexity=20.0, facts=Facts(codes=512)),
}


@pytest.mark.parametrize("kind", FAILING)
def test_a_failing_game_gets_its_diagnosis(kind: str) -> None:
    found = {diagnosis.kind: diagnosis for diagnosis in diagnose(FAILING[kind])}
    named = kind.partition(" of ")[0]
    assert named in found
    diagnosis = found[named]
    assert 0 < diagnosis.since <= FAILING[kind].step
    assert re.search(r"\d", diagnosis.words), "no number in it"
    assert diagnosis.advice
    assert Diagnosis.from_json(json.loads(json.dumps(diagnosis.to_json()))) == diagnosis


@pytest.mark.parametrize(
    ("kind", "step"), [("posterior collapse", 300), ("discriminator has won", 200)]
)
def test_it_says_since_when(kind: str, step: int) -> None:
    (diagnosis,) = (one for one in diagnose(FAILING[kind]) if one.kind == kind)
    assert step <= diagnosis.since <= step + 100
    earlier = replace(diagnosis, since=17)
    (again,) = (one for one in diagnose(FAILING[kind], [earlier]) if one.kind == kind)
    assert again.since == 17


@pytest.mark.parametrize(
    ("ordering", "end"),
    [(1.0, 0.85), (0.97, 0.7), (0.85, 0.5)],
    ids=["little lost", "it is fooled at times", "it is fooled often"],
)
def test_a_fall_from_the_best_is_no_collapse_by_itself(ordering: float, end: float) -> None:
    falling = failing(
        discriminator__ordering=ordering, made__coverage=lambda step: 0.98 if step < 600 else end
    )
    assert diagnose(falling) == []


@pytest.mark.parametrize("best", [0.4, 0.7, 0.98])
def test_a_slow_collapse_is_said_of_the_fall_alone_and_at_the_second_look(best: float) -> None:
    """The same whatever the best was, and not before it has lasted."""
    for n_steps, told in ((800, []), (900, ["slow collapse"]), (1000, ["slow collapse"])):
        columns = {name.replace("/", "__"): column for name, column in SOUND.items()}
        columns |= {
            "discriminator__ordering": 1.0,
            "made__coverage": lambda step: best if step < 800 else best - 0.2,
        }
        found = diagnose(history(n_steps, **columns))
        assert [diagnosis.kind for diagnosis in found] == told
        assert all(diagnosis.since == 800 and diagnosis.grave for diagnosis in found)


def test_recovery_from_a_slow_collapse_goes_back_to_weights_from_before_it() -> None:
    engine, recovery = game()
    for step in (600, 700, 800):
        play(engine, 1)
        recovery.obey(recovery.decide([], keep=True)[1], step, "")
    (diagnosis,) = diagnose(
        failing(discriminator__ordering=1.0, made__coverage=lambda step: 0.9 if step < 900 else 0.6)
    )
    for model in (engine.model, engine.ema_model):
        model.hyperparameters["r1"] = 0.0
    _, order = recovery.decide([diagnosis], keep=False)
    intervention = recovery.obey(order, 1000, diagnosis.kind)
    assert intervention is not None
    assert (intervention.what, intervention.after, intervention.to_step) == ("r1", 1.0, 800)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    winning=st.floats(0.65, 0.93),
    noise=st.floats(0, 0.06),
    n_steps=st.integers(1, 300),
)
def test_a_sound_game_gets_no_diagnosis(
    seed: int, winning: float, noise: float, n_steps: int
) -> None:
    """Whatever its scale, with the noise of batches, at any age."""
    chance = random.Random(seed)
    scale = 10 ** chance.uniform(-3, 3)
    well = {
        "discriminator/ordering": lambda step: min(winning + chance.gauss(0, noise), 1.0),
        "generator/gradient": lambda step: scale * math.exp(chance.gauss(0, 0.7)),
        "discriminator/gradient": lambda step: scale * math.exp(chance.gauss(0, 0.7)),
        "seen/discriminator/ordering": lambda step: winning + chance.gauss(0, 0.03),
        "held_out/discriminator/ordering": lambda step: winning - 0.05 + chance.gauss(0, 0.03),
        "made/coverage": lambda step: min(step / 1000, 0.7) + chance.uniform(0, 0.1),
        "autoencoder/bits": 7.0,
    }
    names = {name.replace("/", "__"): column for name, column in (SOUND | well).items()}
    facts = Facts(
        {"generator": 2e-4},
        sizes={"generator": 0.02},
        parameters={"generator": 10, "discriminator": 10},
        codes=512,
    )
    assert diagnose(history(10 * n_steps, facts, **names)) == []


@given(st.sets(st.sampled_from(sorted(SOUND))))
@settings(max_examples=30, deadline=None)
def test_what_is_not_logged_is_not_judged(lacking: set[str]) -> None:
    left = {
        name.replace("/", "__"): column for name, column in SOUND.items() if name not in lacking
    }
    assert diagnose(history(**left)) == []
    assert diagnose(History([])) == []


def test_every_diagnosis_cites_its_paper() -> None:
    docs = [" ".join((inspect.getdoc(look) or "").split()) for look in DIAGNOSES]
    assert all(re.search(r"\(.*(19|20)\d\d", doc) for doc in docs)


def test_of_a_long_log_only_what_matters_is_kept() -> None:
    long = failing().lines * 10
    kept = recent_lines(long)
    assert kept[-200:] == long[-200:]
    assert [line for line in kept if "made/coverage" in line] == [
        line for line in long if "made/coverage" in line
    ]
    assert len(kept) < len(long)


def test_a_curve_is_smoothed_and_followed_back() -> None:
    curve = Curve(tuple(range(10, 210, 10)), tuple(float(i) for i in range(20)))
    assert curve.smooth().last == sum(range(10, 20)) / 10
    assert curve.since(lambda value: value >= 5) == 60
    assert curve.since(lambda value: value < 19) is None
    assert curve.lasting_since(lambda value: value >= 5, 140) == 60
    assert curve.lasting_since(lambda value: value >= 5, 150) is None


@pytest.mark.parametrize("name", [name for name in MODELS if "image" in spaces_of(name)])
def test_no_model_takes_reckless_steps_by_itself(name: str) -> None:
    engine = Engine(build(name, SPACES["image"]))
    steps = Recovery(engine, lambda: engine.model).facts(4).relative_steps
    assert set(steps) == set(engine.model.players)
    assert max(steps.values()) < RECKLESS


def test_remedies_stay_within_bounds() -> None:
    r1 = Remedy("r1", 10, 1, 100)
    assert [r1.apply(value) for value in (0, 0.05, 1, 10, 100)] == [1, 1, 10, 100, 100]


def test_real_examples_cover_themselves_and_one_example_does_not() -> None:
    x = examples(VECTOR, 300)
    diversity = Diversity(InMemory(x[:256]), lambda x: x)
    itself, alike = diversity.of(x[:256]), diversity.of(x[:1].repeat(256, 1))
    assert itself == pytest.approx({"made/coverage": 1.0, "made/diversity": 1.0})
    assert alike["made/coverage"] < 0.1
    assert alike["made/diversity"] < 1e-3


def named(x: torch.Tensor, model: torch.nn.Module, y: torch.Tensor | None = None) -> list[str]:
    return [
        diagnosis.kind for diagnosis in check_data(InMemory(x, y), lambda x: x.flatten(1), model)
    ]


def test_data_is_looked_at_before_anything_learns() -> None:
    gan, x = GAN(VECTOR, latent=8, width=8), examples(VECTOR, 1200)
    assert named(x, gan) == []
    assert named(x[:1].repeat(1200, 1), gan) == ["constant data"]
    assert "duplicates" in named(x[:60].repeat(20, 1), gan)
    assert named(x[:100], gan) == ["too few data"]
    assert named(x[:100], VAE(VECTOR, latent=8, width=8)) == []
    assert named(x, GAN(VECTOR, latent=1, width=8)) == ["narrow latent"]
    x[7] = torch.nan
    with pytest.raises(InputError, match="7 holds values that are no numbers"):
        named(x, gan)


def test_labels_that_go_with_nothing_are_noticed() -> None:
    x, y = examples(VECTOR, 1200), torch.arange(1200).unsqueeze(1) % 3
    cgan = CGAN(VECTOR, LABELS, latent=8, width=8)
    assert named(x, cgan, y) == ["labels that go with nothing"]
    assert named(x + y, cgan, y) == []


@pytest.mark.parametrize("d", [1, 2, 4])
def test_the_dimension_is_that_of_what_examples_lie_on(d: int) -> None:
    random = torch.Generator().manual_seed(0)
    x = torch.rand(1000, d, generator=random) @ torch.randn(d, 20, generator=random)
    assert dimension(x) == pytest.approx(d, rel=0.2)


def test_active_latents_are_those_that_move() -> None:
    torch.manual_seed(0)
    model, x = VAE(VECTOR, latent=4, width=8), examples(VECTOR)
    (turn,) = model.turns(ganvas.core.Batch(x))
    assert (
        turn.notes["active"] == (model.posterior(x)[0].var(0, correction=0) > 0.01).float().mean()
    )
    model.hyperparameters["beta"] = 0.0
    (turn,) = model.turns(ganvas.core.Batch(x))
    assert turn.loss["kl"] == 0


SMALL = {
    "steps": 150,
    "batch": 16,
    "latent": 4,
    "width": 16,
    "depth": 1,
    "quiet": True,
    "precision": "float32",
}
ABSURD = {"discriminator": 3e3, "generator": 3e3}


def trained(source: Path, out: Path, **more: object) -> ganvas.Trained:
    return ganvas.train("gan", source, out=out, **{**SMALL, "lr": ABSURD, **more})


@pytest.fixture(scope="module")
def recovered(images: Path, tmp_path_factory: pytest.TempPathFactory) -> ganvas.Trained:
    return trained(images, tmp_path_factory.mktemp("runs") / "recovered")


def test_absurd_learning_rates_are_lowered(recovered: ganvas.Trained) -> None:
    interventions = recovered.run.interventions
    assert 1 <= len(interventions) <= TRIES
    for intervention in interventions:
        assert intervention.what == "lr"
        assert intervention.after == pytest.approx(0.1 * intervention.before)
    assert recovered.run.state["lr"]["generator"] == interventions[-1].after
    assert "too few data" in [diagnosis.kind for diagnosis in recovered.diagnoses]
    assert all(value.isfinite().all() for value in recovered.model.state_dict().values())


def test_what_was_done_is_in_the_report_and_in_words(
    recovered: ganvas.Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (recovered.run.path / "report.html").read_text()
    assert "<h2>Diagnosis</h2>" in page
    assert "recovery in step" in page
    assert cli.run(["show", str(recovered.run.path)]) == 0
    said = capsys.readouterr().out
    assert "diagnosis: too few data" in said
    assert f"recovery: {recovered.run.interventions[0]}" in said.replace("\n", " ")


@pytest.mark.parametrize("cut", [30, 140])
def test_a_run_that_recovered_goes_on_exactly(
    cut: int,
    recovered: ganvas.Trained,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(
            Run, "log", lambda run, line, log=Run.log: log(run, line) or 1 / (line["step"] != cut)
        )
        with pytest.raises(ZeroDivisionError):
            trained(images, tmp_path / "run", save_every=0.05)
    again = trained(images, tmp_path / "run", save_every=0.05)
    assert same(recovered.run.path, again.run.path)
    assert again.run.interventions == recovered.run.interventions
    assert again.diagnoses == recovered.diagnoses


def test_without_recovery_nothing_is_changed(images: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lower --lr") as error:
        ganvas.train(
            "ae",
            images,
            out=tmp_path / "run",
            steps=50,
            batch=8,
            latent=2,
            width=8,
            quiet=True,
            precision="float32",
            lr={"autoencoder": 1e30},
            recover=False,
        )
    assert "nothing helped" not in str(error.value)


def test_what_cannot_recover_ends_with_a_diagnosis(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "train",
        "ae",
        str(images),
        "--out",
        str(tmp_path / "run"),
        "--steps",
        "80",
        "--batch",
        "8",
    ]
    small = ["--latent", "2", "--width", "8", "--precision", "float32"]
    assert cli.run([*command, *small, "--lr", "autoencoder=1e30"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("Done: step") == TRIES
    assert re.search(r"became (nan|inf) in step \d+.*nothing helped.*lower --lr, or --clip 1", said)
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) > TRIES


def game() -> tuple[Engine, Recovery]:
    torch.manual_seed(0)
    engine = Engine(GAN(IMAGE, latent=4, width=8, depth=1), ema=0.9)
    torch.manual_seed(0)
    return engine, Recovery(engine, lambda: GAN(IMAGE, latent=4, width=8, depth=1))


def play(engine: Engine, n_steps: int) -> None:
    batch = ganvas.core.Batch(examples(IMAGE))
    list(zip(range(n_steps), engine.steps(iter([batch] * n_steps)), strict=False))


def test_it_goes_back_to_weights_from_before_the_diagnosis() -> None:
    engine, recovery = game()
    kept = {}
    for step in (100, 200, 300):
        play(engine, 2)
        kept[step] = {k: v.clone() for k, v in engine.ema_model.state_dict().items()}
        recovery.obey(recovery.decide([], keep=True)[1], step, "")
    assert sorted(recovery.recovery_points) == [200, 300]
    rate = engine.lr["generator"]
    grave = Diagnosis(
        "fever", 310, "38", "rest", True, (Remedy("r9", 2), Remedy("lr.generator", 0.5))
    )
    diagnosis, order = recovery.decide([grave], keep=True)
    assert diagnosis == grave
    assert recovery.obey(order, 400, "fever") == Intervention(
        400, "fever", "lr.generator", rate, rate / 2, 200
    )
    for model in (engine.model, engine.ema_model):
        assert all(torch.equal(v, kept[200][k]) for k, v in model.state_dict().items())
    assert not engine.state()
    assert engine.lr["discriminator"] == rate
    assert list(recovery.recovery_points) == [200]


def test_of_an_early_diagnosis_it_begins_again_and_gives_up_in_the_end() -> None:
    engine, recovery = game()
    first = {k: v.clone() for k, v in engine.model.state_dict().items()}
    torch.manual_seed(0)
    recovery.first = lambda: engine.ema_model.__class__(IMAGE, latent=4, width=8, depth=1)
    play(engine, 3)
    grave = Diagnosis("fever", 2, "38", "rest", True, (Remedy("lr", 0.5),) * 9)
    _, order = recovery.decide([grave], keep=False)
    torch.manual_seed(0)
    assert recovery.obey(order, 3, "fever")
    floats = {k: v for k, v in first.items() if v.is_floating_point()}
    assert all(torch.equal(engine.model.state_dict()[k], v) for k, v in floats.items())
    for _ in range(TRIES - 1):
        assert recovery.obey(recovery.decide([grave], keep=False)[1], 9, "fever")
    assert recovery.decide([grave], keep=False)[0] is None


def test_hyperparameters_are_changed_in_both_models_and_taken_up_again() -> None:
    engine, recovery = game()
    for model in (engine.model, engine.ema_model):
        model.hyperparameters["r1"] = 0.0
    grave = Diagnosis("fever", 2, "38", "rest", True, (Remedy("r1", 10, 1, 100),))
    recovery.obey(recovery.decide([grave], keep=False)[1], 9, "fever")
    state = json.loads(json.dumps(recovery.state()))
    other, restored = game()
    restored.restore(state, {})
    assert other.model.hyperparameters["r1"] == other.ema_model.hyperparameters["r1"] == 1
    assert restored.interventions == recovery.interventions
    assert other.lr == engine.lr


def test_numbers_that_are_none_are_refused_with_their_place(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((40, 16, 16), dtype=np.float32)
    x[3, 2, 1] = np.nan
    with pytest.raises(InputError, match="image 3"):
        ganvas.train("gan", x, out=tmp_path / "run", steps=4, quiet=True)


def test_a_detector_that_recovered_still_knows_what_is_normal(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(300, 4)).astype("float32")
    frame = pd.DataFrame(x, columns=list("abcd"))
    run = ganvas.train(
        "detector", frame, out=tmp_path / "run", steps=120, lr={"predictor": 30.0}, quiet=True
    )
    assert run.run.interventions
    assert (run.model.deviation - 1).abs().max() > 1e-3
    assert run.model.memory[: int(run.model.remembered)].abs().sum() > 0


def test_a_remedy_never_pulls_the_other_way() -> None:
    assert Remedy("augmentation", 2, 0.2, 0.8).apply(1.0) == 1.0
    assert Remedy("r1", 10, 1, 100).apply(200.0) == 200.0
    assert Remedy("r1", 10, 1, 100).apply(0.0) == 1.0


def test_diagnoses_are_plain_json() -> None:
    told = [one.to_json() for name in FAILING for one in diagnose(FAILING[name])]
    assert told
    json.dumps(told, allow_nan=False)


def test_the_line_shows_every_term_of_a_loss_and_no_note() -> None:
    model = VAE(VECTOR, latent=2, width=8)
    (log,) = Engine(model).steps([Batch(examples(VECTOR))])
    shown = _losses(log)
    assert re.findall(r"(reconstruction|kl|bits|active|gradient)", shown) == [
        "reconstruction",
        "kl",
    ]


def test_a_small_batch_is_not_taken_for_dead_codes() -> None:
    engine = Engine(
        registry.load("models", "vqvae")(Continuous((1, 16, 16)), codes=4096, channels=2)
    )
    facts = Recovery(engine, lambda: engine.model).facts(2)
    assert facts.codes == 2 * 16
    assert not diagnose(history(autoencoder__perplexity=20.0, facts=facts))
    assert diagnose(history(autoencoder__perplexity=2.0, facts=facts))[0].kind == "dead codes"
