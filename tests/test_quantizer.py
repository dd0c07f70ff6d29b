"""Quantisers: identities of the codes, of the codebook that follows, and of gradients that pass."""

from __future__ import annotations

from copy import deepcopy
from itertools import islice, repeat
from math import prod

import pytest
import torch

from conftest import examples
from ganvas.core import Batch, Continuous, InputError
from ganvas.models.vqgan import VQGAN
from ganvas.models.vqvae import VQVAE
from ganvas.nn.grids import sizes, strides
from ganvas.nn.quantizer import DECAY, Codebook, FiniteScalar, choose_levels, make_quantizer
from ganvas.training.engine import Engine

SPACE = Continuous((3, 12, 16))
SMALL = {"codes": 16, "latent": 4, "channels": 8}


def grid(n: int = 4, width: int = 3) -> torch.Tensor:
    return torch.randn(n, width, 5, 6, generator=torch.Generator().manual_seed(n))


@pytest.mark.parametrize("kind", ["vector", "finite"])
def test_codes_are_the_nearest_and_stand_for_what_the_decoder_gets(kind: str) -> None:
    torch.manual_seed(0)
    quantizer = make_quantizer(kind, 64, 3, start=True, revival=True)
    z = 2 * grid(width=quantizer.width).requires_grad_()
    quantised = quantizer(z)
    assert torch.allclose(quantizer.vectors(quantised.codes), quantised.vectors, atol=1e-6)
    every = torch.arange(quantizer.vocabulary)
    assert torch.equal(
        quantizer.eval()(
            _unbound(quantizer, quantizer.vectors(every[:, None, None]))
        ).codes.flatten(),
        every,
    )
    points = quantizer.vectors(every[None, :, None])[0, :, :, 0].T
    seen = z if kind == "vector" else z.tanh()
    apart = torch.cdist(seen.detach().movedim(1, -1).flatten(0, -2), points)
    assert torch.allclose(
        apart.gather(1, quantised.codes.view(-1, 1))[:, 0], apart.min(1).values, atol=1e-4
    )


def _unbound(quantizer: object, vectors: torch.Tensor) -> torch.Tensor:
    """What finite scalars take to these vectors."""
    return vectors.clamp(-0.999, 0.999).atanh() if isinstance(quantizer, FiniteScalar) else vectors


def test_gradients_pass_straight_through() -> None:
    book = Codebook(8, 3)
    z, weight = grid().requires_grad_(), grid()
    quantised = book(z)
    (slope,) = torch.autograd.grad((quantised.vectors * weight).sum(), z, retain_graph=True)
    assert torch.allclose(slope, weight)
    (pull,) = torch.autograd.grad(quantised.commitment, z)
    assert torch.allclose(pull, 2 * (z - book.vectors(quantised.codes)) / z.numel(), atol=1e-6)


def test_the_codebook_follows_the_means_as_the_appendix_has_it() -> None:
    book = Codebook(4, 3, revival=False)
    z = grid()
    codes = book(z).codes
    counts, sums = book.counts.clone(), book.sums.clone()
    book.follow(z, codes)
    flat = z.movedim(1, -1).flatten(0, -2)
    for k in range(4):
        own = flat[codes.flatten() == k]
        assert torch.allclose(book.counts[k], DECAY * counts[k] + (1 - DECAY) * len(own))
        assert torch.allclose(book.sums[k], DECAY * sums[k] + (1 - DECAY) * own.sum(0), atol=1e-5)
    assert torch.allclose(book.codebook, book.sums / book.counts[:, None])


def test_a_code_that_is_never_used_stays_where_it_is_or_is_moved_to_where_vectors_are() -> None:
    z, far = grid(), torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [99, 99, 99]])
    stays, moves = Codebook(4, 3, start=False, revival=False), Codebook(4, 3, start=False)
    for book, steps in ((stays, 1600), (moves, 400)):
        book.counts.fill_(1)
        book.sums.copy_(far)
        codes = book.eval()(z).codes
        for _ in range(steps):
            book.follow(z, codes)
    assert torch.allclose(stays.codebook[3], torch.full((3,), 99.0), rtol=1e-3)
    assert moves.codebook.abs().max() < 4
    assert moves.use(moves(z).codes)["used"] == 1


def test_k_means_begins_where_the_data_is() -> None:
    torch.manual_seed(0)
    middles = torch.tensor([[9.0, 0, 0], [0, 9, 0], [0, 0, 9], [-9, -9, 0]])
    z = (middles[torch.arange(120) % 4] + 0.1 * torch.randn(120, 3)).view(4, 5, 6, 3).movedim(-1, 1)
    with_start, without = Codebook(12, 3), Codebook(12, 3, start=False)
    error = [book(z).commitment.item() for book in (with_start, without)]
    assert error[0] < 0.05 < error[1]
    before = with_start.counts.clone()
    with_start(z + 1)
    assert torch.equal(with_start.counts, before), "it begins once"


def test_use_counts_what_is_used() -> None:
    use = Codebook(8, 3).use(torch.tensor([[0, 1], [2, 3]]))
    assert use["perplexity"].item() == pytest.approx(4)
    assert use["used"].item() == 0.5


@pytest.mark.parametrize("codes", [2, 8, 25, 64, 512, 1000, 1024, 4096, 16384])
def test_levels_make_nearly_as_many_codes_as_asked(codes: int) -> None:
    levels = choose_levels(codes)
    assert 0.9 * codes <= prod(levels) <= codes
    assert codes < 25 or min(levels) >= 5


def test_sides_are_halved_as_often_as_it_takes() -> None:
    assert strides((4, 4)) == [(2, 2), (2, 2)]
    assert strides((1, 8, 8)) == [(1, 2, 2)] * 3
    assert strides((2, 4, 4)) == [(2, 2, 2), (1, 2, 2)]
    assert sizes((5, 30, 28), strides((2, 4, 4)))[-1] == (3, 8, 7)


@pytest.mark.parametrize(
    "space", [SPACE, Continuous((1, 30, 27)), Continuous((3, 5, 16, 12))], ids=str
)
def test_grids_of_any_size(space: Continuous) -> None:
    model = VQVAE(space, **SMALL).eval()
    x = examples(space, 2)
    assert model.encode(x).shape == (2, prod(model.latents.grid))
    assert model.decode(model.encode(x)).shape == x.shape
    assert len(model.latents.grid) == len(space.shape) - 1


def test_the_averaged_copy_has_a_codebook_that_fits_its_encoder() -> None:
    """Of the averaged model the codes are means over all that they stood for, and revived ones are
    where they went."""
    torch.manual_seed(0)
    model = VQVAE(SPACE, **SMALL)
    engine = Engine(model, ema=0.9)
    for _ in islice(engine.steps(repeat(Batch(examples(SPACE, 32)))), 30):
        pass
    assert isinstance(engine.ema_model, VQVAE)
    ours, theirs = engine.ema_model.autoencoder, model.autoencoder
    x = examples(SPACE, 32)
    with torch.no_grad():
        committed = [
            one.quantizer.eval()(one.encoder(x)).commitment.item() for one in (ours, theirs)
        ]
    assert committed[0] < 1.5 * committed[1]


def test_a_round_is_played_alike_from_what_was_saved() -> None:
    torch.manual_seed(0)
    model = VQVAE(SPACE, **SMALL)
    engine, batches = Engine(model), [Batch(examples(SPACE, 16, seed)) for seed in range(8)]
    for _ in engine.steps(batches[:5]):
        pass
    copy, random = deepcopy(model), torch.get_rng_state()
    again = Engine(copy)
    again.restore(engine.state())
    for one in (engine, again):
        torch.set_rng_state(random)
        for _ in one.steps(batches[5:]):
            pass
    assert all(
        torch.equal(a, b)
        for a, b in zip(model.state_dict().values(), copy.state_dict().values(), strict=True)
    )


def test_the_discriminator_joins_late_and_lambda_makes_gradients_equal() -> None:
    torch.manual_seed(0)
    model = VQGAN(
        SPACE,
        warmup=2,
        discriminator_start=3,
        discriminator_channels=8,
        features=4,
        adversarial=1.0,
        **SMALL,
    )
    logs = list(islice(Engine(model).steps(repeat(Batch(examples(SPACE)))), 5))
    assert ["perception/restored" in log for log in logs] == [True, True, False, False, False]
    assert ["autoencoder/perceptual" in log for log in logs] == [False, False, True, True, True]
    assert ["discriminator/real" in log for log in logs] == [False, False, False, True, True]
    turn = next(model.turns(Batch(examples(SPACE))))
    last = model.autoencoder.decoder.last.weight
    likeness = turn.loss["reconstruction"] + turn.loss["perceptual"]
    norms = [
        torch.autograd.grad(t, last, retain_graph=True)[0].norm()
        for t in (likeness, turn.loss["fool"])
    ]
    assert norms[1].item() == pytest.approx(norms[0].item(), rel=1e-3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"factor": 3}, "factor= is 3; it is a power of two, from 2 to 64"),
        ({"time_factor": 0}, "time_factor= is 0"),
        ({"codes": 1}, "codes= is 1; there are from 2 to 65,536"),
        ({"quantizer": "scalar"}, "quantizer= is 'scalar'; it is one of vector, finite"),
    ],
)
def test_wrong_options_are_refused_in_words(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        VQVAE(SPACE, **options)
