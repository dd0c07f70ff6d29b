"""Groups of examples as tables: who is in which, and what tells them apart."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import torch

from ..core import Clustered, Modality
from .columns import format_value, number_columns
from .detection_table import source_columns

TYPICAL = 10  # examples of a group that are shown
TOLD = 3  # columns that tell a group apart


def cluster_members(answer: Clustered, modality: Modality) -> pa.Table:
    """name, label where there is one, cluster, probability and distance of every example."""
    found = {
        "cluster": answer.cluster,
        "probability": answer.probability,
        "distance": answer.distance,
    }
    return pa.table(
        source_columns(answer.given, modality)
        | {name: pa.array(x.numpy()) for name, x in found.items()}
    )


def typical_examples(answer: Clustered) -> list[torch.Tensor]:
    """Of each group that has any, the numbers of the members nearest to its middle."""
    groups = ((answer.cluster == group).nonzero().flatten() for group in answer.cluster.unique())
    return [own[answer.distance[own].argsort(stable=True)[:TYPICAL]] for own in groups]


def describe_clusters(answer: Clustered, modality: Modality) -> pa.Table:
    """Of each group its size, its most typical member and, where examples are rows, what tells it
    apart."""
    frame = modality.frame(answer.given.x.cpu())
    cluster = pd.Series(answer.cluster.numpy())
    found = {
        "cluster": sorted(cluster.unique()),
        "size": [int((cluster == group).sum()) for group in sorted(cluster.unique())],
        "typical": [answer.given.names[int(own[0])] for own in typical_examples(answer)],
    }
    if frame is not None:
        found["what tells it apart"] = [
            _apart(frame, cluster == group) for group in found["cluster"]
        ]
    return pa.table(found)


def _apart(frame: pd.DataFrame, inside: pd.Series) -> str:
    """The columns in which a group differs most from all rows, in words."""
    told = [
        _number(frame[c], values, inside)
        if (values := number_columns(frame[c])) is not None
        else _category(frame[c], inside)
        for c in frame
    ]
    return "; ".join(words for far, words in sorted(told, reverse=True)[:TOLD] if far > 0)


def _number(column: pd.Series, values: pd.Series, inside: pd.Series) -> tuple[float, str]:
    """How far a group's mean is from that of all, in standard deviations of all; and both
    medians."""
    spread = values.std()
    if not spread > 0 or values[inside].isna().all():
        return 0.0, ""
    own, of_all = (format_value(column[_middle(part)]) for part in (values[inside], values))
    return abs(
        values[inside].mean() - values.mean()
    ) / spread, f"{column.name} {own} (all: {of_all})"


def _middle(values: pd.Series) -> int:
    """Where the median is."""
    ranked = values.dropna().sort_values()
    return ranked.index[len(ranked) // 2]


def _category(column: pd.Series, inside: pd.Series) -> tuple[float, str]:
    """The value whose share differs most, in standard deviations of being it or not; and both
    shares."""
    texts = column.map(lambda value: format_value(value) or "missing").astype(str)
    of_all, own = texts.value_counts(normalize=True), texts[inside].value_counts(normalize=True)
    rise = (own.reindex(of_all.index, fill_value=0) - of_all) / (of_all * (1 - of_all)).clip(
        lower=1e-12
    ) ** 0.5
    level = str(rise.abs().idxmax())
    return float(
        abs(rise[level])
    ), f"{column.name} = {level} {own.get(level, 0):.0%} (all: {of_all[level]:.0%})"
