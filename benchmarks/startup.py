"""How long a person waits for `import ganvas` and for `ganvas --help`: seconds of whole processes,
medians.

python benchmarks/startup.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from time import perf_counter

from _common import report, spread

COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "import_ganvas": [sys.executable, "-c", "import ganvas"],
    "ganvas_help": [sys.executable, "-m", "ganvas", "--help"],
    "train_help": [sys.executable, "-m", "ganvas", "train", "dcgan", "--help"],
}


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(15):
        for name, command in COMMANDS.items():
            start = perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(perf_counter() - start)
    report("startup", {"seconds": {name: spread(values) for name, values in seconds.items()}})


if __name__ == "__main__":
    main()
