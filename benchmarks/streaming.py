"""A folder of very many small files trains at constant memory when its images may not live in
memory.

Makes a folder of PNG files, trains a small autoencoder on it with `--resident 0`, and reports the
peak memory of the process after reading, and while training; a tenth of the files must take as much
for training as all of them.

python benchmarks/streaming.py --files 200000
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from _common import report
from PIL import Image

CHILD = """
import json, resource, sys, threading, time
from pathlib import Path
import ganvas
def now():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
import torch
start, seen, done = now(), [], threading.Event()
def watch():
    while not done.wait(0.5):
        seen.append(now())
threading.Thread(target=watch, daemon=True).start()
clock = time.perf_counter()
run = ganvas.train("ae", sys.argv[1], out=sys.argv[2], steps=int(sys.argv[3]), batch=128, width=16, latent=8,
                   resident=0.0, quiet=True)
done.set()
state = run.run.state
print(json.dumps({"start_mib": start, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                  "mib_at_half_the_time": seen[len(seen) // 2], "mib_at_the_end": seen[-1],
                  "seconds": time.perf_counter() - clock, "seconds_training": state["seconds"],
                  "images_per_second": 128 * state["step"] / state["seconds"]}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--steps", type=int, default=1500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        random = np.random.default_rng(0)
        for count in (given.files // 10, given.files):
            write(folder / str(count), count, random)
        measured = {
            count: train(folder, count, given.steps) for count in (given.files // 10, given.files)
        }
    small, large = measured[given.files // 10], measured[given.files]
    report(
        "streaming",
        {
            "files": given.files,
            "decoded_mib": given.files * 32 * 32 * 3 / 2**20,
            "few": small,
            "many": large,
            "more_memory_for_ten_times_the_files_mib": large["peak_mib"] - small["peak_mib"],
        },
    )


def write(folder: Path, count: int, random: np.random.Generator) -> None:
    """Different small images, a thousand to a folder."""
    for i in range(count):
        if i % 1000 == 0:
            (folder / f"{i // 1000:04}").mkdir(parents=True)
        stream = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (4, 4, 3), np.uint8)).resize((32, 32)).save(
            stream, "PNG"
        )
        (folder / f"{i // 1000:04}" / f"{i % 1000:03}.png").write_bytes(stream.getvalue())


def train(folder: Path, count: int, steps: int) -> dict[str, float]:
    command = [
        sys.executable,
        "-c",
        CHILD,
        str(folder / str(count)),
        str(folder / f"run-{count}"),
        str(steps),
    ]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
