"""Rows in few bits: `ganvas compress` with MADE, beside zstd -19 and xz -9 on the same rows as CSV,
and Parquet.

The model learns 80 % of the rows (pandas sample(frac=0.8, random_state=1)) and packs the others,
which come back equal. The model itself, which both sides need, is counted apart.

python benchmarks/compression.py --data adult.parquet
"""

from __future__ import annotations

import argparse
import io
import lzma
import tempfile
from pathlib import Path
from time import perf_counter

import pandas as pd
import pyarrow as pa
from _common import report

import ganvas


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a Parquet file")
    given = parser.parse_args()
    frame = pd.read_parquet(given.data)
    train = frame.sample(frac=0.8, random_state=1)
    rows = frame.drop(train.index).reset_index(drop=True)
    csv, parquet = rows.to_csv(index=False).encode(), io.BytesIO()
    rows.to_parquet(parquet, compression="zstd", compression_level=19)
    sizes = {
        "CSV": len(csv),
        "zstd -19 of CSV": len(pa.Codec("zstd", 19).compress(csv)),
        "xz -9e of CSV": len(lzma.compress(csv, preset=9 | lzma.PRESET_EXTREME)),
        "Parquet, zstd -19": len(parquet.getvalue()),
    }
    with tempfile.TemporaryDirectory() as folder:
        run = ganvas.train(
            "made", train.reset_index(drop=True), out=Path(folder) / "run", quiet=True
        )
        start = perf_counter()
        packed = run.compress(rows)
        middle = perf_counter()
        back = run.decompress(packed)
        end = perf_counter()
        weights = (Path(folder) / "run" / "best.safetensors").stat().st_size
    pd.testing.assert_frame_equal(back, rows)
    sizes["ganvas compress, MADE"] = len(packed)
    report(
        "compression",
        {
            "rows": len(rows),
            "bits_per_row": {name: 8 * size / len(rows) for name, size in sizes.items()},
            "rows_per_second": {
                "compress": len(rows) / (middle - start),
                "decompress": len(rows) / (end - middle),
            },
            "weights_bytes": weights,
        },
    )


if __name__ == "__main__":
    main()
