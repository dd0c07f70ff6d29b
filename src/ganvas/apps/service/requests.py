"""A request as what it says, whether it came as JSON, as a form with files, or as a file with
options in the query."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import HTTPException, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException as StarletteHTTPException

from ...runtime.errors import InputError
from .forms import RAW, Form, validate
from .limits import Limits
from .uploads import Upload, decode_uploads

FIELDS = 1000  # of a form


@dataclass
class TaskRequest:
    """What a request says: options, and for each source the files that were sent."""

    options: dict[str, Any]
    files: dict[str, list[Upload]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes that were sent."""
        return sum(len(file.content) for files in self.files.values() for file in files)


async def read_request(request: Request, form: Form, limits: Limits) -> TaskRequest:
    """What a request for a task says. Raises InputError where it does not fit the task's form,
    HTTPException where it is of another kind, or takes too long to arrive."""
    try:
        async with asyncio.timeout(limits.seconds):
            return await _read_body(request, form)
    except TimeoutError:
        raise HTTPException(
            408, f"the request did not arrive within {limits.seconds:g} seconds"
        ) from None


async def _read_body(request: Request, form: Form) -> TaskRequest:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return _read_json(await request.body(), form)
    if kind == "multipart/form-data":
        return await _read_form(request, form)
    content = await request.body()
    if content:
        _refuse_unknown_type(kind, form)
    source = next(iter(form.sources), "")
    files = {source: [Upload(f"given{RAW[kind]}", content)]} if content else {}
    words = _collect_options(request.query_params.multi_items(), form)
    return _build_request(form, words, files)


def _refuse_unknown_type(kind: str, form: Form) -> None:
    """Raises HTTPException where a body of this type is not read."""
    raw = RAW if form.sources else {}
    if kind not in raw:
        known = ", ".join(("application/json", "multipart/form-data", *raw))
        shown = kind[:100] or "a body of no type"
        raise HTTPException(415, f"{shown} is not read here; send {known}")


def parse_json(content: bytes | str) -> Any:
    """JSON. Raises InputError where it is none."""
    try:
        return json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise InputError("the body is no JSON") from None


def _refuse_constant(word: str) -> None:
    """JSON has no NaN and no Infinity, though Python reads them."""
    raise ValueError(word)


def _read_json(content: bytes, form: Form) -> TaskRequest:
    body = validate(form.json, parse_json(content or b"{}"))
    sent = {name: getattr(body, name) for name in form.sources}
    files = {name: decode_uploads(data) for name, data in sent.items() if data is not None}
    options = {name: getattr(body, name) for name in form.options.model_fields}
    return TaskRequest(options, files)


async def _read_form(request: Request, form: Form) -> TaskRequest:
    files, words = dict[str, list[Upload]](), list[tuple[str, str]]()
    try:
        async with request.form(max_files=FIELDS * 10, max_fields=FIELDS) as parts:
            for name, value in parts.multi_items():
                if isinstance(value, UploadFile):
                    upload = Upload(value.filename or "", await value.read())
                    files.setdefault(name, []).append(upload)
                else:
                    words.append((name, value))
    except StarletteHTTPException as error:
        raise InputError(f"the form cannot be read: {error.detail}") from None
    if unknown := set(files) - set(form.sources):
        raise InputError(
            f"{form.name} takes no file called {min(unknown)[:100]!r}, but"
            f" {', '.join(form.sources) or 'none'}"
        )
    return _build_request(form, _collect_options(words, form), files)


def _collect_options(pairs: Iterable[tuple[str, str]], form: Form) -> dict[str, Any]:
    """Options as words: those that may be given several times as lists."""
    options = dict[str, Any]()
    for name, word in pairs:
        if name in form.lists:
            options.setdefault(name, []).append(word)
        else:
            options[name] = word
    return options


def _build_request(
    form: Form, words: Mapping[str, Any], files: dict[str, list[Upload]]
) -> TaskRequest:
    """Raises InputError where a source lacks, or an option does not fit."""
    needed = [name for name, source in form.sources.items() if source.needed]
    if lacking := [name for name in needed if name not in files]:
        raise InputError(f"{form.name} needs something to work on; send {lacking[0]!r}")
    options = validate(form.options, words)
    return TaskRequest({name: getattr(options, name) for name in form.options.model_fields}, files)
