"""Rows judged: real rows pass, independent columns do not, and who copies is found out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganvas.abilities.sampling import HeldSamples
from ganvas.core import Batch, Evidence, InputError, Measured, seeded_rng
from ganvas.evaluation.associations import associations, draw_associations
from ganvas.evaluation.figures import Evaluation, Figure
from ganvas.evaluation.metrics.c2st import c2st
from ganvas.evaluation.metrics.columns import columns
from ganvas.evaluation.metrics.privacy import privacy
from ganvas.evaluation.metrics.tstr import tstr
from ganvas.evaluation.verdict import verdict

N = 300


def rows(seed: int, n: int = N) -> Tensor:
    """Two numbers that go together and a class that follows from them."""
    random = torch.Generator().manual_seed(seed)
    a = torch.randn(n, generator=random)
    b = a + 0.3 * torch.randn(n, generator=random)
    return torch.stack([a, b, (a + b > 0.7).float()], 1)


def alone(x: Tensor) -> Tensor:
    """The same columns, each shuffled by itself."""
    return torch.stack(
        [
            c[torch.randperm(len(c), generator=torch.Generator().manual_seed(i))]
            for i, c in enumerate(x.T)
        ],
        1,
    )


def frame(x: Tensor) -> pd.DataFrame:
    table = pd.DataFrame(x.double().numpy(), columns=["a", "b", "rich"])
    return table.assign(rich=np.where(table["rich"] > 0, "yes", "no"))


def evidence(target: str | None = None, train: Tensor | None = None) -> Evidence:
    train = rows(1, 3 * N) if train is None else train
    return Evidence(Batch(train), Batch(rows(2)), None, lambda x: x, None, frame, target)


def judged(x: Tensor) -> list[Figure]:
    """Figures of these rows beside real data and independent columns."""
    at_hand = evidence()
    real = at_hand.train.x[:N]
    figures = []
    for metric in (columns, c2st, tstr, privacy):
        own, floor, naive = (
            metric(HeldSamples(part, None), at_hand) for part in (x, real, alone(real))
        )
        for name, value in own.numbers.items():
            beside = {"real data": floor.numbers[name], "independent columns": naive.numbers[name]}
            figures.append(Figure(name, value, own.larger_is_better[name], beside))
    return figures


def test_real_rows_pass() -> None:
    good, *rest = verdict(judged(rows(3)))
    assert good.startswith("Close to real data: ")
    assert all(name in good for name in ("pair trends", "C2ST AUC", "TSTR AUC of rich"))
    assert rest == [
        "Privacy: no sign of memorisation; that is no proof that no training example could be"
        " inferred."
    ]


def test_independent_columns_are_distrusted() -> None:
    sentences = " ".join(verdict(judged(alone(rows(3)))))
    distrusted = sentences.partition("Distrust what depends on: ")[2]
    for name in ("pair trends", "C2ST AUC", "TSTR AUC of rich"):
        assert name in distrusted


def test_columns_of_the_wrong_shape_are_distrusted() -> None:
    """Though independent columns have the right ones."""
    assert "column shapes" in " ".join(verdict(judged(rows(3) + 1))).partition("Distrust")[2]


def test_copies_are_found_out() -> None:
    sentences = " ".join(verdict(judged(rows(1, 3 * N)[:N])))
    assert "do not share them" in sentences
    assert "exact duplicates beyond chance 1.00" in sentences
    assert "membership inference" in sentences


def test_verdict_is_kept_with_the_figures() -> None:
    evaluation = Evaluation(tuple(judged(rows(3))), ())
    assert Evaluation.from_json(evaluation.to_json()).verdict == tuple(
        evaluation.to_json()["verdict"]
    )


def useful(x: Tensor, target: str | None = None) -> Measured:
    return tstr(HeldSamples(x, None), evidence(target))


def test_what_real_rows_teach_holds_for_others_and_what_noise_teaches_does_not() -> None:
    taught, misled = useful(rows(3)).numbers, useful(alone(rows(3))).numbers
    assert taught["TSTR AUC of rich"].value > 0.97
    assert misled["TSTR AUC of rich"].low < 0.6
    assert taught["TSTR F1 of rich"].value > misled["TSTR F1 of rich"].value + 0.2
    number = useful(rows(3), "b").numbers["TSTR R² of b"]
    assert number.low < number.value < number.high
    assert number.value > 0.7


def test_a_class_that_was_never_made_is_a_guess() -> None:
    poor = rows(3)
    poor[:, 2] = 0
    assert useful(poor).numbers["TSTR AUC of rich"].value == 0.5


def test_an_unknown_target_is_named() -> None:
    with pytest.raises(InputError, match="called 'wealth'; there are a, b, rich"):
        useful(rows(3), "wealth")


def test_associations_know_what_depends_on_what(tmp_path: Path) -> None:
    with seeded_rng(0):
        x = torch.randint(4, (4000,))
        table = pd.DataFrame(
            {
                "x": x.numpy().astype(str),
                "same": (3 - x).numpy().astype(str),
                "y": torch.randn(4000),
            }
        )
    found = associations(table)
    assert found[0, 1] == pytest.approx(1)
    assert found[0, 2] < 0.1
    assert np.array_equal(found, found.T)
    drawn = draw_associations(table, table.assign(same="0"), tmp_path / "associations.png")
    assert Image.open(drawn).size[0] > 300
