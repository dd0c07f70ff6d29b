"""Variational autoencoder: latents that are distributions (Kingma & Welling, 2014)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log, pi
from typing import Literal

import torch
from torch import Tensor

from ..abilities import Bounds, Completes, Generates, ResamplesPosterior, Scores, Tokenizes
from ..core import (
    Batch,
    Continuous,
    Defaults,
    InputError,
    Model,
    Space,
    Tokens,
    Turn,
    adam,
    seeded_generator,
)
from ..core.space import Likelihood, draw_symbol
from ..nn import Network, decoder, encoder, standard_normal
from ..nn.losses import kl_standard_normal
from ..runtime.errors import flag

Score = Literal["elbo", "regret"]

SWEEPS = 40  # in which missing values are drawn again and again
PACE = 0.05  # learning rate of Adam on the posterior of a single example


class VAE(Model, Generates, ResamplesPosterior, Tokenizes, Scores, Bounds, Completes):
    """Maximises a lower bound of log p(x), the ELBO:

    log p(x) >= E_q(z|x) log p(x | z) - beta KL(q(z | x) || p(z))
    q(z | x) = N(mean(x), var(x)),    p(z) = N(0, 1)

    with z = mean(x) + sqrt(var(x)) noise, so that gradients pass (equations 3 and 10 of the paper);
    beta from Higgins et al. (2017), free bits from Kingma et al. (2016, equation 15).

    Arguments:
        latent: Dimensions of the latent.
        likelihood: p(x | z) of images and vectors; see `ganvas.core.Continuous`.
        samples: Latents per example; above 1 the importance-weighted bound (Burda et al., 2016) is
            maximised.
        beta: Weight of the KL term once warm.
        warmup: Steps over which the KL term grows to its weight.
        free_bits: Nats of KL that are free in each latent dimension.
        score: Anomaly score: `elbo` for minus the ELBO, `regret` for how far that is from its best.
        network: Kind of network; `fitting` takes convolutions for images and a perceptron for the
            rest.
        width: Units of a layer, or channels at half resolution; 0 for 512 units or 32 channels.
        depth: Hidden layers, or layers at each resolution; 0 for 2 hidden layers or 1 layer.

    Example: ganvas train vae photos/ --latent 32 --out runs/vae-photos
    """

    players = {"autoencoder": adam(1e-3)}
    defaults = Defaults(batch=128, epochs=40, steps=3000)
    objective_options = frozenset({"score"})

    def __init__(
        self,
        space: Space,
        *,
        latent: int = 32,
        likelihood: Likelihood = "gaussian",
        samples: int = 1,
        beta: float = 1.0,
        warmup: int = 0,
        free_bits: float = 0.0,
        score: Score = "elbo",
        network: Network = "fitting",
        width: int = 0,
        depth: int = 0,
    ) -> None:
        if samples > 1 and free_bits:
            raise InputError(
                "free bits need the bound of one latent per example; leave out"
                f" {flag('free_bits')} or {flag('samples')}"
            )
        super().__init__(space.under(likelihood))
        self.latent, self.samples, self.latents = latent, samples, Continuous((latent,))
        self.warmup, self.free_bits = warmup, free_bits
        self.by_regret = score == "regret"
        self.hyperparameters["beta"] = beta
        self.encoder = encoder(self.space, 2 * latent, network, width, depth)
        self.decoder = decoder(self.space, latent, network, width, depth)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x), each (B, latent)."""
        mean, logvar = self.encoder(x).float().chunk(2, 1)
        return mean, logvar

    def turns(self, batch: Batch) -> Iterator[Turn]:
        x = self.space.observe(batch.x)
        mean, logvar = self.posterior(x)
        warm = min(self.step / self.warmup, 1.0) if self.warmup else 1.0
        beta = self.hyperparameters["beta"] * warm
        if self.samples > 1:
            weights = self._log_weights(x, mean, logvar, self.samples, beta)
            loss = {"bound": (log(self.samples) - weights.logsumexp(0)).mean()}
        else:
            raw = self.decoder(mean + (logvar / 2).exp() * torch.randn_like(mean))
            kl = kl_standard_normal(mean, logvar).mean(0)
            loss = {
                "reconstruction": self.space.nll(raw, x).mean(),
                "kl": beta * kl.clamp(min=self.free_bits).sum(),
            }
        yield Turn("autoencoder", loss, _notes(mean, logvar))

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        return self.space.draw(self.decoder(self.prior(n, truncation)))

    def prior(self, n: int, truncation: float | None = None) -> Tensor:
        return standard_normal(n, self.latent, self.device, truncation)

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.space.likeliest(self.decoder(z))

    def resample_posterior(self, x: Tensor, n: int) -> Tensor:
        mean, logvar = self.posterior(x)
        z = mean + (logvar / 2).exp() * torch.randn(n, *mean.shape, device=x.device)
        return self.space.noisy(self.decoder(z.flatten(0, 1))).unflatten(0, (n, -1))

    def complete(
        self, x: Tensor, known: Tensor, allowed: Mapping[int, Tensor] | None = None
    ) -> Tensor:
        """Sweeps of z ~ q(z | x), x' = the mean of p(x | z), of which missing values are taken, and
        known ones kept: a chain that comes near p(missing | known) (Rezende et al., 2014, appendix
        F), from the decoded mean of the prior.

        The paper draws x'; here numbers have no noise, which would be visible, and the last z is
        the posterior's mean.
        """
        filled = torch.where(
            known,
            x,
            self._draw_filling(x.new_zeros(len(x), self.latent, dtype=torch.float32), allowed),
        )
        for sweep in range(SWEEPS):
            mean, logvar = self.posterior(filled)
            noise = torch.randn_like(mean) if sweep < SWEEPS - 1 else torch.zeros_like(mean)
            filled = torch.where(
                known, x, self._draw_filling(mean + (logvar / 2).exp() * noise, allowed)
            )
        return filled

    def _draw_filling(self, z: Tensor, allowed: Mapping[int, Tensor] | None) -> Tensor:
        """Values of decoded latents for what is missing; tokens are drawn, among those allowed."""
        raw = self.decoder(z)
        if not isinstance(self.space, Tokens):
            return self.space.likeliest(raw)
        places = [logits.float().clone() for logits in self.space.places(raw)]
        for place, may in (allowed or {}).items():
            places[place][:, ~may.to(raw.device)] = -torch.inf
        return torch.stack([draw_symbol(logits) for logits in places], 1)

    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Minus the ELBO at the posterior's mean, in nats, of which the KL term belongs to no
        place; or the regret."""
        if self.by_regret:
            return self.regret(x)
        mean, logvar = self.posterior(x)
        costs = self.space.costs(self.decoder(mean), x)
        return costs.flatten(1).sum(1) + kl_standard_normal(mean, logvar).sum(1), costs

    def regret(self, x: Tensor, steps: int = 25) -> tuple[Tensor, Tensor]:
        """How much the ELBO of each example gains, in nats, from a posterior fitted to it alone;
        and at which places.

        Likelihood regret (Xiao et al., 2020): the decoder stays, and the mean and variance of
        q(z | x) take `steps` of Adam from the encoder's. The fit's cost in KL is taken off the
        places' gains in proportion.
        """
        noise = torch.randn(1, self.latent, generator=seeded_generator(0)).to(x.device)
        # the same for all examples and steps, so that the objective is a fixed function
        noise = torch.stack([noise, -noise])
        first = self.posterior(x)
        costs, kl = self._elbo(x, noise, *first)
        best_costs, best_kl = self._elbo(x, noise, *self._fit_posterior(x, noise, first, steps))
        gains = costs - best_costs
        gained = gains.flatten(1).sum(1)
        regret = (gained + kl - best_kl).clamp(min=0)
        kept = torch.where(gained > regret, regret / gained, 1.0)
        return regret, gains * kept.view(-1, *[1] * (gains.dim() - 1))

    @torch.enable_grad()  # scores are computed under no_grad
    def _fit_posterior(
        self, x: Tensor, noise: Tensor, first: tuple[Tensor, Tensor], steps: int
    ) -> list[Tensor]:
        """Mean and log-variance of q(z | x), both (B, latent), fitted to each x from the first
        ones."""
        fitted = [part.detach().clone().requires_grad_() for part in first]
        optimizer = torch.optim.Adam(fitted, lr=PACE)
        for _ in range(steps):
            optimizer.zero_grad()
            costs, kl = self._elbo(x, noise, *fitted)
            (costs.sum() + kl.sum()).backward(inputs=fitted)
            optimizer.step()
        return [part.detach() for part in fitted]

    def _elbo(
        self, x: Tensor, noise: Tensor, mean: Tensor, logvar: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The terms of minus the ELBO: costs of places (B, *places), averaged over noise
        (S, 1, latent), and KL (B,)."""
        z = mean + (logvar / 2).exp() * noise
        repeated = x.expand(len(noise), *x.shape).flatten(0, 1)
        costs = self.space.costs(self.decoder(z.flatten(0, 1)), repeated)
        return costs.unflatten(0, (len(noise), -1)).mean(0), kl_standard_normal(mean, logvar).sum(1)

    def bound(self, x: Tensor, samples: int = 1) -> Tensor:
        """-log of the mean over `samples` of p(x, z) / q(z | x), z ~ q (Burda et al., 2016,
        equation 8).

        One sample gives the ELBO. Examples are binarised or dequantised once, where the likelihood
        needs that.
        """
        x = self.space.observe(x)
        mean, logvar = self.posterior(x)
        total = torch.full((len(x),), -torch.inf, device=x.device)
        at_once = max(1, min(samples, 8192 // len(x)))
        for start in range(0, samples, at_once):
            weights = self._log_weights(x, mean, logvar, min(at_once, samples - start))
            total = torch.logaddexp(total, weights.logsumexp(0))
        return log(samples) - total

    def _log_weights(
        self, x: Tensor, mean: Tensor, logvar: Tensor, samples: int, beta: float = 1.0
    ) -> Tensor:
        """log p(x | z) + beta log p(z) / q(z | x) of fresh z, shape (samples, B)."""
        noise = torch.randn(samples, *mean.shape, device=x.device)
        z = mean + (logvar / 2).exp() * noise
        raw = self.decoder(z.flatten(0, 1))
        error = self.space.nll(raw, x.expand(samples, *x.shape).flatten(0, 1)).view(samples, -1)
        log_prior = -(z.square() + log(2 * pi)).sum(2) / 2
        log_posterior = -(noise.square() + logvar + log(2 * pi)).sum(2) / 2
        return -error + beta * (log_prior - log_posterior)


@torch.no_grad()
def _notes(mean: Tensor, logvar: Tensor) -> dict[str, Tensor]:
    """How much latents say about examples, from posteriors' mean and log-variance, (B, latent).

    bits: KL from the prior, of all latents.
    active: Share of latents whose means have a variance above 0.01 over the batch (active units;
        Burda et al., 2016, section 5.2).
    """
    bits = kl_standard_normal(mean, logvar).sum(1).mean() / log(2)
    return {"bits": bits, "active": (mean.var(0, correction=0) > 0.01).float().mean()}
