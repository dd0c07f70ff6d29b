"""Deep convolutional GAN (Radford et al., 2015)."""

from __future__ import annotations

from ._convolutional import Convolutional


class DCGAN(Convolutional):
    """Strided convolutions, batch normalisation, ReLU in the generator, leaky ReLU in the
    discriminator.

    min over G, max over D of  E log D(x) + E log(1 - D(G(z)))

    Weights start from N(0, 0.02) and Adam runs with learning rate 2e-4 and beta_1 0.5 (section 4
    of the paper). With 64 channels and 64-pixel images these are the networks of figure 1 at half
    their width.

    Example: ganvas train dcgan photos/ --size 64 --out runs/dcgan-photos
    """
