"""What a task may be asked, as schemas: made of its signature, as the command line is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from ...runtime import registry
from ...runtime.errors import InputError
from ...runtime.options import alternatives, takes
from ...tasks._inputs import sources

MOST, LONGEST = 2**31 - 1, 10_000  # of whole numbers; of letters


class SentData(BaseModel):
    """What a task works on; exactly one kind of it."""

    model_config = ConfigDict(extra="forbid", title="Data")

    images: list[str] | None = Field(None, description="Images as PNG, JPEG or WebP, in base64.")
    rows: list[dict[str, Any]] | None = Field(None, description="Rows of a table, as records.")
    texts: list[str] | None = Field(None, description="Texts.")
    files: list[File] | None = Field(None, description="Files of any kind that the run reads.")


class File(BaseModel):
    """A file."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200, description="Its name; the ending says what it is.")
    base64: str = Field(description="Its content.")


SentData.model_rebuild()


@dataclass(frozen=True)
class Source:
    """Something that a task works on: files.

    needed: Whether there must be some.
    by_option: Whether an option of the task names it, or else its place.
    kinds: What a task wants of it, such as `core.Packed`.
    """

    needed: bool
    by_option: bool
    kinds: frozenset[Any]


@dataclass(frozen=True)
class Form:
    """What a task, or another thing that is done with files, is asked.

    json: Validates what comes as JSON, sources and all.
    options: Validates the options alone, which may come as words.
    """

    name: str
    sources: Mapping[str, Source]
    json: type[BaseModel]
    options: type[BaseModel]

    @cached_property
    def lists(self) -> frozenset[str]:
        """Options that may be said several times."""
        return frozenset(
            n for n, field in self.options.model_fields.items() if takes(field.annotation, list)
        )

    @cached_property
    def counts(self) -> dict[str, int | None]:
        """Options that say how many of something, and what they are where nothing is said."""
        return {
            name: field.default
            for name, field in self.options.model_fields.items()
            if name != "seed" and takes(field.annotation, int) and not takes(field.annotation, str)
        }

    @property
    def needs_source(self) -> bool:
        return any(source.needed for source in self.sources.values())


@cache
def task_form(task: str) -> Form:
    """The form of a task."""
    function = registry.load("tasks", task)
    hints = get_type_hints(function)
    found = {
        p.name: Source(
            p.default is p.empty, False, frozenset({hints[p.name], *get_args(hints[p.name])})
        )
        for p in sources(function)
    }
    options = [option for option in registry.options(function) if not option.kind.endless]
    found |= {
        o.name: Source(False, True, frozenset(alternatives(o.type)))
        for o in options
        if _names_a_file(o)
    }
    fields = {option.name: _field(option) for option in options if option.name not in found}
    helps = {option.name: option.help for option in options}
    return build_form(task, found, fields, helps)


def build_form(
    name: str, sources: Mapping[str, Source], fields: Mapping[str, Any], helps: Mapping[str, str]
) -> Form:
    """A form of sources and of fields as pydantic makes models of them."""
    sent: dict[str, Any] = {
        own: (
            SentData if source.needed else SentData | None,
            Field(... if source.needed else None, description=helps.get(own) or "What to work on."),
        )
        for own, source in sources.items()
    }
    strict, options = ConfigDict(extra="forbid"), dict[str, Any](fields)
    whole = create_model(f"{name.capitalize()}Request", __config__=strict, **sent, **options)
    return Form(
        name,
        sources,
        whole,
        create_model(f"{name.capitalize()}Options", __config__=strict, **options),
    )


def _names_a_file(option: registry.Option) -> bool:
    """Whether what is said would be a path: then the file itself is sent."""
    return option.kind.names_file or option.takes(Path)


def _field(option: registry.Option) -> tuple[Any, Any]:
    return (_bounded(option.plain), Field(option.default, description=option.help))


def _bounded(kind: Any) -> Any:
    """A plain type, but no number that some generator of random numbers refuses, and no text
    without end."""
    if kind is int:
        return Annotated[int, Field(ge=0, le=MOST)]
    if kind is float:
        return Annotated[float, Field(allow_inf_nan=False)]
    if kind is str:
        return Annotated[str, Field(max_length=LONGEST)]
    if kind == list[str]:
        return Annotated[list[Annotated[str, Field(max_length=LONGEST)]], Field(max_length=100)]
    if type(None) in get_args(kind):
        bounded = [_bounded(one) for one in get_args(kind) if one is not type(None)]
        return _union([*bounded, type(None)])
    return kind


def _union(kinds: list[Any]) -> Any:
    whole = kinds[0]
    for kind in kinds[1:]:
        whole = whole | kind
    return whole


def validate(model: type[BaseModel], said: Any) -> BaseModel:
    """Options as the types that the form wants. Raises InputError where one does not fit."""
    try:
        return model.model_validate(said)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[:5]
        sentences = [f"{_format_location(one['loc'])}: {one['msg']}" for one in wrong]
        raise InputError("; ".join(sentences)) from None


def _format_location(steps: Sequence[int | str]) -> str:
    """Where in a body something is, such as x.images[3]."""
    words = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return words.lstrip(".") or "the body"


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """A JSON schema that stands alone."""
    whole = model.model_json_schema()
    parts = whole.pop("$defs", {})
    return {name: _inline_references(value, parts) for name, value in whole.items()}


def _inline_references(part: Any, parts: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_inline_references(one, parts) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        target = parts[part["$ref"].rpartition("/")[2]]
        own = {name: value for name, value in part.items() if name != "$ref"}
        return _inline_references(target | own, parts)
    return {name: _inline_references(value, parts) for name, value in part.items()}


def request_body(form: Form, raw: bool = True) -> dict[str, Any]:
    """What a request may hold, as OpenAPI says it: JSON, a form with files, or a source as it
    is."""
    options = schema(form.options)
    files = {
        name: {
            "type": "array",
            "items": {"type": "string", "contentMediaType": "application/octet-stream"},
        }
        for name in form.sources
    }
    multipart = options | {
        "properties": options.get("properties", {}) | files,
        "required": [name for name, source in form.sources.items() if source.needed],
    }
    content: dict[str, Any] = {
        "application/json": {"schema": schema(form.json)},
        "multipart/form-data": {"schema": multipart},
    }
    if raw and form.sources:
        content |= {kind: {"schema": {"type": "string", "contentMediaType": kind}} for kind in RAW}
    return {"content": content, "required": form.needs_source}


RAW = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "application/zip": ".zip",
    "text/csv": ".csv",
    "text/plain": ".txt",
    "application/jsonl": ".jsonl",
    "application/vnd.apache.parquet": ".parquet",
    "application/vnd.apache.arrow.file": ".feather",
    "application/vnd.apache.arrow.stream": ".arrows",
    "video/mp4": ".mp4",
    "application/octet-stream": ".ganvas",
}
"""What may be sent as it is, options in the query: its ending by its type."""
