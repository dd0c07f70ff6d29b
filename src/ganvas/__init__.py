"""Ganvas trains, judges and uses GANs and autoencoders on your own images, tables, text and
video."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Trained, evaluate, load, train
    from .core import Continuous, InputError, Mixed, Model, Tokens, Turn

__version__ = "0.1.0"

_HOMES = {
    "Trained": "api",
    "evaluate": "api",
    "load": "api",
    "train": "api",
    "Continuous": "core",
    "InputError": "runtime.errors",
    "Mixed": "core",
    "Model": "core",
    "Tokens": "core",
    "Turn": "core",
}

__all__ = [
    "Continuous",
    "InputError",
    "Mixed",
    "Model",
    "Tokens",
    "Trained",
    "Turn",
    "evaluate",
    "load",
    "train",
]


def __getattr__(name: str) -> Any:
    """Public names are imported when first used, so that `import ganvas` does not wait for
    torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ganvas' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
