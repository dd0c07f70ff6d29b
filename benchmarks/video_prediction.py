"""Ten frames of moving Fashion-MNIST or of moving digits, predicted from the ten before, frame by
frame: a run beside the last frame again, and beside values that go on changing as they did last.

    python benchmarks/moving_data.py --out moving/
    ganvas train simvp moving/fashion/train.npy --as videos --frames 20 --given 10 --batch 8
    --minutes 75 \\
        --held-out 0.02 --out runs/simvp-fashion
    python benchmarks/video_prediction.py --runs runs --run simvp-fashion

As the field computes it: MSE is summed over the pixels of a frame, of values in [0, 1]; SSIM has
windows of 7 x 7 and is averaged. `SSIM` is of values that span 1. OpenSTL's code named no span at
first, which scikit-image took for 2 where
values are floats, and that gives higher figures: `SSIM, span 2`. It is not said which of the two
was published.

The test sets differ from OpenSTL's: theirs is a file, ours is made by the same recipe from the same
objects.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from _common import report
from moving_data import GIVEN, clips
from torch import Tensor
from torch.nn import functional as F

import ganvas

Predict = Callable[[Tensor], Tensor]
PUBLISHED = {
    "ConvLSTM": {"MSE": 28.9, "SSIM": 0.879},
    "SimVP, 58 million parameters, 200 epochs of 10,000 clips": {"MSE": 30.77, "SSIM": 0.874},
    "SimVP with gated attention, 46.8 million parameters, 200 epochs": {
        "MSE": 25.86,
        "SSIM": 0.893,
    },
}
"""For Moving Fashion-MNIST, by OpenSTL, trained on a GPU."""
WINDOW = 7  # pixels a side that SSIM looks at


def errors(predicted: Tensor, real: Tensor) -> Tensor:
    """Squared error of frames (N, T, H, W) in [0, 1], summed over the pixels of each: (N, T)."""
    return (predicted - real).square().sum((2, 3))


def ssim(predicted: Tensor, real: Tensor, span: float) -> Tensor:
    """Structural similarity of frames (N, T, H, W), (N, T), with scikit-image's defaults: uniform
    windows that lie within the frame, and the variance of samples (Wang et al., 2004)."""
    sample = WINDOW**2 / (WINDOW**2 - 1)
    mean = lambda x: F.avg_pool2d(x.flatten(0, 1).unsqueeze(1).double(), WINDOW, 1)  # noqa: E731
    a, b = mean(predicted), mean(real)
    aa, bb, ab = (mean(x * y) for x, y in ((predicted, predicted), (real, real), (predicted, real)))
    va, vb, cov = sample * (aa - a * a), sample * (bb - b * b), sample * (ab - a * b)
    one, two = (0.01 * span) ** 2, (0.03 * span) ** 2
    likeness = (2 * a * b + one) * (2 * cov + two) / ((a * a + b * b + one) * (va + vb + two))
    return likeness.mean((1, 2, 3)).view(predicted.shape[:2])


def standing(seen: Tensor) -> Tensor:
    return seen[:, -1:].expand(-1, GIVEN, -1, -1)


def onward(seen: Tensor) -> Tensor:
    steps = torch.arange(1, GIVEN + 1).view(-1, 1, 1)
    return (seen[:, -1:] + steps * (seen[:, -1:] - seen[:, -2:-1])).clamp(0, 1)


def of_run(run: ganvas.Trained) -> Predict:
    def predict(seen: Tensor) -> Tensor:
        made = run.model.predict(seen.unsqueeze(1) * 2 - 1)
        return (made.squeeze(1).float() + 1) / 2

    return torch.no_grad()(predict)


def judged(predict: Predict, x: Tensor) -> dict[str, object]:
    """All figures of one way to predict, on average and by how far ahead."""
    found: dict[str, list[Tensor]] = {"MSE": [], "SSIM": [], "SSIM, span 2": []}
    for part in x.split(50):
        part = part.float() / 255
        made, real = predict(part[:, :GIVEN]), part[:, GIVEN:]
        for name, value in zip(
            found, (errors(made, real), ssim(made, real, 1), ssim(made, real, 2)), strict=True
        ):
            found[name].append(value)
    figures = {name: torch.cat(values).mean(0) for name, values in found.items()}
    means = {name: value.mean().item() for name, value in figures.items()}
    return means | {"by horizon": {name: value.tolist() for name, value in figures.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--run", help="folder in RUNS of a model that predicts")
    parser.add_argument("--kind", choices=("fashion", "digits"), default="fashion")
    parser.add_argument("--test", type=int, default=1_000)
    given = parser.parse_args()
    x = torch.from_numpy(clips(given.kind, "test", given.test))
    ways: dict[str, Predict] = {"last frame": standing, "linear extrapolation": onward}
    trained = {}
    if given.run:
        run = ganvas.load(given.runs / given.run)
        ways[run.run.config["model"]] = of_run(run)
        state = run.run.state
        trained = {
            "options": run.run.config["options"],
            "steps": state["step"],
            "seconds": state["seconds"],
            "clips seen": state["step"] * run.run.config["training"]["batch"],
            "parameters": sum(p.numel() for p in run.model.parameters()),
        }
    results = {name: judged(predict, x) for name, predict in ways.items()}
    published = PUBLISHED if given.kind == "fashion" else {}
    report(
        f"video-prediction-{given.kind}",
        {"clips": len(x), "trained": trained, **results, "published": published},
    )


if __name__ == "__main__":
    main()
