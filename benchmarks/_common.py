"""What every benchmark needs: the machine in words, results as JSON, data, an environment for a
peer."""

from __future__ import annotations

import gzip
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, stdev
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
PEERS = HERE.parent / ".peers"
FASHION = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
"""All of Fashion-MNIST as IDX files: Debian's package dataset-fashion-mnist, or set
FASHION_MNIST."""


PEAK = """
import json, sys, time
from pathlib import Path
def peak():  # of this program alone: what getrusage says begins with what its parent took
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM")) / 1024
"""
"""How a script that is run by `child` begins."""


def child(script: str, *words: object) -> dict[str, Any]:
    """What a script prints, in a process of its own."""
    command = [sys.executable, "-c", script, *map(str, words)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def fashion(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images of Fashion-MNIST, uint8 (N, 28, 28), and their classes, uint8 (N,); of the part
    train or t10k."""
    x = gzip.decompress((FASHION / f"{part}-images-idx3-ubyte.gz").read_bytes())[16:]
    y = gzip.decompress((FASHION / f"{part}-labels-idx1-ubyte.gz").read_bytes())[8:]
    return np.frombuffer(x, np.uint8).reshape(-1, 28, 28), np.frombuffer(y, np.uint8)


def fashion_run(model: str, runs: Path) -> Any:
    """A run of this model on Fashion-MNIST, kept in a folder of runs: trained first where it is not
    there."""
    import ganvas

    folder = runs / f"{model}-fashion"
    return (
        ganvas.load(folder)
        if (folder / "report.html").exists()
        else ganvas.train(model, FASHION, out=folder)
    )


def machine() -> dict[str, Any]:
    """Processor, cores, threads and versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )
    versions = {package: version(package) for package in ("ganvas", "torch", "numpy")}
    flags = next((line for line in lines if line.startswith("flags")), "")
    return {
        "processor": name,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "amx_bf16": "amx_bf16" in flags,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "python": platform.python_version(),
        "versions": versions,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _given() -> list[str]:
    """The options of the command, but for where its runs were kept; of files elsewhere, their
    names."""
    at = sys.argv.index("--runs") if "--runs" in sys.argv else len(sys.argv)
    return [
        Path(word).name if word.startswith("/") else word
        for word in sys.argv[1:at] + sys.argv[at + 2 :]
    ]


def report(name: str, results: Mapping[str, Any]) -> None:
    """Prints results and writes them, with the machine, to results/NAME.json."""
    whole = {
        "benchmark": name,
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *_given()]),
        "machine": machine(),
        **results,
    }
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / f"{name}.json").write_text(json.dumps(whole, indent=2) + "\n")
    print(json.dumps(results, indent=2))


def named(words: str) -> tuple[str, dict[str, Any]]:
    """A model with its options: "vae:score=regret,width=64,r1=0.1,conditional=false"; a rate is
    every player's."""
    from ganvas.runtime import registry

    model, _, options = words.partition(":")
    chosen = {
        name: _meant(value)
        for name, value in (pair.split("=") for pair in options.split(",") if pair)
    }
    if "lr" in chosen:
        chosen["lr"] = dict.fromkeys(registry.load("models", model).players, chosen["lr"])
    return model, chosen


def place(words: str) -> str:
    """A model's words as part of the name of a folder."""
    return "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in words)


def _meant(word: str) -> Any:
    """A number, true or false where the word is one; else the word."""
    try:
        return json.loads(word)
    except ValueError:
        return word


def spread(values: Sequence[float]) -> dict[str, Any]:
    """A figure over repetitions."""
    return {
        "median": median(values),
        "min": min(values),
        "max": max(values),
        "all": list(values),
        "deviation": stdev(values) if len(values) > 1 else None,
    }


def peer(name: str, *requirements: str, alone: str | None = None) -> Path:
    """A Python with a peer installed in an environment of its own, beside our torch.

    alone: What is installed without all that it requires: of that, what it needs here is named in
        the requirements.
    """
    home = PEERS / name
    python = home / "bin" / "python"
    if not (home / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        constraint = ["--constraint", str(_torch_pin(home))]
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *constraint, *requirements], check=True
        )
        if alone:
            subprocess.run(
                [python, "-m", "pip", "install", "--quiet", "--no-deps", alone], check=True
            )
        (home / ".ready").touch()
    return python


def _torch_pin(home: Path) -> Path:
    file = home / "constraints.txt"
    file.write_text(f"torch=={version('torch').split('+')[0]}\n")
    return file
