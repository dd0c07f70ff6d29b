"""Semantic editing: change what images mean, such as more of a smile, older, longer sleeves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from ...abilities import Decodes, Generates, Samples
from ...core import InputError, NamedExamples, TrainingExamples, seeded_rng
from ...core.attributes import Attributes
from ...core.options import File
from ...results.edited import Edited
from ...runtime.errors import flag
from .directions import By, Scale, attribute_direction, discover_directions, orthogonal_to
from .inversion import DRAWN, Latents, learned_features, make_encoder

KNOWN = 4000  # examples that directions are learned from, at most
CORRECTIONS = 4  # of what was to be held and has changed
BASES = 24  # latents where directions are looked for


def edit(
    model: Decodes,
    x: NamedExamples,
    practised: TrainingExamples,
    *,
    attribute: str | None = None,
    attributes: Annotated[Attributes | None, File()] = None,
    examples: Annotated[NamedExamples | None, File()] = None,
    has: Annotated[Tensor | None, File()] = None,
    lacks: Annotated[Tensor | None, File()] = None,
    found: int | None = None,
    hold: str | None = None,
    by: By = "boundary",
    strength: str = "-2..2",
    steps: int = 5,
    inversion_steps: int = 600,
    seed: int = 0,
) -> Edited:
    """Moves examples along a direction of meaning in the latents, to several strengths.

    attribute: What is to be changed: a column of the attributes, or a class that the model learned.
    attributes: CSV file whose first column names images and whose others are numbers, or true and
        false.
    examples: Images that attributes or classes are known of; by default those of the training.
    has: Examples of what is to be had more of...
    lacks: ...and others that lack it, instead of an attribute.
    found: Directions to find without knowing anything: those along which examples change most.
    hold: Attributes that shall stay as they are, with commas between.
    by: Direction across the boundary of an attribute, or from the mean of those that lack it to
        those that have it.
    strength: From where to where, in standard deviations of all examples along the direction; or
        one number.
    steps: Strengths, both ends included.
    inversion_steps: In which an encoder learns to invert a generator that has none.
    seed: The same seed gives the same edits.

    Latents come from the model's encoder; a generator without one is inverted. Of each example is
    told how faithfully it is rendered before it is edited, and how much of its identity is kept, by
    features learned without labels.

    Example: ganvas edit runs/vae-faces photos/ --attribute smiling --attributes faces.csv --out
        smiles/
    """
    strengths = _strengths(strength, steps)
    if inversion_steps < 1:
        raise InputError(f"{flag('inversion_steps')} is {inversion_steps}; ask for at least one")
    _one_of(attribute, has, lacks, found)
    features = _features(model, x, practised, inversion_steps // 2, seed)
    latents = make_encoder(model, seed, features, inversion_steps)
    if found is None:
        known = _known(attribute, attributes, has, lacks, examples, practised)
        scale, directions, widths, held = _labelled(
            latents, known, hold.split(",") if hold else [], by
        )
    else:
        scale, directions, widths = _telling(latents, x, practised, found, seed)
        held = directions[:0]
    names = (
        (attribute or "has",)
        if found is None
        else tuple(f"direction {i + 1}" for i in range(len(directions)))
    )
    z, y = latents.best(x.x, x.y)
    walk = Walk(latents, scale, directions * widths[:, None], held)
    return _told(x, *walk.along(z, y, strengths), strengths, names, features)


def _strengths(words: str, steps: int) -> tuple[float, ...]:
    """Strengths from words such as -2..2, or 3."""
    parts = words.split("..")
    try:
        ends = [float(part) for part in parts]
    except ValueError:
        ends = []
    if len(ends) not in (1, 2) or not all(map(isfinite, ends)):
        raise InputError(
            f"{flag('strength')} is {words!r}; say from where to where, such as -2..2, or one"
            " number"
        )
    if len(ends) == 1:
        return tuple(ends)
    if steps < 2:
        raise InputError(f"{flag('steps')} is {steps}; a strip has at least its two ends")
    return tuple(torch.linspace(ends[0], ends[1], steps).tolist())


def _one_of(
    attribute: str | None, has: Tensor | None, lacks: Tensor | None, found: int | None
) -> None:
    ways = (attribute is not None) + (has is not None or lacks is not None) + (found is not None)
    if ways != 1 or (has is None) != (lacks is None):
        raise InputError(
            f"say what to edit: {flag('attribute', 'NAME')}, or {flag('has')} with"
            f" {flag('lacks')}, or {flag('found', 'N')}"
        )
    if found is not None and found < 1:
        raise InputError(f"{flag('found')} is {found}; ask for at least one direction")


Values = Callable[[str | None], Tensor]
"""What is known of examples by the name of an attribute, (n,); by None, of what is to be edited."""


def _known(
    attribute: str | None,
    attributes: Attributes | None,
    has: Tensor | None,
    lacks: Tensor | None,
    examples: NamedExamples | None,
    practised: TrainingExamples,
) -> tuple[Tensor, Values]:
    """Examples that something is known of, and what."""
    if has is not None and lacks is not None:
        own = torch.cat([torch.ones(len(has)), torch.zeros(len(lacks))]).double()
        if min(len(has), len(lacks)) < 2:
            raise InputError(
                f"{flag('has')} and {flag('lacks')} need at least two examples each; more are"
                " better"
            )

        def values(name: str | None) -> Tensor:
            if name is not None:
                raise InputError(
                    f"{flag('hold')} needs attributes that are known of examples; use"
                    f" {flag('attribute')}"
                )
            return own

        return torch.cat([has, lacks]), values
    known = examples or practised(KNOWN)
    return known.x, lambda name: _values(known, attributes, attribute if name is None else name)


def _values(known: NamedExamples, attributes: Attributes | None, name: str | None) -> Tensor:
    """An attribute of examples, float64 (n,), or whether they are of a class."""
    if attributes is not None and (name in attributes.columns or name not in known.classes):
        return attributes.of(str(name), known.names)
    if known.y is None or name not in known.classes:
        there = ", ".join(known.classes) or "none: there are no classes"
        raise InputError(
            f"no class is called {name!r}; there are {there}; or say {flag('attributes', 'CSV')}"
        )
    return (known.y.flatten() == known.classes.index(name)).double().cpu()


def _labelled(
    latents: Latents, known: tuple[Tensor, Values], hold: list[str], by: By
) -> tuple[Scale, Tensor, Tensor, Tensor]:
    """The scale of latents; the direction of what is to be edited, (1, D), and how far examples
    differ along it; the directions of what is to be held, (held, D)."""
    x, values = known
    wanted = values(None)
    others = [values(name) for name in hold]
    z = latents.of(x)
    scale = Scale.of(z)
    u = scale.there(z)
    held = [attribute_direction(u, other, "boundary") for other in others]
    direction = orthogonal_to(attribute_direction(u, wanted, by), held)
    return scale, direction[None], (u @ direction).std()[None], torch.stack(held) if held else u[:0]


def _telling(
    latents: Latents, x: NamedExamples, practised: TrainingExamples, most: int, seed: int
) -> tuple[Scale, Tensor, Tensor]:
    """The scale of latents; directions along which examples change most, (most, D), and how wide
    each is, (most,)."""
    with seeded_rng(seed):
        model = latents.model
        z = (
            model.prior(DRAWN).float()
            if isinstance(model, Generates)
            else latents.of(practised(KNOWN).x)
        )
        scale = Scale.of(z)
        u = scale.there(z)
        bases = u[torch.randperm(len(u))[:BASES].to(u.device)]
    if most > u.shape[1]:
        raise InputError(f"{flag('found')} is {most}; the latents have {u.shape[1]} directions")
    y = (
        None
        if latents.condition is None
        else (x.y[:1] if x.y is not None else torch.zeros(1, 1, dtype=torch.long))
    )

    def decode(v: Tensor) -> Tensor:
        condition = None if y is None else y.to(u.device).expand(len(v), 1)
        return latents.decode(scale.back(v), condition)

    directions = discover_directions(decode, bases, most)
    return scale, directions, (u @ directions.T).std(0)


def _features(
    model: Decodes, x: NamedExamples, practised: TrainingExamples, inversion_steps: int, seed: int
) -> Callable[[Tensor], Tensor] | None:
    """Features that images are compared by, learned on the data of the training, or where it is
    gone, on samples."""
    if x.x.ndim != 4 or min(x.x.shape[2:]) < 8:
        return None
    try:
        seen = practised(KNOWN).x
    except InputError:  # moved since, or in memory: what the model makes is like it
        with seeded_rng(seed):
            seen = model.sample(1024).float() if isinstance(model, Samples) else x.x
    return learned_features(seen, inversion_steps, seed)


@dataclass(frozen=True)
class Walk:
    """The way along directions of standardised latents.

    moves: What strength 1 adds, (directions, D).
    held: Directions of what is to stay, (held, D). As decoders are curved, it is looked up on what
        comes out, encoded again, and what has changed there is taken back.
    """

    latents: Latents
    scale: Scale
    moves: Tensor
    held: Tensor

    def along(
        self, z: Tensor, y: Tensor | None, strengths: tuple[float, ...]
    ) -> tuple[Tensor, Tensor]:
        """What latents z (n, ...) are decoded to, (n, ...), and moved along every direction,
        (strengths, n * directions, ...)."""
        u, count = self.scale.there(z), len(self.moves)
        first, labels = (
            u.repeat_interleave(count, 0),
            None if y is None else y.repeat_interleave(count, 0),
        )
        wanted = self._seen(first, labels) if len(self.held) else first
        back, frames = torch.linalg.pinv(self.held).T, []
        for strength in strengths:
            moved = first + strength * self.moves.repeat(len(z), 1)
            for _ in range(CORRECTIONS if strength and len(self.held) else 0):
                moved = moved + (wanted - self._seen(moved, labels)) @ back
            frames.append(self._decoded(moved, labels))
        return self._decoded(u, y), torch.stack(frames)

    def _decoded(self, u: Tensor, y: Tensor | None) -> Tensor:
        return self.latents.decode(self.scale.back(u), y)

    def _seen(self, u: Tensor, y: Tensor | None) -> Tensor:
        """How much of what is to be held is seen in what comes out, (n, held)."""
        return self.scale.there(self.latents.of(self._decoded(u, y))) @ self.held.T


def _told(
    x: NamedExamples,
    rendered: Tensor,
    frames: Tensor,
    strengths: tuple[float, ...],
    names: tuple[str, ...],
    features: Callable[[Tensor], Tensor] | None,
) -> Edited:
    """Edits of examples, and how much of these is in their renderings and in the edits."""
    error = (rendered - x.x.float()).square().flatten(1).mean(1).clamp(min=1e-12)
    psnr = (
        10 * (4 / error).log10() if x.x.is_floating_point() else torch.full_like(error, torch.nan)
    )
    same = torch.full(frames.shape[:2], torch.nan)
    if features is not None:
        own = features(x.x).repeat_interleave(len(names), 0)
        same = torch.stack([F.cosine_similarity(features(frame), own, 1) for frame in frames]).cpu()
    return Edited(x.x.cpu(), frames.cpu(), strengths, names, x.names, psnr.cpu(), same)
