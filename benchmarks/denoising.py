"""Denoising of natural photographs that were never learned from, against BM3D (PyPI bm3d 4.0.3;
Makinen et al., 2020), scikit-image's non-local means, wavelets and total variation, and a median
filter: PSNR, SSIM, seconds.

grey    gaussian noise of sigma 15, 25, 50 (of 255), by a RED-Net that learned of gaussian noise
from 0 to 64
mixed   in colour: sigma 25, salt and pepper (10 %), missing pixels (half, black), JPEG of quality
10, by one RED-Net
        that learned of all four

Noise is neither rounded nor cut off, as is usual. Rivals are told the sigma of gaussian noise, ours
never is; of other damage they work with what scikit-image estimates, and BM3D, which takes a minute
for a colour image, is left out. Rivals work in a process of their own while ours waits.

python benchmarks/denoising.py --minutes 40
python benchmarks/denoising.py grey --minutes 2 --images 2     # a trial
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from _common import report
from denoising_data import levels, rivals, to_learn_from, to_try
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure as ssim

import ganvas
from ganvas.core import seeded_generator
from ganvas.nn.degradations import Degradation
from ganvas.runtime.device import choose_device, prepare
from ganvas.tasks.denoise import restore_tiled

PEER = """
import json, sys, time
from pathlib import Path
import numpy as np
import bm3d
from scipy.ndimage import median_filter
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, denoise_wavelet, estimate_sigma
folder, sigma = Path(sys.argv[1]), float(sys.argv[2]) / 255
def methods(y, sigma):
    axis = None if y.ndim == 2 else -1
    known = {"BM3D": lambda: (bm3d.bm3d if axis is None else bm3d.bm3d_rgb)(y, sigma)} if sigma else {}
    sigma = sigma or float(estimate_sigma(y, channel_axis=axis, average_sigmas=True)) or 1e-3
    return known | {
        "non-local means": lambda: denoise_nl_means(y, patch_size=5, patch_distance=6, h=0.8 * sigma, sigma=sigma,
                                                    fast_mode=True, channel_axis=axis),
        "wavelets": lambda: denoise_wavelet(y, sigma=sigma, rescale_sigma=True, channel_axis=axis),
        "total variation": lambda: denoise_tv_chambolle(y, weight=sigma, channel_axis=axis),
        "median": lambda: median_filter(y, 3 if axis is None else (3, 3, 1)),
    }
for file in sorted(folder.glob("*.npy")):
    y = np.load(file) / 255
    for name, method in methods(y, sigma).items():
        start = time.perf_counter()
        z = method()
        seconds = time.perf_counter() - start
        np.save(folder / f"{file.stem}.{name}.out", np.asarray(z) * 255)
        print(json.dumps([file.stem, name, seconds]), flush=True)
"""

GREY = {
    f"gaussian {sigma}": (Degradation("gaussian", sigma / 127.5, blind=False), sigma)
    for sigma in (15, 25, 50)
}
MIXED = {
    "gaussian 25": (Degradation("gaussian", 25 / 127.5, blind=False), 25),
    "salt and pepper 10 %": (Degradation("salt-and-pepper", 0.1, blind=False), 0),
    "missing pixels 50 %": (lambda x: torch.where(torch.rand_like(x[:, :1]) < 0.5, -1.0, x), 0),
    "JPEG 10": (Degradation("jpeg", 1 - 0.1**0.25, blind=False), 0),
}
GREY_ONES = ("camera",)  # of which bm3d_rgb makes nothing that is a number
TRAINED = {
    "grey": {"corrupt": "gaussian", "grey": True},
    "mixed": {"corrupt": "mixed", "grey": False},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("which", nargs="?", choices=[*TRAINED, "both"], default="both")
    parser.add_argument("--minutes", type=float, default=40, help="of each training")
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        help="where trained runs are kept, and found again",
    )
    given = parser.parse_args()
    for which in TRAINED if given.which == "both" else [given.which]:
        out = given.runs / f"denoising-{which}"
        run = (
            ganvas.load(out)
            if (out / "report.html").exists()
            else ganvas.train(
                "rednet",
                to_learn_from(),
                out=out,
                minutes=given.minutes,
                held_out=0.05,
                **TRAINED[which],
            )
        )
        chosen = [(name, p) for name, p in to_try() if which == "grey" or name not in GREY_ONES][
            : given.images
        ]
        images = [(name, levels(p, which == "grey")) for name, p in chosen]
        tried = {
            name: compare(run, images, damage, sigma)
            for name, (damage, sigma) in (GREY if which == "grey" else MIXED).items()
        }
        state = run.run.state
        report(
            f"denoising-{which}",
            {
                "images": [f"{name} {x.shape[1]} x {x.shape[0]}" for name, x in images],
                "training": {
                    "steps": state["step"],
                    "seconds": state["seconds"],
                    "options": run.run.config["options"],
                },
                "tried": tried,
            },
        )


def compare(
    run: Any, images: list[tuple[str, np.ndarray]], damage: Callable[[Tensor], Tensor], sigma: int
) -> Any:
    """Means of PSNR and SSIM and medians of seconds, by method; and how ours stands to BM3D."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clean = {name: as_tensor(x) for name, x in images}
        damaged = {
            name: damaged_by(damage, x, number) for number, (name, x) in enumerate(clean.items())
        }
        for name, y in damaged.items():
            np.save(folder / f"{name}.npy", as_levels(y))
        found = {("damaged", name): (y, 0.0) for name, y in damaged.items()} | ours(
            run.model, damaged
        )
        found |= theirs(folder, sigma)
        figures: dict[str, Any] = {
            method: summary({n: v for (m, n), v in found.items() if m == method}, clean)
            for method in dict.fromkeys(m for m, _ in found)
        }
    if "BM3D" in figures:
        figures["ours minus BM3D, dB"] = figures["ours"]["PSNR"] - figures["BM3D"]["PSNR"]
        figures["seconds, BM3D by ours"] = figures["BM3D"]["seconds"] / figures["ours"]["seconds"]
    return figures


def damaged_by(damage: Callable[[Tensor], Tensor], x: Tensor, number: int) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(seeded_generator(number).initial_seed())
        return damage(x[None])[0]


@torch.no_grad()
def ours(model: Any, damaged: dict[str, Tensor]) -> dict[tuple[str, str], tuple[Tensor, float]]:
    prepare(model, choose_device())
    restore_tiled(model, next(iter(damaged.values())))  # what is only done once is done
    found = {}
    for name, y in damaged.items():
        start = perf_counter()
        x = restore_tiled(model, y)
        found["ours", name] = x, perf_counter() - start
    return found


def theirs(folder: Path, sigma: int) -> dict[tuple[str, str], tuple[Tensor, float]]:
    command = [str(rivals()), "-c", PEER, str(folder), str(sigma)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(json.loads(line))
            print(line.strip(), file=sys.stderr)
    if process.returncode:
        raise SystemExit("the peers stopped; see above")
    return {
        (m, n): (as_tensor(np.load(folder / f"{n}.{m}.out.npy")), seconds)
        for n, m, seconds in lines
    }


def summary(found: dict[str, tuple[Tensor, float]], clean: dict[str, Tensor]) -> dict[str, Any]:
    psnr = {
        n: -10 * ((x.clamp(-1, 1) - clean[n]) / 2).square().mean().log10().item()
        for n, (x, _) in found.items()
    }
    alike = [
        ssim(x.clamp(-1, 1)[None], clean[n][None], data_range=(-1.0, 1.0)).item()
        for n, (x, _) in found.items()
    ]
    return {
        "PSNR": float(np.mean(list(psnr.values()))),
        "SSIM": float(np.mean(alike)),
        "seconds": median(s for _, s in found.values()),
        "PSNR of each": psnr,
    }


def as_tensor(x: np.ndarray) -> Tensor:
    """(H, W[, 3]) in [0, 255] as (C, H, W) in [-1, 1]."""
    y = torch.from_numpy(x).float().div(127.5).sub(1)
    return y[None] if y.ndim == 2 else y.permute(2, 0, 1).contiguous()


def as_levels(x: Tensor) -> np.ndarray:
    y = x.double().add(1).mul(127.5).permute(1, 2, 0).numpy()
    return y[..., 0] if y.shape[-1] == 1 else y


if __name__ == "__main__":
    main()
