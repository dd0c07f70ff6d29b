"""What a task may ask of a person's data beside plain tensors."""

from __future__ import annotations

from typing import ClassVar


class Input:
    """A type that a task's signature names, and that data is opened as (`Source.views`)."""

    refusal: ClassVar[str] = "{asker} asks for what cannot be had of {data}"
    """What is said where the data is of a kind that has no such view."""
