"""How much noise a promise of privacy takes: what Opacus's accountant says of a training."""

from __future__ import annotations

from warnings import catch_warnings, simplefilter

from ..core import InputError
from ..core.privacy import Promise
from ..runtime.errors import flag


def privacy_promise(epsilon: float, delta: float, rows: int, batch: int, n_steps: int) -> Promise:
    """What a training with the least noise that keeps an epsilon promises (Mironov, 2017: Rényi
    accounting).

    delta: 0 for 1 / rows^1.1.
    batch: Examples expected in a step: each of the rows takes part with the same probability.

    Raises InputError where the accountant is not installed, or no noise is enough.
    """
    try:
        from opacus.accountants import RDPAccountant
        from opacus.accountants.utils import get_noise_multiplier
    except ImportError as error:
        raise InputError(
            f"{flag('epsilon')} needs an accountant of privacy: pip install 'ganvas[privacy]'"
        ) from error
    delta, rate = delta or rows**-1.1, min(batch / rows, 1.0)
    accountant = RDPAccountant()
    with catch_warnings():
        simplefilter("ignore")  # that the bound could be tighter
        try:
            noise = get_noise_multiplier(
                target_epsilon=epsilon,
                target_delta=delta,
                sample_rate=rate,
                steps=n_steps,
                accountant="rdp",
            )
        except ValueError as error:
            raise InputError(
                f"{flag('epsilon', epsilon)} needs endless noise on {rows:,} rows; ask for more"
            ) from error
        accountant.history = [(noise, rate, n_steps)]
        return Promise(max(accountant.get_epsilon(delta), 0.0), delta, noise)
