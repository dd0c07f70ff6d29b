"""Detections as a table: one row an example; and where examples come from."""

from __future__ import annotations

import pyarrow as pa
import torch

from .core import Detections, Modality, Named

REASONS = 3  # that are named in words


def findings(answer: Detections, modality: Modality) -> pa.Table:
    """name, score, p and found of every example; nearest, the name of the normal example that is nearest to a finding;
    and where examples have named parts, why in words, and what each part adds to the score beyond what is normal."""
    found = answer.found.nonzero().flatten().tolist()
    nearest = dict(zip(found, answer.nearest.tolist(), strict=False))
    columns: dict[str, pa.Array] = {
        "name": pa.array(answer.given.names),
        "score": pa.array(answer.scores.numpy()),
        "p": pa.array(answer.p.numpy()),
        "found": pa.array(answer.found.numpy()),
        "nearest": pa.array([answer.normal.names[nearest[i]] if i in nearest else None
                             for i in range(len(answer.scores))], pa.string()),
    }  # fmt: skip
    if reasons := modality.reasons(answer.blame):
        names, most = list(reasons), min(REASONS, len(reasons))
        top = torch.stack(list(reasons.values()), 1).topk(most, 1).indices.tolist()
        columns["why"] = pa.array([", ".join(names[i] for i in row) for row in top])
        columns |= {f"why: {name}": pa.array(values.numpy()) for name, values in reasons.items()}
    return pa.table(columns)


def origin(given: Named, modality: Modality) -> dict[str, pa.Array]:
    """name of every example, and its label where it has one."""
    columns = {"name": pa.array(given.names, pa.string())}
    if given.y is not None:
        columns["label"] = pa.array([modality.classes[i] for i in given.y.flatten().tolist()], pa.string())
    return columns
