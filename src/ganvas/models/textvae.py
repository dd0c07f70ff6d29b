"""Text VAE: a variational autoencoder of sentences (Bowman et al., 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from math import log, pi

import torch
from torch import Tensor, nn

from ..abilities import Bounds, Generates, SamplesTokens, Scores, Tokenizes
from ..core import Batch, Continuous, Defaults, InputError, Model, Space, Tokens, Turn, adamw
from ..core.decoding import DEFAULT_DECODING, DecodingOptions
from ..nn import standard_normal
from ..nn.losses import kl_standard_normal
from ..nn.transformer import TokenTransformer
from ..runtime.errors import flag

HEAD = 64  # width of a head
WORDS = 4  # vectors that a latent is given to the decoder in
ROOM = 2**25  # logits that are computed together where examples are scored
LIKELIEST = DecodingOptions(top_k=1)


class TextVAE(Model, Generates, SamplesTokens, Tokenizes, Scores, Bounds):
    """A variational autoencoder with an autoregressive decoder:

    log p(x) >= E_q(z|x) sum over k of log p(x_k | x_<k, z) - KL(q(z | x) || N(0, 1))

    A decoder that can do without the latent leaves it unused (posterior collapse). Against that the
    KL term grows to its weight, some tokens are hidden from the decoder (both in the paper, section
    3.1), and some nats of KL are free in each latent dimension (Kingma et al., 2016). The log has
    the bits that latents carry, and the share that is active.

    Arguments:
        latent: Dimensions of the latent.
        width: Of the vectors of each place.
        depth: Layers of encoder and decoder.
        word_dropout: Share of tokens that are hidden from the decoder while it learns.
        free_bits: Nats of KL that are free in each latent dimension.
        warmup: Steps over which the KL term grows to its weight.
        dropout: Share of the decoder's layers' outputs that is left out at random while learning.

    Example: ganvas train textvae lines.txt --latent 32 --out runs/textvae-lines
    """

    players = {"autoencoder": adamw(1e-3, (0.9, 0.98), 0.1)}
    defaults = Defaults(
        batch=64,
        epochs=30,
        steps=3000,
        schedule="one-cycle",
        ema=0.99,
        early_stopping_metric="held_out/autoencoder/bound",
        data_options={"numbers": "bins"},
    )

    def __init__(
        self,
        space: Space,
        *,
        latent: int = 32,
        width: int = 256,
        depth: int = 4,
        word_dropout: float = 0.2,
        free_bits: float = 0.25,
        warmup: int = 500,
        dropout: float = 0.0,
    ) -> None:
        if not isinstance(space, Tokens):
            raise InputError(
                "textvae learns tokens, such as texts; vae is for images, rows and vectors"
            )
        if not 0 <= word_dropout < 1 or not 0 <= dropout < 1:
            raise InputError(
                f"{flag('word_dropout', word_dropout)} {flag('dropout', dropout)}: both are at"
                " least 0 and below 1"
            )
        heads = max(width // HEAD, 1)
        if width % (2 * heads):
            raise InputError(
                f"{flag('width', width)} cannot be split into {heads} heads; choose a multiple of"
                f" {2 * HEAD}"
            )
        super().__init__(space)
        self.places, self.latent, self.latents = space, latent, Continuous((latent,))
        self.word_dropout, self.free_bits, self.warmup = word_dropout, free_bits, warmup
        self.hyperparameters["beta"] = 1.0
        self.encoder = TokenTransformer(
            space, 1, width=width, depth=depth, heads=heads, causal=False
        )
        self.posterior_head = nn.Linear(width, 2 * latent)
        self.words = nn.Linear(latent, WORDS * width)
        self.decoder = TokenTransformer(
            space, WORDS, width=width, depth=depth, heads=heads, dropout=dropout
        )

    @property
    def _examples_at_once(self) -> int:
        """How many examples are scored together."""
        return max(ROOM // (self.places.length * self.places.vocabulary), 1)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x), each (B, latent)."""
        query = self.encoder.special.expand(len(x), 1, -1)
        mean, logvar = (
            self.posterior_head(self.encoder.with_condition(x, query)[:, 0]).float().chunk(2, 1)
        )
        return mean, logvar

    def costs(self, z: Tensor, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """-log p(x_k | x_<k, z) of every place, (B, length)."""
        counted = self.places.valid_places(x)
        longest = int(counted.sum(1).max())
        part, own = x[:, :longest], counted[:, :longest]
        h = self.decoder(part, self._words_of(z), None if hidden is None else hidden[:, :longest])
        return torch.zeros(x.shape, device=x.device).masked_scatter(
            counted, self.decoder.costs(h, part, own)
        )

    def turns(self, batch: Batch) -> Iterator[Turn]:
        mean, logvar = self.posterior(batch.x)
        warm = min(self.step / self.warmup, 1.0) if self.warmup else 1.0
        beta = self.hyperparameters["beta"] * warm
        z = mean + (logvar / 2).exp() * torch.randn_like(mean)
        hidden = None
        if torch.is_grad_enabled() and self.word_dropout > 0:
            hidden = torch.rand(batch.x.shape, device=batch.x.device) < self.word_dropout
        reconstruction = self.costs(z, batch.x, hidden).sum(1).mean()
        kl = kl_standard_normal(mean, logvar)
        spent = kl.mean(0).clamp(min=self.free_bits).sum()
        yield Turn(
            "autoencoder",
            {"reconstruction": reconstruction, "kl": beta * spent},
            self._notes(reconstruction.detach(), kl.detach().sum(1).mean(), mean.detach(), batch.x),
        )

    def _notes(
        self, reconstruction: Tensor, kl: Tensor, mean: Tensor, x: Tensor
    ) -> dict[str, Tensor]:
        """What the log shows beside the loss.

        bound: Minus the ELBO, in nats.
        bits: KL from the prior.
        active: Share of latents whose means have a variance above 0.01 over the batch (Burda et
            al., 2016, section 5.2).
        bits_per_token: The bound of each token.
        """
        symbols = self.places.valid_places(x).sum() / len(x)
        return {
            "bound": reconstruction + kl,
            "bits": kl / log(2),
            "active": (mean.var(0, correction=0) > 0.01).float().mean(),
            "bits_per_token": (reconstruction + kl) / symbols / log(2),
        }

    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Minus the ELBO at the posterior's mean, in nats; of it, the KL term belongs to no
        place."""
        parts = []
        for part in x.split(self._examples_at_once):
            mean, logvar = self.posterior(part)
            parts.append((self.costs(mean, part), kl_standard_normal(mean, logvar).sum(1)))
        costs, kl = (torch.cat(own) for own in zip(*parts, strict=True))
        return costs.sum(1) + kl, costs

    def bound(self, x: Tensor, samples: int = 1) -> Tensor:
        """-log of the mean over `samples` of p(x, z) / q(z | x), z ~ q (Burda et al., 2016)."""
        mean, logvar = self.posterior(x)
        total = torch.full((len(x),), -torch.inf, device=x.device)
        most = max(self._examples_at_once // len(x), 1)
        for start in range(0, samples, most):
            count = min(most, samples - start)
            total = torch.logaddexp(total, self._log_weights(x, mean, logvar, count).logsumexp(0))
        return log(samples) - total

    def _log_weights(self, x: Tensor, mean: Tensor, logvar: Tensor, samples: int) -> Tensor:
        """log p(x | z) + log p(z) / q(z | x) of fresh z, (samples, B)."""
        noise = torch.randn(samples, *mean.shape, device=x.device)
        z = mean + (logvar / 2).exp() * noise
        costs = self.costs(z.flatten(0, 1), x.repeat(samples, 1)).sum(1).view(samples, -1)
        log_prior = -(z.square() + log(2 * pi)).sum(2) / 2
        log_posterior = -(noise.square() + logvar + log(2 * pi)).sum(2) / 2
        return log_prior - log_posterior - costs

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        return self._write(self.prior(n, truncation), DEFAULT_DECODING)

    def sample_tokens(self, n: int, y: Tensor | None, how: DecodingOptions) -> Tensor:
        if how.guidance != 1 or how.decoding_steps:
            raise InputError(
                f"{flag('guidance')} and {flag('decoding_steps')} are for transformer; textvae has"
                f" {flag('temperature')}, {flag('top_k')}, {flag('top_p')}"
            )
        return self._write(self.prior(n), how)

    def prior(self, n: int, truncation: float | None = None) -> Tensor:
        return standard_normal(n, self.latent, self.device, truncation)

    def encode(self, x: Tensor) -> Tensor:
        return torch.cat([self.posterior(part)[0] for part in x.split(self._examples_at_once)])

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Texts of latents, at every place the likeliest token."""
        return self._write(z, LIKELIEST)

    def _words_of(self, z: Tensor) -> Tensor:
        """Latents as the decoder gets them, (B, WORDS, width)."""
        return self.words(z).unflatten(1, (WORDS, -1))

    def _write(self, z: Tensor, how: DecodingOptions) -> Tensor:
        blank = torch.full((len(z), self.places.length), self.places.end or 0, device=z.device)
        return self.decoder.fill(
            blank, torch.zeros_like(blank, dtype=torch.bool), self._words_of(z), how
        )
