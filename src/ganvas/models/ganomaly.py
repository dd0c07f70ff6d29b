"""GANomaly: anomaly detection by the distance of latents (Akcay et al., 2018)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from ..abilities import Autoencodes, Scores
from ..core import Batch, Defaults, Model, Space, Turn, adam
from ..nn import Network, decoder, discriminator, encoder
from ..nn.losses import discriminator_loss, ordering
from ._adversarial import refuse_tokens


class GANomaly(Model, Autoencodes, Scores):
    """An autoencoder x -> z -> x' within a GAN, and a second encoder E from x' to a latent z':

    z = G_E(x),  x' = G_D(z),  z' = E(x');       D maximises E log D(x) + E log(1 - D(x'))
    G minimises  adversarial |f(x) - f(x')|^2 + contextual |x - x'|_1 + latents |z - z'|^2

    the adversarial, contextual and encoder loss of the paper, each the mean over coordinates; f are
    the features of D's last layer. The anomaly score is the paper's, A(x) = |z - z'|_1; its
    authors' program squares the difference.

    Arguments:
        latent: Dimensions of the latent.
        adversarial: Weight of the features' distance (w_adv).
        contextual: Weight of the reconstruction's error (w_con).
        latents: Weight of the latents' distance (w_enc).
        network: Kind of network; `fitting` takes convolutions for images and a perceptron for the
            rest.
        width: Units of a layer, or channels at half resolution; 0 for 512 units or 32 channels.
        depth: Hidden layers, or layers at each resolution; 0 for 2 hidden layers or 1 layer.

    Example: ganvas train ganomaly photos/ --size 32 --out runs/ganomaly-photos
    """

    players = {"discriminator": adam(2e-4, (0.5, 0.999)), "generator": adam(2e-4, (0.5, 0.999))}
    defaults = Defaults(batch=64, epochs=50, steps=5000)

    def __init__(
        self,
        space: Space,
        *,
        latent: int = 32,
        adversarial: float = 1.0,
        contextual: float = 50.0,
        latents: float = 1.0,
        network: Network = "fitting",
        width: int = 0,
        depth: int = 0,
    ) -> None:
        super().__init__(space)
        refuse_tokens(space)
        self.adversarial, self.contextual, self.latents = adversarial, contextual, latents
        self.generator = nn.ModuleDict(
            {
                "encoder": encoder(space, latent, network, width, depth),
                "decoder": decoder(space, latent, network, width, depth),
                "again": encoder(space, latent, network, width, depth),
            }
        )
        self.discriminator = discriminator(space, network, width, depth)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        x = batch.x
        z = self.encode(x)
        fake = self.space.mean(self.generator["decoder"](z))
        logits = self.discriminator(x), self.discriminator(fake.detach())
        yield Turn("discriminator", discriminator_loss(*logits), {"ordering": ordering(*logits)})
        apart = self.discriminator.features(x).detach() - self.discriminator.features(fake)
        loss = {
            "adversarial": self.adversarial * apart.float().square().mean(),
            "contextual": self.contextual * (x - fake).abs().mean(),
        }
        error = (z - self.generator["again"](fake)).float()
        loss["latents"] = self.latents * error.square().mean()
        yield Turn("generator", loss)

    def encode(self, x: Tensor) -> Tensor:
        return self.generator["encoder"](x)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.space.activate(self.generator["decoder"](z))

    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """A(x). As latents have no places, it is attributed in proportion to the reconstruction's
        costs."""
        z = self.encode(x)
        raw = self.generator["decoder"](z)
        score = (z - self.generator["again"](self.space.mean(raw))).float().abs().sum(1)
        costs = self.space.costs(raw, x)
        share = score / costs.flatten(1).sum(1).clamp(min=1e-12)
        return score, costs * share.view(-1, *[1] * (costs.dim() - 1))
