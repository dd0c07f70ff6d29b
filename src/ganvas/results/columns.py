"""Columns of data frames: as numbers where they are that, and their values in words."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd


def number_columns(values: pd.Series) -> pd.Series | None:
    """A column as finite numbers, days and times too, float64 with nan where there is none; None
    for categories."""
    if pd.api.types.is_bool_dtype(values) or isinstance(values.dtype, pd.CategoricalDtype):
        return None
    if (
        values.dtype == object
        and len(there := values.dropna())
        and all(isinstance(v, date) for v in there)
    ):
        values = pd.to_datetime(values)
    if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
        return values.astype("int64").where(values.notna()).astype(float)
    if not pd.api.types.is_numeric_dtype(values):
        return None
    found = values.astype("Float64").astype(float)
    return found.where(found.abs() < float("inf"))


def format_value(value: Any) -> str:
    """A value in words; what is missing has none."""
    if pd.isna(value):
        return ""
    return f"{value:.8g}" if isinstance(value, float) else str(value)
