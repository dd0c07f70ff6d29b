"""Samples a second of an exported file under ONNX Runtime, beside the same model's under PyTorch,
on one thread.

    python benchmarks/onnx_speed.py

DCGAN and VAE as they are by default, on the images that ship with the package; one example at a
time, and 64. What
weights say has no part in it: each is trained for a few steps. The rivals take turns; PyTorch as
`ganvas sample` runs it, and in full float32.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from _common import report, spread

SECONDS = 0.5  # of each measurement


def rate(draw: Callable[[], object], examples: int) -> float:
    """Examples a second."""
    draw()
    begin, done = perf_counter(), 0
    while perf_counter() - begin < SECONDS:
        draw()
        done += examples
    return done / (perf_counter() - begin)


def rivals(run: Any, file: Path, batch: int) -> dict[str, Callable[[], object]]:
    """What draws a batch of examples from the same noise, by name."""
    import onnxruntime

    from ganvas.apps.onnx import Part
    from ganvas.runtime.device import choose_device, prepare

    part = Part(run.model, "sampler")
    given = part.given(batch)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    arrays = {name: x.numpy() for name, x in given.items()}

    def torch_at(precision: str) -> Callable[[], object]:
        def draw() -> object:
            torch.set_float32_matmul_precision(precision)
            with torch.no_grad():
                return run.model.decode(*given.values())

        return draw

    prepare(run.model, choose_device("cpu"))
    return {
        "ONNX Runtime": lambda: session.run(None, arrays),
        "PyTorch, as ganvas samples": torch_at("medium"),
        "PyTorch, float32": torch_at("highest"),
    }


def measured(model: str, folder: Path, repetitions: int) -> dict[str, Any]:
    """Speeds of one model, by batch and rival, and how far the file is from the model."""
    import ganvas
    from ganvas.apps.onnx import export

    data = Path(str(files("ganvas.data.samples") / "fashion"))
    run = ganvas.train(model, data, out=folder / model, steps=5, quiet=True).run
    exported = export(run, "onnx", "sampler", folder / f"{model}.onnx")
    results: dict[str, Any] = {
        "difference": exported.apart,
        "megabytes": exported.file.stat().st_size / 1e6,
    }
    for batch in (1, 64):
        who = rivals(run, exported.file, batch)
        rates: dict[str, list[float]] = {name: [] for name in who}
        for _ in range(repetitions):
            for name, draw in who.items():
                rates[name].append(rate(draw, batch))
        results[f"batch {batch}, samples a second"] = {
            name: spread(values) for name, values in rates.items()
        }
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=7)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        results = {
            model: measured(model, Path(folder), arguments.repetitions)
            for model in ("dcgan", "vae")
        }
    report("onnx-speed", {"onnxruntime": version("onnxruntime"), **results})


if __name__ == "__main__":
    main()
