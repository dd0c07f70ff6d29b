"""Models that draw more boldly than they would by themselves, or more than they give."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...abilities import Samples, SamplesTokens, ScoresPrompts
from ...core import InputError
from ...core.decoding import DecodingOptions
from ...runtime.errors import flag


class WithDecodingOptions(Samples):
    """A model that draws as it is told: itself a model that draws."""

    def __init__(self, model: SamplesTokens, how: DecodingOptions) -> None:
        self.model, self.how, self.space, self.condition = model, how, model.space, model.condition

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        return self.model.sample_tokens(n, y, self.how)


def with_decoding_options(model: Samples, **said: Any) -> Samples:
    """The model, told what was said, if anything was. Raises InputError where it does not draw
    symbols."""
    said = {name: value for name, value in said.items() if value is not None}
    if not said:
        return model
    if not isinstance(model, SamplesTokens):
        words = ", ".join(map(flag, said))
        raise InputError(
            f"{words}: for models that draw symbols, such as transformer; leave out what this one"
            " cannot"
        )
    return WithDecodingOptions(model, DecodingOptions(**said))


class BestOfSeveral(Samples):
    """A model that draws more than it gives: of so many, that which fits best. Itself a model that
    draws.

    fit: Knows how well examples fit.
    """

    def __init__(self, model: Samples, fit: ScoresPrompts, best: int) -> None:
        self.model, self.fit, self.best, self.space, self.condition = (
            model,
            fit,
            best,
            model.space,
            model.condition,
        )

    def sample(self, n: int, y: Tensor | None = None, truncation: float | None = None) -> Tensor:
        assert y is not None, "what nothing was asked of fits nothing"
        many = y.repeat_interleave(self.best, 0)
        x = self.model.sample(n * self.best, many, truncation)
        first = self.fit.prompt_score(x, many.to(x.device)).view(n, self.best).argmax(1)
        result: Tensor = x.unflatten(0, (n, self.best))[torch.arange(n), first]
        return result


def best_of_several(model: Samples, fit: Samples, y: Tensor | None, best: int) -> Samples:
    """The model, or one that chooses. Raises InputError where nothing tells how well examples
    fit."""
    if best == 1:
        return model
    if best < 1 or y is None or not isinstance(fit, ScoresPrompts):
        raise InputError(
            f"{flag('best', best)}: 1 or more, with a {flag('prompt')} or {flag('label')}, of a"
            " model such as transformer"
        )
    return BestOfSeveral(model, fit, best)
