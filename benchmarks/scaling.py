"""A table of 30 columns and more and more rows: time to read, to learn from once and to draw as
many, and peak memory.

Numbers that go together, some heavy-tailed, some mostly zero, some missing; categories of 2 to
2,000 levels; dates. Each size in a process of its own; rows are drawn into a Parquet file, part by
part. With --draw, from a model of the Adult rows that ship with the package, so many rows each.

python benchmarks/scaling.py --rows 10000 100000 1000000
python benchmarks/scaling.py --draw 100000 1000000 10000000
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from _common import PEAK, child, report
from pyarrow.parquet import ParquetFile

import ganvas
from ganvas.data.samples import ADULT

CHILD = (
    PEAK
    + """
import ganvas
from ganvas.apps import cli
table, run, out, rows = sys.argv[1:]
start = time.perf_counter()
trained = ganvas.train("made", table, out=run, epochs=1, quiet=True)
fitted = time.perf_counter()
learning = trained.run.state["seconds"]
fit_peak = peak()
assert cli.run(["sample", run, "--n", rows, "--out", out, "--seed", "0"]) == 0
print(json.dumps({"read_s": fitted - start - learning, "one_epoch_s": learning,
                  "sample_s": time.perf_counter() - fitted, "peak_mib_fit": fit_peak, "peak_mib": peak()}))
"""
)


DRAW = (
    PEAK
    + """
from ganvas.apps import cli
run, out, rows = sys.argv[1:]
start = time.perf_counter()
assert cli.run(["sample", run, "--n", rows, "--out", out, "--seed", "0"]) == 0
took, size = time.perf_counter() - start, Path(out).stat().st_size / 2**20
print(json.dumps({"sample_s": took, "peak_mib": peak(), "file_mib": size}))
"""
)


def table(rows: int) -> pd.DataFrame:
    """Thirty columns of all kinds that depend on three hidden numbers."""
    random = np.random.default_rng(rows)
    hidden = random.normal(size=(rows, 3))
    mixed = hidden @ random.normal(size=(3, 30)) + random.normal(size=(rows, 30))
    columns: dict[str, object] = {f"number{i}": mixed[:, i].round(4) for i in range(6)}
    columns |= {f"tail{i}": np.exp(2 * mixed[:, 6 + i]).round(2) for i in range(4)}
    columns |= {f"count{i}": np.maximum(mixed[:, 10 + i] * 20, 0).astype(int) for i in range(6)}
    columns |= {f"spike{i}": np.where(mixed[:, 16 + i] > 2, mixed[:, 16 + i], 0) for i in range(2)}
    columns |= {
        f"gap{i}": np.where(random.random(rows) < 0.1, np.nan, mixed[:, 18 + i]) for i in range(2)
    }
    for i, levels in enumerate((2, 3, 5, 10, 50, 200, 1000, 2000)):
        ranks = (levels * (1 / (1 + np.exp(-mixed[:, 20 + i]))) ** 2).astype(int)
        columns[f"kind{i}"] = np.char.add("level ", ranks.astype(str))
    days = np.datetime64("2020-01-01") + (mixed[:, 28:] * 200).astype("timedelta64[D]")
    return pd.DataFrame(columns).assign(
        begin=days[:, 0].astype("M8[us]"), end=days[:, 1].astype("M8[us]")
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[])
    parser.add_argument("--draw", type=int, nargs="+", default=[])
    given = parser.parse_args()
    measured = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for rows in given.rows:
            table(rows).to_parquet(folder / f"{rows}.parquet")
            files = [
                folder / f"{rows}.parquet",
                folder / f"run{rows}",
                folder / f"new{rows}.parquet",
            ]
            measured[rows] = child(CHILD, *files, rows)
            print(rows, measured[rows], flush=True)
        if given.rows:
            report("scaling", {"columns": 30, "rows": measured})
        drawn = {}
        if given.draw:
            ganvas.train("made", ADULT / "train.csv", out=folder / "run", quiet=True)
        for rows in given.draw:
            drawn[rows] = child(DRAW, folder / "run", folder / "many.parquet", rows)
            assert ParquetFile(folder / "many.parquet").metadata.num_rows == rows
            print(rows, drawn[rows], flush=True)
        if given.draw:
            report("drawing", {"columns": 15, "rows": drawn})


if __name__ == "__main__":
    main()
