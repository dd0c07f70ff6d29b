"""What samples of rows reveal of those learned from: duplicates, and who was among them (van
Breugel et al., 2023)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...abilities import Samples
from ...core import Evidence, Measured, evenly_spaced
from ...core.statistics import auc_interval, bootstrap_mean, nearest_distance


def privacy(model: Samples, evidence: Evidence) -> Measured:
    """Zero and one half are ideal; training rows themselves show what the worst would be.

    exact duplicates beyond chance: share of samples that equal a training row, less the share of
    unseen rows that do; where a model reads numbers as bins, rows are equal whose numbers share
    their bins. membership inference (AUC): how well an attacker who has the samples tells rows that
    were learned from from rows that were not, by how dense samples are around a row, against how
    dense other real rows are (DOMIAS; densities by the distance of the nearest neighbour). Half of
    the held-out rows are the attacker's reference, the other half are those that were not learned
    from.
    """
    made = model.sample(len(evidence.held_out), evidence.asked)
    if evidence.frame(made[:1]) is None:
        return Measured({}, {})
    copied, alike = (_among(x, evidence.train.x) for x in (made, evidence.held_out.x))
    chance = alike.float().mean().item()
    duplicates = bootstrap_mean(copied, lambda share: share - chance)
    numbers = {"exact duplicates beyond chance": duplicates}
    features = evidence.features(evidence.held_out.x)
    reference, outsiders = features[::2], features[1::2]
    members = evidence.features(evidence.train.x)
    members = members[evenly_spaced(len(members), len(outsiders))]
    rows = torch.cat([members, outsiders])
    scores = (nearest_distance(rows, reference) + 1e-6).log() - (
        nearest_distance(rows, evidence.features(made)) + 1e-6
    ).log()
    is_member = np.repeat([1, 0], [len(members), len(outsiders)])
    numbers["membership inference (AUC)"] = auc_interval(is_member, scores.cpu().numpy())
    return Measured(numbers, dict.fromkeys(numbers, False))


def _among(x: Tensor, known: Tensor) -> Tensor:
    """Which rows of x (N, D) are among those known, boolean (N,)."""
    seen = {row.tobytes() for row in known.cpu().numpy()}
    return torch.tensor([row.tobytes() in seen for row in x.to(known.dtype).cpu().numpy()])
