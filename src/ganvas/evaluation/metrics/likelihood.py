"""Evidence bounds of held-out examples (Kingma & Welling, 2014; Burda et al., 2016)."""

from __future__ import annotations

from math import log, prod

import torch
from torch import Tensor

from ...abilities import Bounds
from ...core import Estimate, Evidence, Measured, Tokens, seeded_rng
from ...core.statistics import bootstrap_mean

SAMPLES = 32


def likelihood(model: Bounds, evidence: Evidence) -> Measured:
    """How surprised the model is by held-out examples: bounds on -log p(x), lower is better.

    The ELBO (one sample), and the importance-weighted bound with 32 samples, in nats; in bits per
    dimension too where the model's likelihood is one of 8-bit or binary data; of text in bits per
    token and per byte.
    """
    x = evidence.held_out.x
    with seeded_rng(0), torch.no_grad():
        elbo, tight = (
            torch.cat([model.bound(part, k) for part in x.split(128)]) for k in (1, SAMPLES)
        )
    numbers = {
        "-ELBO (nats)": bootstrap_mean(elbo),
        f"-log p, {SAMPLES} samples (nats)": bootstrap_mean(tight),
    }
    if isinstance(model.space, Tokens) and model.space.bytes:
        numbers["bits per token"] = _ratio(tight, model.space.valid_places(x).sum(1))
        numbers["bits per byte"] = _ratio(tight, model.space.size_in_bytes(x))
    elif model.space.is_likelihood:
        numbers["bits per dimension"] = bootstrap_mean(tight / (prod(x.shape[1:]) * log(2)))
    return Measured(numbers, dict.fromkeys(numbers, False))


def _ratio(nats: Tensor, parts: Tensor) -> Estimate:
    """Bits for each part of all examples, nats and parts (N,): long ones count for more."""
    return bootstrap_mean(nats / (parts.double().mean() * log(2)))
