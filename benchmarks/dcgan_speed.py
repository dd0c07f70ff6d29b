"""DCGAN-64 on a CPU: images a second, against a plain PyTorch loop and against the same tricks
written by hand.

plain: the networks of the paper and the loop of the best-known tutorial, float32, default layout,
    Adam as it comes.
by hand: the same networks, bf16, layout, fused Adam and averaged weights as ours, without an
engine: what it costs.

The three alternate in one process, a few steps each; the ratio is that of medians. The limit is
arithmetic: a step costs 2.29 GFLOP an image, and a bf16 convolution of the size that counts most
    is timed beside it.

python benchmarks/dcgan_speed.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import pairwise
from time import perf_counter

import torch
from _common import report, spread
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.core import Batch, Continuous
from ganvas.models.dcgan import DCGAN
from ganvas.runtime.device import choose_precision, prepare
from ganvas.training.engine import Engine

# of a step, for each image (the tutorial's loop: four forward and three backward passes)
GFLOP = 2.29
CPU = torch.device("cpu")


def plain_networks(channels: int, latent: int = 100) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator of Radford et al. (2015) for 64 pixels."""
    widths = [channels * 8, channels * 4, channels * 2, channels]
    up: list[nn.Module] = [nn.ConvTranspose2d(latent, widths[0], 4, 1, 0, bias=False)]
    for a, b in pairwise([*widths, 3]):
        up += [nn.BatchNorm2d(a), nn.ReLU(True), nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False)]
    down: list[nn.Module] = [nn.Conv2d(3, channels, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True)]
    for a, b in pairwise(widths[::-1]):
        down += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*up, nn.Tanh()), nn.Sequential(
        *down, nn.Conv2d(widths[0], 1, 4, 1, 0, bias=False)
    )


def plain(x: Tensor, channels: int) -> Iterator[None]:
    """The tutorial's loop: real and fake batches separately, then the generator."""
    generator, discriminator = plain_networks(channels)
    steps = [
        torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (generator, discriminator)
    ]
    loss = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(len(x)), torch.zeros(len(x))
    while True:
        discriminator.zero_grad()
        loss(discriminator(x).view(-1), ones).backward()
        fake = generator(torch.randn(len(x), 100, 1, 1))
        loss(discriminator(fake.detach()).view(-1), zeros).backward()
        steps[1].step()
        generator.zero_grad()
        loss(discriminator(fake).view(-1), ones).backward()
        steps[0].step()
        yield


def ours(x: Tensor, model: DCGAN) -> Iterator[None]:
    engine = Engine(model, ema=0.999, precision=choose_precision("auto", CPU))
    for _ in engine.steps(iter(lambda: Batch(x), None)):
        yield


def by_hand(x: Tensor, model: DCGAN) -> Iterator[None]:
    """The steps of `DCGAN.turns` with every trick of the engine, and no engine."""
    optimizers = [
        torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999), fused=True)
        for net in (model.discriminator, model.generator)
    ]
    players = [list(net.parameters()) for net in (model.discriminator, model.generator)]
    averaged = deepcopy(model).requires_grad_(False)
    slow, fast = list(averaged.parameters()), list(model.parameters())
    precision = choose_precision("auto", CPU)
    model.train()
    while True:
        with torch.autocast("cpu", precision, enabled=precision is not None):
            fake = torch.tanh(model.generator(torch.randn(len(x), model.latent), None))
            real_logits, fake_logits = (
                model.discriminator(x, None),
                model.discriminator(fake.detach(), None),
            )
            loss = F.softplus(-real_logits.float()).mean() + F.softplus(fake_logits.float()).mean()
        loss.backward(inputs=players[0])
        optimizers[0].step()
        optimizers[0].zero_grad()
        with torch.autocast("cpu", precision, enabled=precision is not None):
            loss = F.softplus(-model.discriminator(fake, None).float()).mean()
        loss.backward(inputs=players[1])
        optimizers[1].step()
        optimizers[1].zero_grad()
        with torch.no_grad():
            torch._foreach_lerp_(slow, fast, 0.001)
            for a, b in zip(averaged.buffers(), model.buffers(), strict=True):
                a.lerp_(b, 0.001) if a.is_floating_point() else a.copy_(b)
        yield


def alternate(loops: dict[str, Iterator[None]], n_steps: int, turns: int) -> dict[str, list[float]]:
    """Seconds of `steps` steps of each loop, again and again in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for loop in loops.values():
        next(loop)
        next(loop)
    for _ in range(turns):
        for name, loop in loops.items():
            start = perf_counter()
            for _ in range(n_steps):
                next(loop)
            seconds[name].append(perf_counter() - start)
    return seconds


def gflops(run: Callable[[], object], flop: float) -> float:
    """Best of twenty."""
    best = min(_seconds(run) for _ in range(20))
    return flop / best / 1e9


def _seconds(run: Callable[[], object]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


def machine_limit() -> dict[str, float]:
    """What this machine's convolutions and products reach, GFLOP/s."""
    conv = nn.Conv2d(128, 256, 4, 2, 1, bias=False).to(memory_format=torch.channels_last)
    x = torch.randn(64, 128, 16, 16).to(memory_format=torch.channels_last)
    flop = 2 * 64 * 64 * 128 * 256 * 16
    a = torch.randn(2048, 2048)
    half, ah = deepcopy(conv).bfloat16(), a.bfloat16()
    with torch.no_grad():
        return {
            "conv_float32": gflops(lambda: conv(x), flop),
            "conv_bf16": gflops(lambda: half(x.bfloat16()), flop),
            "product_float32": gflops(lambda: a @ a, 2 * 2048**3),
            "product_bf16": gflops(lambda: ah @ ah, 2 * 2048**3),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--turns", type=int, default=9)
    given = parser.parse_args()
    torch.manual_seed(0)
    x = torch.rand(given.batch, 3, 64, 64) * 2 - 1
    model = DCGAN(Continuous((3, 64, 64)), channels=given.channels)
    peer = plain(x, given.channels)
    next(peer)  # before `settle`, which lets float32 products be faster
    prepare(model, CPU)
    torch.set_float32_matmul_precision("highest")
    loops = {"plain": peer, "ours": ours(x, model), "by hand": by_hand(x, deepcopy(model))}
    seconds = alternate(loops, given.steps, given.turns)
    speed = {
        name: spread([given.steps * given.batch / s for s in values])
        for name, values in seconds.items()
    }
    mid = {name: s["median"] for name, s in speed.items()}
    limit = machine_limit()
    report(
        "dcgan-speed",
        {
            "images_per_second": speed,
            "ours_to_plain": mid["ours"] / mid["plain"],
            "engine_overhead": mid["by hand"] / mid["ours"] - 1,
            "gflops_of_this_machine": limit,
            "share_of_bf16_convolution": mid["ours"] * GFLOP / limit["conv_bf16"],
            "share_of_bf16_product": mid["ours"] * GFLOP / limit["product_bf16"],
        },
    )


if __name__ == "__main__":
    main()
