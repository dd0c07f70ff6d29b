"""A one-player and a two-player game without chance, played by as many processes as there are; for
test_processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ganvas.core import Batch, Continuous, Model, Turn, adam
from ganvas.nn.losses import discriminator_loss, non_saturating_generator_loss
from ganvas.nn.quantizer import Codebook
from ganvas.runtime import distributed
from ganvas.training.engine import Engine


class Squeeze(Model):
    """An autoencoder."""

    players = {"autoencoder": adam(1e-2)}

    def __init__(self) -> None:
        super().__init__(Continuous((6,)))
        self.layers = nn.Sequential(nn.Linear(6, 3), nn.Tanh(), nn.Linear(3, 6))

    def turns(self, batch: Batch) -> Iterator[Turn]:
        yield Turn(
            "autoencoder", {"reconstruction": (self.layers(batch.x) - batch.x).square().mean()}
        )


class Duel(Model):
    """A GAN whose noise is its batch: what each example brings, so that ranks draw nothing of their
    own."""

    players = {"discriminator": adam(1e-2), "generator": adam(1e-2)}

    def __init__(self) -> None:
        super().__init__(Continuous((6,)))
        self.generator, self.discriminator = (
            nn.Linear(6, 6),
            nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1)),
        )

    def turns(self, batch: Batch) -> Iterator[Turn]:
        fake = self.generator(batch.x.flip(1))

        def judge(x: Tensor) -> Tensor:
            return self.discriminator(x).squeeze(1)

        yield Turn("discriminator", discriminator_loss(judge(batch.x), judge(fake.detach())))
        yield Turn("generator", non_saturating_generator_loss(judge(fake)))


class Number(Model):
    """An autoencoder of codes, whose codebook follows the vectors of all ranks."""

    players = {"autoencoder": adam(1e-2)}

    def __init__(self, alive: bool = False) -> None:
        super().__init__(Continuous((6,)))
        self.encoder, self.decoder = nn.Linear(6, 3), nn.Linear(3, 6)
        self.quantizer = Codebook(4, 3, start=alive, revival=alive)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        z = self.encoder(batch.x).unsqueeze(2)
        quantised = self.quantizer(z)
        error = (self.decoder(quantised.vectors.squeeze(2)) - batch.x).square().mean()
        yield Turn("autoencoder", {"reconstruction": error, "commitment": quantised.commitment})
        self.quantizer.follow(z.detach(), quantised.codes)


GAMES = {"one-player": Squeeze, "two-player": Duel, "codes": Number}
BY_CHANCE = partial(Number, alive=True)
"""Its codes begin and are revived by vectors that one rank draws: all have the same, but not those
of one alone."""


def play(game: Callable[[], Model]) -> dict[str, Tensor]:
    """The weights after ten steps of batches of 8, shared among the ranks."""
    model = begin(game)
    x = torch.rand(10, 8, 6, generator=torch.Generator().manual_seed(1)) * 2 - 1
    engine = Engine(model, clip=1.0, ema=0.9)
    for _ in islice(
        engine.steps(
            Batch(part).share(distributed.rank(), distributed.process_count()) for part in x
        ),
        10,
    ):
        pass
    return model.state_dict()


def begin(game: Callable[[], Model]) -> Model:
    """The model as every process starts with it."""
    torch.manual_seed(0)
    return game()


if __name__ == "__main__":  # the folder for the weights follows
    with distributed.process_group():
        for name, game in GAMES.items():
            weights = play(game)
            if distributed.is_main_process():
                save_file(weights, Path(sys.argv[1]) / name)
        for value in play(BY_CHANCE).values():
            ours, theirs = distributed.gather(value, torch.device("cpu"))
            assert torch.equal(ours, theirs), "ranks have fallen apart"
    threads = {file.read_text().strip() for file in Path("/proc/self/task").glob("*/comm")}
    assert not [thread for thread in threads if "gloo" in thread], (
        f"{threads} fall over when Python ends"
    )
