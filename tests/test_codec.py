"""A codec loses what it was allowed to, and nothing more on the way through a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ganvas import InputError, api
from ganvas.apps import cli
from ganvas.core import Continuous
from ganvas.core.space import from_levels, to_levels
from ganvas.models.codec import REACH, Codec
from ganvas.nn.transforms import Density

SIDE = 12


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, fashion: tuple[torch.Tensor, torch.Tensor]
) -> api.Trained:
    options = {"steps": 60, "ema": 0.9, "channels": 8, "latent": 8, "quiet": True}
    return api.train(
        "codec", small(fashion, 0), out=tmp_path_factory.mktemp("codec") / "run", **options
    )


def small(fashion: tuple[torch.Tensor, torch.Tensor], start: int) -> np.ndarray:
    return fashion[0][start : start + 600, 2:26:2, 2:26:2].numpy().copy()


def test_masses_of_all_bins_sum_to_one() -> None:
    torch.manual_seed(0)
    density = Density((3, 2, 2))
    for parameter in density.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    step = torch.tensor([0.3, 1.0, 2.0]).view(1, 3, 1, 1)
    bins = torch.arange(-1000, 1001).view(-1, 1, 1, 1) * step
    masses = density.log_mass(bins, step).exp()
    torch.testing.assert_close(masses.sum(0), torch.ones(3, 2, 2), rtol=1e-3, atol=1e-3)
    far = density.log_mass(torch.full((1, 3, 2, 2), 40.0), step)
    assert torch.isfinite(far).all()


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 16), (1, 10, 10), (3, 17, 17)])
def test_transforms_begin_by_losing_nothing(shape: tuple[int, ...]) -> None:
    model = Codec(Continuous(shape), latent=shape[0] * 16, channels=8)
    x = torch.rand(2, *shape) * 2 - 1
    y = model.analysis(x)
    assert y.shape == (2, *model.grid)
    torch.testing.assert_close(model.synthesis(y), x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("quality", [0, 37, 100])
def test_what_comes_out_is_what_the_model_keeps(
    run: api.Trained, fashion: tuple[torch.Tensor, torch.Tensor], quality: int
) -> None:
    x = small(fashion, 600)[:40]
    back = run.decompress(run.compress(x, quality=quality))
    model, codes = run.model, torch.from_numpy(x).flatten(1)
    with torch.no_grad():
        step = model.step_of(torch.tensor([quality / 100]))
        rounded = (
            (model.analysis(from_levels(codes).view(-1, 1, SIDE, SIDE)) / step)
            .round()
            .clamp(-REACH, REACH)
        )
        kept = to_levels(model.decode(rounded * step)).squeeze(1)
    assert np.array_equal(back, kept.numpy())


def test_quality_buys_likeness_with_bits(
    run: api.Trained, fashion: tuple[torch.Tensor, torch.Tensor]
) -> None:
    x, sizes, errors = small(fashion, 600), [], []
    for quality in (0, 50, 100):
        parcel = run.do("compress", x, quality=quality)
        sizes.append(len(parcel.packed))
        errors.append(
            np.square(run.decompress(run.compress(x, quality=quality)).astype(float) - x).mean()
        )
        packing = run.model.coding_scheme(quality)
        with torch.no_grad():
            symbols = packing.fold(torch.from_numpy(x).flatten(1))
            nats = sum(
                torch.nn.functional.cross_entropy(logits, symbols[:, place], reduction="sum").item()
                for place, logits in packing.unfold(symbols)
            )
        assert 8 * sizes[-1] == pytest.approx(nats / np.log(2), rel=0.02)
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 * np.square(x - x.mean(0)).mean()


def test_the_command_takes_a_quality(
    run: api.Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, folder = np.arange(3 * SIDE * SIDE, dtype=np.uint8).reshape(3, SIDE, SIDE), str(run.run.path)
    np.save(tmp_path / "x.npy", x)
    words = [
        "compress",
        folder,
        str(tmp_path / "x.npy"),
        "--out",
        str(tmp_path / "x.ganvas"),
        "--quality",
    ]
    assert cli.run([*words, "10"]) == 0
    back = tmp_path / "back.npy"
    assert cli.run(["decompress", folder, str(tmp_path / "x.ganvas"), "--out", str(back)]) == 0
    assert np.array_equal(np.load(back), run.decompress(run.compress(x, quality=10)))
    assert cli.run([*words, "101"]) == 2
    assert "from 0" in capsys.readouterr().err


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="learns images"):
        Codec(Continuous((6,)))
    with pytest.raises(InputError, match="from 1 to 6"):
        Codec(Continuous((1, 8, 8)), halvings=0)
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    run = api.train("pixelcnn", images, out=tmp_path / "run", steps=2, width=8, batch=8, quiet=True)
    with pytest.raises(InputError, match="keeps every bit"):
        run.compress(images, quality=50)
