"""How many megapixels a second `ganvas upscale` makes, against the same network in PyTorch eager in
float32 and in ONNX Runtime (PyPI onnxruntime 1.27.0, float32, exported by torch.onnx); one thread
each, turn by turn.

The image is noise, and the network is as it begins: speed asks for neither more nor better. Ours
is `larger` of tasks/upscale.py, all that the task does but files: tiles, overlaps, levels. The
others get the whole image at once, and are not asked for levels.

Peak memory of a large image, `--megapixels 30`, is measured in a process of its own, files
included.

python benchmarks/upscaling_speed.py
python benchmarks/upscaling_speed.py --side 64 --steps 2 --megapixels 0     # a trial
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from _common import peer, report, spread
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.core import Continuous, seeded_generator
from ganvas.core.images import ImageFile
from ganvas.models.srgan import SRGAN
from ganvas.runtime.device import choose_device, prepare
from ganvas.tasks.upscale import upscale_image

PEER = """
import json, sys, time
import numpy as np
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
x = np.load(sys.argv[2])
for line in sys.stdin:
    start = time.perf_counter()
    (y,) = session.run(None, {"low": x})
    print(json.dumps([time.perf_counter() - start, float(np.abs(y).mean())]), flush=True)
"""
MEMORY = """
import json, resource, sys
from ganvas.apps import cli
code = cli.run(sys.argv[1:])
print(json.dumps([code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20]))
"""


class Eager(nn.Module):
    """The generator and a bicubic enlargement that it adds to: torch's own, which ONNX can say,
    with a = -0.75."""

    def __init__(self, model: SRGAN) -> None:
        super().__init__()
        self.network, self.scale = model.generator, model.scale

    def forward(self, x: Tensor) -> Tensor:
        bicubic = F.interpolate(x, scale_factor=self.scale, mode="bicubic")
        return (bicubic + self.network(x)).clamp(-1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=192, help="pixels a side before")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument(
        "--megapixels", type=float, default=30.0, help="of the image that memory is measured by"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = SRGAN(Continuous((3, 96, 96)), scale=given.scale).eval()  # type: ignore[arg-type] # checked there
    levels = torch.randint(
        0, 256, (3, given.side, given.side), generator=seeded_generator(0), dtype=torch.uint8
    )
    found = speeds(model, ImageFile(levels), given.steps)
    figures: dict[str, Any] = {
        "side": given.side,
        "scale": given.scale,
        "megapixels a second": found,
    }
    ours = found["ganvas upscale"]["median"]
    figures["ratio of medians"] = {name: ours / one["median"] for name, one in found.items()}
    if given.megapixels:
        figures["memory"] = memory(given.megapixels)
    report("upscaling-speed", figures)


@torch.no_grad()
def speeds(model: SRGAN, image: ImageFile, n_steps: int) -> dict[str, dict[str, Any]]:
    """Megapixels that come out in a second, by method."""
    torch.set_float32_matmul_precision("highest")
    eager, x = Eager(model), image.examples(3)[None]
    pixels = x[0, 0].numel() * model.scale**2 / 1e6
    with tempfile.TemporaryDirectory() as folder:
        theirs = runtime(eager, x, Path(folder))
        prepare(model, choose_device("cpu"))
        methods: dict[str, Callable[[], object]] = {
            "ganvas upscale": lambda: upscale_image(model, image, 1, 0.0),
            "PyTorch eager, float32": lambda: eager(x),
        }
        seconds: dict[str, list[float]] = {name: [] for name in (*methods, "ONNX Runtime")}
        for number in range(n_steps + 1):
            for name, method in methods.items():
                start = perf_counter()
                method()
                seconds[name].append(perf_counter() - start)
            seconds["ONNX Runtime"].append(theirs())
            print(
                number,
                {name: round(values[-1], 3) for name, values in seconds.items()},
                file=sys.stderr,
            )
    return {name: spread([pixels / s for s in values[1:]]) for name, values in seconds.items()}


def runtime(eager: nn.Module, x: Tensor, folder: Path) -> Callable[[], float]:
    """What runs the network once in ONNX Runtime, in a process of its own, and says how long that
    took."""
    python = peer("onnx", "onnxruntime==1.27.0", "onnx==1.20.1", "onnxscript")
    sys.path.append(str(next((python.parent.parent / "lib").glob("python*")) / "site-packages"))
    torch.onnx.export(
        eager, (x,), folder / "network.onnx", input_names=["low"], dynamo=False, opset_version=18
    )
    np.save(folder / "low.npy", x.numpy())
    process = subprocess.Popen(
        [str(python), "-c", PEER, str(folder / "network.onnx"), str(folder / "low.npy")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def once() -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        print(file=process.stdin, flush=True)
        return json.loads(process.stdout.readline())[0]

    return once


def memory(megapixels: float) -> dict[str, float]:
    """Peak memory, GiB, of `ganvas upscale --scale 2` of one such photograph, a JPEG file into a
    PNG file."""
    import ganvas  # for this alone

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        noise = np.random.default_rng(0).integers(0, 256, (40, 80, 80, 3), dtype=np.uint8)
        ganvas.train(
            "srgan",
            noise,
            out=place / "run",
            scale=2,
            depth=1,
            steps=2,
            warmup=1,
            size=32,
            quiet=True,
        )
        height, width = (round((megapixels * 1e6 * share) ** 0.5) for share in (2 / 3, 3 / 2))
        low = Image.fromarray(noise[0]).resize((width, height), Image.Resampling.BICUBIC)
        low.save(place / "large.jpg", quality=90)
        command = [
            sys.executable,
            "-c",
            MEMORY,
            "upscale",
            str(place / "run"),
            str(place / "large.jpg"),
        ]
        start = perf_counter()
        done = subprocess.run(
            [*command, "--out", str(place / "larger.png")], check=True, stdout=subprocess.PIPE
        )
        code, peak = json.loads(done.stdout.splitlines()[-1])
        assert code == 0
        return {
            "width": width,
            "height": height,
            "peak GiB": peak,
            "seconds": perf_counter() - start,
            "bytes of the result": (place / "larger.png").stat().st_size,
        }


if __name__ == "__main__":
    main()
