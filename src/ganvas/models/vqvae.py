"""VQ-VAE: an autoencoder with discrete latents, codes of a codebook (van den Oord et al., 2017)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..core import Batch, Space, Turn, adam
from ..core.space import Likelihood
from ._quantised import QuantisedAutoencoder


class VQVAE(QuantisedAutoencoder):
    """Every place of a small grid becomes the nearest of K vectors e_k, whose number k is the code:

    loss = -log p(x | e) + commitment |z - sg(e)|^2,    z = f(x),  e = the nearest e_k to z

    (equation 3) with sg the stop of gradients, which pass from e to z as if they were the same. The
    vectors themselves follow the means of what they stand for (appendix A.1 there). Both terms are
    means over numbers, so that neither depends on how large images are.

    A model of tokens can learn its codes: `ganvas train MODEL photos/ --through runs/vqvae`.

    Arguments:
        likelihood: p(x | e) of a value; see `ganvas.core.Continuous`.

    Example: ganvas train vqvae photos/ --size 64 --out runs/vqvae
    """

    players = {"autoencoder": adam(1e-3)}

    def __init__(
        self, space: Space, *, likelihood: Likelihood = "squared", **quantised: Any
    ) -> None:
        super().__init__(space.under(likelihood), **quantised)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        x = self.space.observe(batch.x)
        passed = self.autoencoder(x)
        loss = {
            "reconstruction": self.space.costs(passed.raw, x).mean(),
            **self.commitment(passed.quantised),
        }
        yield Turn("autoencoder", loss, self.autoencoder.quantizer.use(passed.quantised.codes))
        self.follow(passed)
