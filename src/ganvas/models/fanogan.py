"""f-AnoGAN: anomaly detection by inverting a generator (Schlegl et al., 2019)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..abilities import Autoencodes, Generates, Scores
from ..core import Batch, Defaults, Model, Space, Turn, adam
from ..nn import Network, decoder, discriminator, encoder, standard_normal
from ..nn.losses import critic_generator_loss, critic_loss, gradient_penalty, ordering
from ._adversarial import refuse_tokens


class FAnoGAN(Model, Generates, Autoencodes, Scores):
    """A Wasserstein GAN (Gulrajani et al., 2017), and an encoder E that inverts its generator:

    D maximises E D(x) - E D(G(z)) - penalty E (|grad D| - 1)^2,      G maximises E D(G(z))
    E minimises A(x) = mean (x - G(E(x)))^2 + kappa mean (f(x) - f(G(E(x))))^2

    (izi_f of the paper) with f the features of D's last layer. A is also the anomaly score. G and D
    learn nothing from the encoder: an anomalous example has no latent, and stays far from all
    samples. Errors of categories are cross-entropies. The encoder plays in every step, against the
    generator of that step, where the paper trains it afterwards.

    Arguments:
        latent: Dimensions of the noise that an example is generated from.
        kappa: Weight of the features' error.
        penalty: Weight of the gradient penalty.
        discriminator_steps: Steps the discriminator plays for each one of the generator's.
        network: Kind of network; `fitting` takes convolutions for images and a perceptron for the
            rest.
        width: Units of a layer, or channels at half resolution; 0 for 512 units or 32 channels.
        depth: Hidden layers, or layers at each resolution; 0 for 2 hidden layers or 1 layer.

    Example: ganvas train fanogan photos/ --size 32 --out runs/fanogan-photos
    """

    players = {
        "discriminator": adam(2e-4, (0.0, 0.9)),
        "generator": adam(2e-4, (0.0, 0.9)),
        "encoder": adam(5e-4),
    }
    defaults = Defaults(batch=64, epochs=50, steps=5000)

    def __init__(
        self,
        space: Space,
        *,
        latent: int = 32,
        kappa: float = 1.0,
        penalty: float = 10.0,
        discriminator_steps: int = 1,
        network: Network = "fitting",
        width: int = 0,
        depth: int = 0,
    ) -> None:
        super().__init__(space)
        refuse_tokens(space)
        self.latent, self.kappa, self.penalty = latent, kappa, penalty
        self.second_order = True
        self.discriminator_steps = discriminator_steps
        self.generator = decoder(space, latent, network, width, depth)
        self.discriminator = discriminator(space, network, width, depth)
        self.encoder = encoder(space, latent, network, width, depth)

    def turns(self, batch: Batch) -> Iterator[Turn]:
        x, fake = batch.x, self.space.activate(self.generator(self.prior(len(batch))))
        penalty = gradient_penalty(self.discriminator, x, fake.detach()).mean()
        logits = self.discriminator(x), self.discriminator(fake.detach())
        terms = critic_loss(*logits) | {"penalty": self.penalty * penalty}
        yield Turn("discriminator", terms, {"ordering": ordering(*logits)})
        if self.step % self.discriminator_steps == 0:
            yield Turn("generator", critic_generator_loss(self.discriminator(fake)))
        costs, features = self.residuals(x)
        yield Turn("encoder", {"residual": costs.mean(), "features": features.mean()})

    def residuals(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Error of each place, (B, *places), and kappa times that of the features, (B,)."""
        raw = self.generator(self.encoder(x))
        apart = self.discriminator.features(x) - self.discriminator.features(self.space.mean(raw))
        return self.space.costs(raw, x), self.kappa * apart.float().square().mean(1)

    def score_with_attribution(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """A(x) times the number of places, so that it is the sum of their costs and the features'
        error, which belongs to no place."""
        costs, features = self.residuals(x)
        return costs.flatten(1).sum(1) + costs[0].numel() * features, costs

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        return self.decode(self.prior(n, truncation))

    def prior(self, n: int, truncation: float | None = None) -> Tensor:
        return standard_normal(n, self.latent, self.device, truncation)

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.space.draw(self.generator(z))
