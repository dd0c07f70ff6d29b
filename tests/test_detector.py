"""What the detector measures: distances, errors of what it cannot see, and whose they are."""

from __future__ import annotations

import pytest
import torch

from conftest import IMAGE, ROW, SPACES, VECTOR, InMemory, examples
from ganvas.core import Space
from ganvas.models.detector import LOCAL, NEIGHBOURS, Detector
from ganvas.nn.views import view


def knowing(space: Space, n: int = 40) -> Detector:
    """A detector that was not trained, but remembers."""
    torch.manual_seed(0)
    model = Detector(space, width=16, depth=1, memory=100).eval()
    model.remember(examples(space, n))
    return model


@pytest.mark.parametrize("space", [IMAGE, VECTOR, ROW], ids=["image", "vector", "row"])
def test_distances_are_those_of_the_definition(space: Space) -> None:
    model, x = knowing(space), examples(space, 7, seed=1)
    normal, v = model._standardise(examples(space, 40)), model._standardise(x)
    apart = (
        torch.cdist(normal, normal).sort(1).values[:, 1 : NEIGHBOURS + 1].mean(1)
    )  # but for itself
    distance, index = torch.cdist(v, normal).sort(1)
    local = (apart / apart.mean())[index[:, :NEIGHBOURS]].mean(1) ** LOCAL
    expected = (distance[:, :NEIGHBOURS].mean(1) / apart.mean() / local).square()
    torch.testing.assert_close(model._distance(v)[0], expected, rtol=5e-3, atol=0)


@pytest.mark.parametrize("space", [IMAGE, VECTOR, ROW], ids=["image", "vector", "row"])
def test_what_is_hidden_is_not_seen(space: Space) -> None:
    model = knowing(space)
    v = model._standardise(examples(space, 5, seed=1))
    hidden = torch.zeros(5, model.view.n_places, dtype=torch.bool)
    hidden[:, 0] = True
    other = torch.where(hidden[:, model.view.owner], torch.randn_like(v), v)
    seen = ~hidden
    assert torch.equal(model._errors(v, hidden)[:, seen], model._errors(other, hidden)[:, seen])


@pytest.mark.parametrize("space", list(SPACES.values())[:4], ids=list(SPACES)[:4])
def test_blame_adds_up_to_the_score(space: Space) -> None:
    model = knowing(space)
    score, attribution = model.score_with_attribution(examples(space, 6, seed=1))
    assert attribution.shape[1:] == (
        space.shape if len(space.shape) > 1 else (model.view.n_places,)
    )
    torch.testing.assert_close(attribution.flatten(1).sum(1), score, rtol=1e-3, atol=1e-4)


def test_two_categories_are_as_far_apart_as_two_numbers() -> None:
    own = view(ROW)
    v = own(examples(ROW, 4000))
    apart = own.sum_by_place(((v - v.roll(1, 0)) / own.deviation(v)).square())
    differs = own.sum_by_place((v != v.roll(1, 0)).float()).bool()
    number = torch.tensor(ROW.columns) == 1
    assert apart[:, number].mean().item() == pytest.approx(2, abs=0.1)
    assert apart[:, ~number][differs[:, ~number]].unique().tolist() == [2]


def test_it_remembers_what_it_learns_from() -> None:
    model, data = Detector(VECTOR, width=8, memory=10), InMemory(examples(VECTOR, 30))
    next(iter(model.batches(data, 8, seed=0)))
    assert int(model.remembered) == 10
    assert model.memory.mean(0).abs().max() < 1e-5
    near, _ = model._distance(model.memory[:3])
    assert (near < model._distance(model.memory[:3] + 5)[0]).all()
