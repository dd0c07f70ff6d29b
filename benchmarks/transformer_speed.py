"""A transformer on a CPU: training tokens a second against a plain PyTorch decoder; sampling with
and without memory.

plain: the modules that ship with PyTorch (nn.TransformerEncoder with a causal mask, GELU, learned
    positions), as many
layers, of the same widths, the same number of weights to within 2 %, float32 and AdamW as it comes.

Both alternate in one process, a few steps each; the ratio is that of medians. The share of the
machine's bf16 product counts 6 FLOP for each weight and token, and 12 for each layer, width and
place that attention looks at (Chowdhery et al., 2022, appendix B): padding, norms and the optimizer
count as nothing.

Sampling: texts of 256 tokens, drawn place by place; without memory every place is worked out from
all before it again.

python benchmarks/transformer_speed.py
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from time import perf_counter

import torch
from _common import report, spread
from dcgan_speed import CPU, alternate, gflops
from torch import Tensor, nn
from torch.nn import functional as F

from ganvas.core import Batch, Tokens
from ganvas.core.decoding import DecodingOptions
from ganvas.models.transformer import Transformer
from ganvas.runtime.device import choose_precision, prepare
from ganvas.training.engine import Engine


class Plain(nn.Module):
    """A decoder of PyTorch's own parts."""

    def __init__(self, vocabulary: int, length: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.symbols, self.places = (
            nn.Embedding(vocabulary, width),
            nn.Parameter(torch.randn(length, width) * 0.02),
        )
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, 0.0, F.gelu, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(
            layer, depth, nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))

    def forward(self, x: Tensor) -> Tensor:
        places = x.shape[1]
        h = self.layers(
            self.symbols(x) + self.places[:places], self.mask[:places, :places], is_causal=True
        )
        return F.linear(h, self.symbols.weight)


def plain(x: Tensor, model: Plain) -> Iterator[None]:
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    while True:
        logits = model(x[:, :-1])
        optimizer.zero_grad()
        F.cross_entropy(logits.flatten(0, 1), x[:, 1:].flatten()).backward()
        optimizer.step()
        yield


def ours(x: Tensor, model: Transformer) -> Iterator[None]:
    engine = Engine(model, ema=0.99, precision=choose_precision("auto", CPU))
    for _ in engine.steps(iter(lambda: Batch(x[:, 1:]), None)):
        yield


@torch.no_grad()
def without_memory(model: Transformer, n: int) -> Tensor:
    """`Transformer.sample` that works out all places before each again."""
    x = torch.zeros(n, model.places.length, dtype=torch.int64)
    for place in range(x.shape[1]):
        h = model.network(x[:, : place + 1], None)
        x[:, place] = DecodingOptions().draw(model.network.logits(h[:, -1:], place)[:, 0])
    return x


def sampling(model: Transformer, n: int, turns: int) -> dict[str, list[float]]:
    """Seconds of n samples, both ways in turn."""
    seconds: dict[str, list[float]] = {"with memory": [], "without": []}
    for _ in range(turns):
        for name, draw in (
            ("with memory", model.sample),
            ("without", lambda n: without_memory(model, n)),
        ):
            start = perf_counter()
            with torch.no_grad():
                draw(n)
            seconds[name].append(perf_counter() - start)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in {
        "width": 256,
        "depth": 6,
        "vocabulary": 4096,
        "length": 256,
        "batch": 16,
        "steps": 2,
        "turns": 7,
        "samples": 8,
        "sampling-turns": 3,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    torch.manual_seed(0)
    heads = given.width // 64
    x = torch.randint(given.vocabulary, (given.batch, given.length + 1))
    model = Transformer(
        Tokens(given.length, given.vocabulary), width=given.width, depth=given.depth
    )
    peer = Plain(given.vocabulary, given.length, given.width, given.depth, heads)
    rival = plain(x, peer)
    next(rival)  # before `settle`, which lets float32 products be faster
    prepare(model, CPU)
    torch.set_float32_matmul_precision("highest")
    seconds = alternate({"plain": rival, "ours": ours(x, model)}, given.steps, given.turns)
    tokens = given.steps * given.batch * given.length
    speed = {name: spread([tokens / s for s in values]) for name, values in seconds.items()}
    weights = {
        name: sum(p.numel() for p in one.parameters())
        for name, one in (("plain", peer), ("ours", model))
    }
    flop = 6 * weights["ours"] + 12 * given.depth * given.width * given.length
    a = torch.randn(2048, 2048)
    half = a.bfloat16()
    limit = {
        "product_float32": gflops(lambda: a @ a, 2 * 2048**3),
        "product_bf16": gflops(lambda: half @ half, 2 * 2048**3),
    }
    drawn = {
        name: spread(values)
        for name, values in sampling(model.eval(), given.samples, given.sampling_turns).items()
    }
    report(
        "transformer-speed",
        {
            "tokens_per_second": speed,
            "ours_to_plain": speed["ours"]["median"] / speed["plain"]["median"],
            "weights": weights,
            "flop_per_token": flop,
            "gflops_of_this_machine": limit,
            "share_of_bf16_product": speed["ours"]["median"] * flop / 1e9 / limit["product_bf16"],
            "seconds_of_sampling": drawn,
            "memory_to_none": drawn["without"]["median"] / drawn["with memory"]["median"],
        },
    )


if __name__ == "__main__":
    main()
