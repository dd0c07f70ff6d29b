"""What a person gave, opened as what a task wants: examples, images of any size, rows with missing
values, codes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..runtime import registry
from ..runtime.errors import InputError, flag
from .data import Data, held_out_rows
from .examples import LabelledExamples, NamedExamples
from .inputs import Input
from .modality import Modality
from .scoring import Part


@dataclass(frozen=True)
class Source(ABC):
    """What a person gave, before it is read: each view reads it anew.

    modality: What it is read as.
    given: Files, or what was in memory.
    device: Where what is read lives.
    held_out: Share that the model's training held out.
    fingerprint: Tells the model's weights and what its modality learned from all others.
    """

    modality: Modality
    given: Any
    device: torch.device
    held_out: float
    fingerprint: Callable[[], str]

    @abstractmethod
    def examples(self) -> Data:
        """All of it, which must look like what was learned from. Raises InputError on bad input."""

    def parts(self) -> Iterator[Part]:
        """All of it, part after part, which may hold what was never learned: it reads as what comes
        nearest.

        Beside each part what that hides, in nats for each place of each example, or (): to be added
        to `Space.costs`.
        """
        yield self.examples(), torch.zeros(())

    def follow(self, wait: Callable[[float], bool]) -> Iterator[Part]:
        """Like `parts`, of a file that grows: first what is in it, then what is added.

        wait: Waits so many seconds for more; says whether to stop instead.

        Raises InputError where such files do not grow.
        """
        raise InputError(
            f"{flag('follow')} is for rows and series, in CSV or JSON lines; these files do not"
            " grow"
        )

    def tensor(self) -> Tensor:
        """All examples at once, (n, *space.shape)."""
        return self.examples().gather().x.to(self.device)

    def named(self) -> NamedExamples:
        """All examples at once, their names, and labels where they have them."""
        parts = [data for data, _ in self.parts()]
        wholes = [data.gather() for data in parts]
        names = [name for data in parts for name in data.names]
        labels = [whole.y for whole in wholes if whole.y is not None]
        x = torch.cat([whole.x for whole in wholes]).to(self.device)
        y = torch.cat(labels).to(self.device) if labels else None
        return NamedExamples(x, names, y, self.modality.classes)

    def labelled(self) -> LabelledExamples:
        """All examples at once, and their classes. Raises InputError where they have none."""
        data, classes = self.examples(), self.modality.classes
        whole = data.gather()
        if whole.y is None:
            raise InputError(
                "what is given has no labels, so there is no class to add to; put images into one"
                " sub-folder per class"
            )
        out = held_out_rows(data.keys(), self.held_out)
        y = whole.y.squeeze(1).to(self.device)
        return LabelledExamples(whole.x.to(self.device), y, classes, out)

    @property
    def views(self) -> Mapping[Any, Callable[[], Any]]:
        """All that it can be opened as, by the type that a task's signature names."""
        views = {Tensor: self.tensor, NamedExamples: self.named}
        return views | ({LabelledExamples: self.labelled} if self.modality.classes else {})

    def offers(self, kinds: Sequence[Any]) -> bool:
        """Whether it can be opened as one of these types, whatever is in it."""
        return any(kind in self.views for kind in kinds)

    def view(self, kinds: Sequence[Any], asker: str) -> Any:
        """What was given as the first of these types that such data can be opened as.

        asker: Name of the task that asks for it.

        Raises InputError where it is none of them, or on bad input.
        """
        views = self.views
        for kind in kinds:
            if kind in views:
                return views[kind]()
        raise refusal(kinds[-1], asker, self.modality)

    @property
    def where(self) -> str:
        """What to call it in a message: its path, or its type."""
        if isinstance(self.given, str | Path):
            return str(self.given)
        return f"the {type(self.given).__name__}"


def refusal(kind: type[Input], asker: str, modality: Modality) -> InputError:
    """What is to be said where data of a modality cannot be opened as what a task asks for."""
    return InputError(kind.refusal.format(asker=asker, data=registry.name_of(type(modality))))
