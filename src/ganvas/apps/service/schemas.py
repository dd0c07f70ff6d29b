"""What OpenAPI says of answers and of errors, which are the same for every task."""

from __future__ import annotations

from typing import Any

from .responses import KINDS

DESCRIPTIONS = {
    400: "The request is malformed",
    401: "No token, or one that is not known",
    403: "A page of elsewhere asks",
    404: "There is no such run",
    406: "The answer cannot be had in this form",
    408: "The request came too slowly",
    409: "The run cannot be used yet",
    413: "Too much was sent",
    415: "What was sent is of no kind that is read",
    422: "What was sent, or an option, is wrong",
    503: "Too busy, or it would take too long; ask again",
}

SENTENCE: dict[str, Any] = {
    "type": "object",
    "properties": {"detail": {"type": "string"}},
    "required": ["detail"],
}


def error_schema(description: str) -> dict[str, Any]:
    """An error of one sentence."""
    return {"description": description, "content": {"application/json": {"schema": SENTENCE}}}


ERRORS: dict[int | str, dict[str, Any]] = {
    status: error_schema(description) for status, description in DESCRIPTIONS.items()
}

FILE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "type": {"type": "string"},
        "base64": {"type": "string"},
        "text": {"type": "string"},
        "rows": {"type": "array"},
    },
    "required": ["name", "type"],
}

ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["figures", "rows", "files"],
    "properties": {
        "figures": {"type": "object", "description": "What the answer says in numbers."},
        "rows": {"type": "array", "items": {"type": "object"}},
        "files": {"type": "array", "items": FILE},
    },
}

ANSWERS: dict[str, Any] = {
    "application/json": {"schema": ANSWER},
    **{kind: {"schema": {"type": "string", "contentMediaType": kind}} for kind in KINDS[1:]},
}
"""What an answer holds, by its media type."""
