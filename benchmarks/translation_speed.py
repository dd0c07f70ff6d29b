"""CycleGAN on a CPU: images a second and peak memory, against a plain float32 loop of the
reference design.

plain: the same networks as anybody would write them (instance normalisation, reflected edges,
    transposed convolutions),
one pass for each term as in the paper, two Adam optimizers, discriminators held still while
generators learn, a pool of 50 images; float32 and the default layout throughout.
ours: what `ganvas train cyclegan` runs, averaged weights included.

The two alternate in one process, a step each; the ratio is that of medians. Peak memory is that of
a process of its own for each, after three steps. A step sees --batch images of either domain.

python benchmarks/translation_speed.py
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from time import perf_counter

import torch
from _common import PEAK, child, report, spread
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.core import Batch, Continuous
from ganvas.models.cyclegan import CycleGAN
from ganvas.runtime.device import choose_precision, prepare
from ganvas.training.engine import Engine

CPU = torch.device("cpu")
ALONE = (
    PEAK
    + """
from itertools import islice
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(int(sys.argv[3]))
from translation_speed import images, loop
for _ in islice(loop(sys.argv[2], *images(*map(int, sys.argv[4:6])), *map(int, sys.argv[6:])), 3):
    pass
print(json.dumps(peak()))
"""
)


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width),
            nn.ReLU(True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def generator(c: int, blocks: int) -> nn.Module:
    """Of Zhu et al. (2017), appendix."""
    return nn.Sequential(
        nn.ReflectionPad2d(3),
        nn.Conv2d(3, c, 7),
        nn.InstanceNorm2d(c),
        nn.ReLU(True),
        nn.Conv2d(c, 2 * c, 3, 2, 1),
        nn.InstanceNorm2d(2 * c),
        nn.ReLU(True),
        nn.Conv2d(2 * c, 4 * c, 3, 2, 1),
        nn.InstanceNorm2d(4 * c),
        nn.ReLU(True),
        *(Block(4 * c) for _ in range(blocks)),
        nn.ConvTranspose2d(4 * c, 2 * c, 3, 2, 1, 1),
        nn.InstanceNorm2d(2 * c),
        nn.ReLU(True),
        nn.ConvTranspose2d(2 * c, c, 3, 2, 1, 1),
        nn.InstanceNorm2d(c),
        nn.ReLU(True),
        nn.ReflectionPad2d(3),
        nn.Conv2d(c, 3, 7),
        nn.Tanh(),
    )


def discriminator(c: int) -> nn.Module:
    """Of patches of 70 pixels."""
    return nn.Sequential(
        nn.Conv2d(3, c, 4, 2, 1),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(c, 2 * c, 4, 2, 1),
        nn.InstanceNorm2d(2 * c),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(2 * c, 4 * c, 4, 2, 1),
        nn.InstanceNorm2d(4 * c),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(4 * c, 8 * c, 4, 1, 1),
        nn.InstanceNorm2d(8 * c),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(8 * c, 1, 4, 1, 1),
    )


def pooled(pool: list[Tensor], made: Tensor) -> Tensor:
    """Made images, or at random some that were made before."""
    shown = []
    for one in made.detach().split(1):
        if len(pool) < 50:
            pool.append(one)
            shown.append(one)
        elif random.random() < 0.5:
            place = random.randrange(50)
            shown.append(pool[place])
            pool[place] = one
        else:
            shown.append(one)
    return torch.cat(shown)


def plain(x: Tensor, y: Tensor, channels: int, blocks: int) -> Iterator[None]:
    g, f = generator(channels, blocks), generator(channels, blocks)
    d_x, d_y = discriminator(channels), discriminator(channels)
    judges, pools = [*d_x.parameters(), *d_y.parameters()], ([], [])
    moves = torch.optim.Adam(chain(g.parameters(), f.parameters()), 2e-4, (0.5, 0.999))
    answers = torch.optim.Adam(judges, 2e-4, (0.5, 0.999))
    real, fake = (
        lambda logits, aim=aim: F.mse_loss(logits, torch.full_like(logits, aim))
        for aim in (1.0, 0.0)
    )
    while True:
        for p in judges:
            p.requires_grad_(False)
        moves.zero_grad()
        made_x, made_y = g(y), f(x)
        loss = 5 * (F.l1_loss(g(x), x) + F.l1_loss(f(y), y)) + real(d_x(made_x)) + real(d_y(made_y))
        (loss + 10 * (F.l1_loss(f(made_x), y) + F.l1_loss(g(made_y), x))).backward()
        moves.step()
        for p in judges:
            p.requires_grad_(True)
        answers.zero_grad()
        for judge, true, made, pool in ((d_x, x, made_x, pools[0]), (d_y, y, made_y, pools[1])):
            ((real(judge(true)) + fake(judge(pooled(pool, made)))) / 2).backward()
        answers.step()
        yield


def ours(x: Tensor, y: Tensor, channels: int, blocks: int) -> Iterator[None]:
    space = Continuous(tuple(x.shape[1:]))
    model = CycleGAN(space, space, channels=channels, blocks=blocks, halvings=3)
    prepare(model, CPU)
    torch.set_float32_matmul_precision(
        "highest"
    )  # for the peer; nothing of ours is computed in float32
    engine = Engine(model, ema=0.999, precision=choose_precision("auto", CPU))
    for _ in engine.steps(repeat(Batch(x, y))):
        yield


def loop(name: str, x: Tensor, y: Tensor, channels: int, blocks: int) -> Iterator[None]:
    torch.manual_seed(0)
    return {"plain": plain, "ours": ours}[name](x, y, channels, blocks)


def images(batch: int, size: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.rand(batch, 3, size, size) * 2 - 1, torch.rand(batch, 3, size, size) * 2 - 1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in {
        "channels": 32,
        "blocks": 6,
        "batch": 4,
        "size": 64,
        "turns": 9,
        "threads": 1,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    shape = given.batch, given.size, given.channels, given.blocks
    here = str(Path(__file__).parent)
    peaks = {name: child(ALONE, here, name, given.threads, *shape) for name in ("plain", "ours")}
    loops = {name: loop(name, *images(*shape[:2]), *shape[2:]) for name in ("plain", "ours")}
    speed: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(given.turns + 1):
        for name, steps in loops.items():
            start = perf_counter()
            next(steps)
            if turn:  # the first is slow
                speed[name].append(given.batch / (perf_counter() - start))
    figures = {name: spread(values) for name, values in speed.items()}
    report(
        "translation-speed",
        {
            **vars(given),
            "images_per_second": figures,
            "peak_mib": peaks,
            "ours_to_plain": figures["ours"]["median"] / figures["plain"]["median"],
            "memory_ours_to_plain": peaks["ours"] / peaks["plain"],
        },
    )


if __name__ == "__main__":
    sys.exit(main())
