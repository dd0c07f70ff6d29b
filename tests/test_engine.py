"""The engine is the loop one would have written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import cycle, islice, repeat

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from conftest import IMAGE, LABELS, VECTOR, InMemory, examples
from ganvas.core import Batch, InputError, Model, Turn, adam
from ganvas.models.ae import AE
from ganvas.models.dcgan import DCGAN
from ganvas.models.vae import VAE
from ganvas.training.engine import SCHEDULES, Engine


def play(engine: Engine, batches: object, steps: int) -> list[dict[str, torch.Tensor]]:
    return list(islice(engine.steps(batches), steps))


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(
        torch.equal(p, q)
        for p, q in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_equals_a_hand_written_loop_of_two_optimizers() -> None:
    x, y = examples(IMAGE), torch.arange(16).unsqueeze(1) % 3
    torch.manual_seed(0)
    ours = DCGAN(IMAGE, LABELS, latent=8, channels=8)
    theirs = deepcopy(ours).train()
    torch.manual_seed(1)
    play(Engine(ours), repeat(Batch(x, y)), 5)

    torch.manual_seed(1)
    d = torch.optim.Adam(theirs.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
    g = torch.optim.Adam(theirs.generator.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
    for _ in range(5):
        fake = theirs.generator(torch.randn(16, 8), y.squeeze(1)).tanh()
        real_logits = theirs.discriminator(x, y.squeeze(1))
        fake_logits = theirs.discriminator(fake.detach(), y.squeeze(1))
        d.zero_grad()
        (softplus(-real_logits).mean() + softplus(fake_logits).mean()).backward()
        d.step()
        g.zero_grad()
        softplus(-theirs.discriminator(fake, y.squeeze(1))).mean().backward()
        g.step()
    assert same(ours, theirs)


def test_equals_a_hand_written_loop_of_a_vae() -> None:
    x = examples(VECTOR)
    torch.manual_seed(0)
    ours = VAE(VECTOR, latent=3, likelihood="squared", width=16)
    theirs = deepcopy(ours)
    torch.manual_seed(1)
    play(Engine(ours), repeat(Batch(x)), 5)

    torch.manual_seed(1)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=1e-3, fused=True)
    for _ in range(5):
        mean, logvar = theirs.encoder(x).chunk(2, 1)
        x_hat = theirs.decoder(mean + (logvar / 2).exp() * torch.randn_like(mean)).tanh()
        error = (x_hat - x).square().flatten(1).sum(1).mean()
        kl = ((mean.square() + logvar.exp() - 1 - logvar) / 2).mean(0).sum()
        optimizer.zero_grad()
        (error + kl).backward()
        optimizer.step()
    assert same(ours, theirs)


def test_a_vae_of_many_latents_descends_the_importance_weighted_bound() -> None:
    x = examples(VECTOR)
    model = VAE(VECTOR, latent=3, likelihood="gaussian", width=16, samples=5)
    torch.manual_seed(1)
    (turn,) = model.turns(Batch(x))
    torch.manual_seed(1)
    assert torch.allclose(turn.loss["bound"], model.bound(x, samples=5).mean())
    with pytest.raises(InputError, match="free bits"):
        VAE(VECTOR, samples=5, free_bits=0.1)


def test_accumulating_equals_one_large_batch() -> None:
    x = examples(VECTOR, 32).double()
    a = AE(VECTOR, latent=2, width=16).double()
    b = deepcopy(a)
    play(Engine(a), repeat(Batch(x)), 4)
    play(Engine(b, accumulate=2), cycle([Batch(x[:16]), Batch(x[16:])]), 4)
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-8)


def test_a_player_meets_what_the_other_just_learned() -> None:
    """The generator's loss is computed after the discriminator's step, on its new weights."""
    torch.manual_seed(0)
    model = DCGAN(IMAGE, None, latent=8, channels=8)
    seen = []
    before = [p.clone() for p in model.discriminator.parameters()]
    original = model.game
    model.game = original._replace(
        generator=lambda fake: (
            seen.extend(p.clone() for p in model.discriminator.parameters())
            or original.generator(fake)
        )
    )
    play(Engine(model), repeat(Batch(examples(IMAGE))), 1)
    assert all(not torch.equal(b, s) for b, s in zip(before, seen, strict=True))
    assert all(
        torch.equal(p, s) for p, s in zip(model.discriminator.parameters(), seen, strict=True)
    )


def test_the_generator_waits_for_k_discriminator_steps() -> None:
    model = DCGAN(IMAGE, None, latent=8, channels=8, discriminator_steps=3)
    logs = play(Engine(model), repeat(Batch(examples(IMAGE))), 6)
    assert ["generator/fool" in log for log in logs] == [False, False, True] * 2


def test_gradients_are_clipped() -> None:
    a = AE(VECTOR, latent=2, width=16)
    engine = Engine(a, clip=1e-3)
    norms: list[float] = []
    step = engine.optimizers["autoencoder"].step
    engine.optimizers["autoencoder"].step = lambda: (
        norms.append(torch.stack([p.grad.norm() for p in a.parameters()]).norm().item()) or step()
    )
    play(engine, repeat(Batch(examples(VECTOR))), 3)
    assert max(norms) <= 1e-3 * 1.001


def test_averaged_weights_are_the_recursion_they_are_named_after() -> None:
    a = AE(VECTOR, latent=2, width=16)
    engine = Engine(a, ema=0.9)
    expected = [p.detach().clone() for p in a.parameters()]
    for step, _ in enumerate(islice(engine.steps(repeat(Batch(examples(VECTOR)))), 20), 1):
        decay = min(0.9, step / (step + 10))
        expected = [
            decay * e + (1 - decay) * p.detach()
            for e, p in zip(expected, a.parameters(), strict=True)
        ]
    for e, p in zip(expected, engine.ema_model.parameters(), strict=True):
        torch.testing.assert_close(e, p, rtol=1e-5, atol=1e-6)


def test_rates_are_each_players_own_and_paced_together() -> None:
    model = DCGAN(IMAGE, None, latent=8, channels=8)
    engine = Engine(model, lr={"discriminator": 1e-3})
    engine.set_lr_factor(0.5)
    rates = {player: o.param_groups[0]["lr"] for player, o in engine.optimizers.items()}
    assert rates == {"discriminator": 5e-4, "generator": 1e-4}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_stay_between_nothing_and_all(name: str) -> None:
    shares = [SCHEDULES[name](t / 100) for t in range(101)]
    assert all(0 <= share <= 1.01 for share in shares)
    assert max(shares) > 0.99


def test_judging_changes_nothing() -> None:
    model = DCGAN(IMAGE, LABELS, latent=8, channels=8)
    engine = Engine(model, ema=0.9)
    batch = Batch(examples(IMAGE), torch.arange(16).unsqueeze(1) % 3)
    play(engine, repeat(batch), 2)
    before = {k: v.clone() for k, v in engine.ema_model.state_dict().items()}
    terms = {"discriminator/real", "discriminator/fake", "discriminator/ordering", "generator/fool"}
    assert set(engine.evaluate([batch, batch])) == terms
    assert all(torch.equal(v, before[k]) for k, v in engine.ema_model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_goes_on_exactly_from_its_state() -> None:
    """Weights and state pass through plain contiguous tensors, as files hold them; the layout must
    not matter."""

    def fresh() -> DCGAN:
        torch.manual_seed(0)
        return DCGAN(IMAGE, None, latent=8, channels=8).to(memory_format=torch.channels_last)

    x, whole, broken, resumed = repeat(Batch(examples(IMAGE))), fresh(), fresh(), fresh()
    torch.manual_seed(1)
    play(Engine(whole), x, 6)

    torch.manual_seed(1)
    engine = Engine(broken)
    play(engine, x, 3)
    resumed.load_state_dict({k: v.contiguous() for k, v in broken.state_dict().items()})
    resumed.step = broken.step
    second = Engine(resumed)
    second.restore({k: v.contiguous() for k, v in engine.state().items()})
    play(second, x, 3)
    assert same(whole, resumed)


def test_bfloat16_computes_but_does_not_store() -> None:
    model = DCGAN(IMAGE, None, latent=8, channels=8)
    play(Engine(model, precision=torch.bfloat16), repeat(Batch(examples(IMAGE))), 2)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


class Moody(Model):
    """A game whose turns depend on the batch: what the engine must refuse."""

    players = {"a": adam(1e-3), "b": adam(1e-3)}

    def __init__(self) -> None:
        super().__init__(VECTOR)
        self.a, self.b = nn.Linear(6, 1), nn.Linear(6, 1)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        player = "a" if batch.x.sum() > 0 else "b"
        yield Turn(player, {"loss": self.get_submodule(player)(batch.x).mean()})


def test_micro_batches_play_in_step_or_not_at_all() -> None:
    x = torch.ones(4, 6)
    with pytest.raises(RuntimeError, match="out of step"):
        play(Engine(Moody(), accumulate=2), [Batch(x), Batch(-x)], 1)


def test_batches_can_start_anywhere() -> None:
    data = InMemory(examples(VECTOR, 50))
    model = AE(VECTOR, latent=2, width=16)
    stream = [b.x for b in islice(model.batches(data, 8, seed=3), 20)]
    for start in (0, 1, 5, 6, 7, 13):
        later = [b.x for b in islice(model.batches(data, 8, seed=3, start=start), 4)]
        assert all(torch.equal(p, q) for p, q in zip(stream[start:], later, strict=False))
    epoch = torch.cat(stream[:6])
    assert len(epoch.unique(dim=0)) == 48
