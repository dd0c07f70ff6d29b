"""Detection takes hardly more memory for a table ten times as long.

Writes two tables, trains MADE on rows like theirs, and runs `ganvas detect` on both, by --alpha and
by --fdr. Reported is the peak of each process's own memory (VmHWM: a child's ru_maxrss begins with
what its parent had taken).

python benchmarks/detecting_streams.py --rows 2000000
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from _common import PEAK, child, report

CHILD = (
    PEAK
    + """
from ganvas.apps import cli
start = time.perf_counter()
assert cli.run(sys.argv[1:]) == 0
print(json.dumps({"peak_mib": peak(), "seconds": time.perf_counter() - start}))
"""
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--steps", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tables = {
            rows: write(folder / f"{rows}.csv", rows) for rows in (given.rows // 10, given.rows)
        }
        write(folder / "normal.csv", 20_000)
        run, steps = folder / "run", given.steps
        child(
            CHILD,
            "train",
            "made",
            folder / "normal.csv",
            "--out",
            run,
            "--steps",
            steps,
            "--width",
            64,
        )
        runs = {
            f"{rows:,} rows, --{rule[0]} {rule[1]}": child(
                CHILD, "detect", run, table, f"--{rule[0]}", rule[1], "--out", folder / "scores.csv"
            )
            for rule in (("alpha", 0.01), ("fdr", 0.1))
            for rows, table in tables.items()
        }
        sizes = {f"{rows:,} rows": table.stat().st_size / 2**20 for rows, table in tables.items()}
    peaks = [run["peak_mib"] for run in runs.values()]
    more = {"alpha": peaks[1] - peaks[0], "fdr": peaks[3] - peaks[2]}
    report(
        "detecting_streams",
        {"file_mib": sizes, "runs": runs, "more_memory_for_ten_times_the_rows_mib": more},
    )


def write(file: Path, rows: int) -> Path:
    """Payments: the amount goes with the kind, and with the hour."""
    random = np.random.default_rng(rows)
    for start in range(0, rows, 100_000):
        n = min(100_000, rows - start)
        kind, hour = random.integers(0, 8, n), random.integers(0, 24, n)
        part = pd.DataFrame(
            {
                "kind": np.array(list("abcdefgh"))[kind],
                "hour": hour,
                "shop": random.integers(0, 50, n),
                "amount": np.round(random.normal(20 + 30 * kind + hour, 3 + kind), 2),
                "items": random.poisson(3, n),
            }
        )
        part.to_csv(file, mode="a", header=not start, index=False)
    return file


if __name__ == "__main__":
    main()
