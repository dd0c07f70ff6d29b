"""Detections as a table: one row an example; and where examples come from."""

from __future__ import annotations

import pyarrow as pa
import torch

from ..core import Detected, Modality, NamedExamples, ReferenceScores

REASONS = 3  # that are named in words


def detection_table(part: Detected, normal: ReferenceScores, modality: Modality) -> pa.Table:
    """name, score, p and found of every example; nearest, the name of the normal example that is
    nearest to a finding; and where examples have named parts, why in words, and what each part adds
    to the score beyond what is normal.

    Of moments there is the time instead of a name, and none is near another.
    """
    columns: dict[str, pa.Array] = {
        "time" if modality.overlapping else "name": pa.array(part.names, pa.string()),
        "score": pa.array(part.scores.numpy()),
        "p": pa.array(part.p.numpy()),
        "found": pa.array(part.found.numpy()),
    }
    if not modality.overlapping:
        columns["nearest"] = pa.array(
            [normal.names[i] if i >= 0 else None for i in part.nearest.tolist()], pa.string()
        )
    if reasons := modality.reasons(part.attribution):
        names, most = list(reasons), min(REASONS, len(reasons))
        top = torch.stack(list(reasons.values()), 1).topk(most, 1).indices.tolist()
        columns["why"] = pa.array([", ".join(names[i] for i in row) for row in top])
        columns |= {f"why: {name}": pa.array(values.numpy()) for name, values in reasons.items()}
    return pa.table(columns)


def source_columns(given: NamedExamples, modality: Modality) -> dict[str, pa.Array]:
    """name of every example, and its label where it has one."""
    columns = {"name": pa.array(given.names, pa.string())}
    if given.y is not None:
        columns["label"] = pa.array(
            [modality.classes[i] for i in given.y.flatten().tolist()], pa.string()
        )
    return columns
