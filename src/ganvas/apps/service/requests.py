"""A request as what it says, whether it came as JSON, as a form with files, or as a file with
options in the query."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import HTTPException, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException as StarletteHTTPException

from ...runtime.errors import InputError
from .forms import RAW, Form, checked
from .limits import Limits
from .uploads import Asked, Upload, uploads

FIELDS = 1000  # of a form


async def asked(request: Request, form: Form, limits: Limits) -> Asked:
    """What a request for a task says. Raises InputError where it does not fit the task's form,
    HTTPException where it is of another kind, or takes too long to arrive."""
    try:
        async with asyncio.timeout(limits.seconds):
            return await _read(request, form)
    except TimeoutError:
        raise HTTPException(
            408, f"the request did not arrive within {limits.seconds:g} seconds"
        ) from None


async def _read(request: Request, form: Form) -> Asked:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return _of_json(await request.body(), form)
    if kind == "multipart/form-data":
        return await _of_form(request, form)
    content = await request.body()
    if not content:
        return _whole(form, _words(request.query_params.multi_items(), form), {})
    if kind not in RAW or not form.sources:
        known = ", ".join(
            ("application/json", "multipart/form-data", *(RAW if form.sources else ()))
        )
        raise HTTPException(
            415, f"{kind[:100] or 'a body of no type'} is not read here; send {known}"
        )
    words = _words(request.query_params.multi_items(), form)
    return _whole(form, words, {next(iter(form.sources)): [Upload(f"given{RAW[kind]}", content)]})


def parsed(content: bytes | str) -> Any:
    """JSON. Raises InputError where it is none."""
    try:
        return json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise InputError("the body is no JSON") from None


def _no_number(word: str) -> None:
    raise ValueError(word)


def _of_json(content: bytes, form: Form) -> Asked:
    said = checked(form.json, parsed(content or b"{}"))
    files = {
        name: uploads(sent) for name in form.sources if (sent := getattr(said, name)) is not None
    }
    return Asked({name: getattr(said, name) for name in form.options.model_fields}, files)


async def _of_form(request: Request, form: Form) -> Asked:
    files, words = dict[str, list[Upload]](), list[tuple[str, str]]()
    try:
        async with request.form(max_files=FIELDS * 10, max_fields=FIELDS) as parts:
            for name, value in parts.multi_items():
                if isinstance(value, UploadFile):
                    files.setdefault(name, []).append(
                        Upload(value.filename or "", await value.read())
                    )
                else:
                    words.append((name, value))
    except StarletteHTTPException as error:
        raise InputError(f"the form cannot be read: {error.detail}") from None
    if unknown := set(files) - set(form.sources):
        raise InputError(
            f"{form.name} takes no file called {min(unknown)[:100]!r}, but"
            f" {', '.join(form.sources) or 'none'}"
        )
    return _whole(form, _words(words, form), files)


def _words(said: Iterable[tuple[str, str]], form: Form) -> dict[str, Any]:
    """Options as words: those that may be said several times as lists."""
    found = dict[str, Any]()
    for name, word in said:
        if name in form.lists:
            found.setdefault(name, []).append(word)
        else:
            found[name] = word
    return found


def _whole(form: Form, words: Mapping[str, Any], files: dict[str, list[Upload]]) -> Asked:
    if lacking := [
        name for name, source in form.sources.items() if source.needed and name not in files
    ]:
        raise InputError(f"{form.name} needs something to work on; send {lacking[0]!r}")
    options = checked(form.options, words)
    return Asked({name: getattr(options, name) for name in form.options.model_fields}, files)
