"""What every request passes first: who asks, how much is sent, how many are inside; and it is
counted."""

from __future__ import annotations

import json
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..loopback import is_from_elsewhere
from .limits import Limits
from .monitoring import Monitoring
from .tokens import Tokens

OPEN = ("/healthz",)
"""Paths that anybody may ask for."""


class TooLarge(Exception):
    """More is sent than is allowed."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most:,} bytes are allowed in a request; send less")


class Middleware:
    """An ASGI application around another."""

    def __init__(
        self, inner: ASGIApp, limits: Limits, tokens: Tokens | None, measures: Monitoring
    ) -> None:
        self.inner, self.limits, self.tokens, self.measures = inner, limits, tokens, measures
        self.inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self.measures.seconds.labels(_route(scope)).observe(time.perf_counter() - began)
            await send(message)

        try:
            await self._pass(scope, receive, counted)
        finally:
            self.measures.requests.labels(scope["method"], _route(scope), status).inc()

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if scope["path"] in OPEN:
            await self.inner(scope, receive, send)
        elif refusal := self._refusal(headers):
            await _refuse(send, *refusal)
        else:
            await self._within(scope, receive, send)

    def _refusal(self, headers: dict[bytes, str]) -> tuple[int, str, dict[str, str]] | None:
        """Status, sentence and headers for a request that goes no further."""
        if self.tokens is None and (anomalous := is_from_elsewhere(headers)):
            return (
                403,
                f"{anomalous[:100]!r} may not ask here without a token; start with --tokens",
                {},
            )
        if self.tokens is not None and not self.tokens.know(
            _token(headers.get(b"authorization", ""))
        ):
            return 401, "say who asks: Authorization: Bearer TOKEN", {"www-authenticate": "Bearer"}
        length = headers.get(b"content-length", "0")
        if not length.isdecimal() or int(length) > self.limits.body:
            return 413, str(TooLarge(self.limits.body)), {"connection": "close"}
        if self.inside >= self.limits.waiting:
            return (
                503,
                f"{self.inside} requests are being answered; ask again soon",
                {"retry-after": "1"},
            )
        return None

    async def _within(self, scope: Scope, receive: Receive, send: Send) -> None:
        taken = 0

        async def measured() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.limits.body:
                raise TooLarge(self.limits.body)
            return message

        self.inside += 1
        self.measures.inside.inc()
        try:
            await self.inner(scope, measured, send)
        finally:
            self.inside -= 1
            self.measures.inside.dec()


def _token(header: str) -> str:
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _route(scope: Scope) -> str:
    return getattr(
        scope.get("route"), "path", "other"
    )  # what nobody offers is one thing, however it is called


async def _refuse(send: Send, status: int, words: str, headers: dict[str, str]) -> None:
    content = json.dumps({"detail": words}).encode()
    said: dict[str, Any] = {
        "content-type": "application/json",
        "content-length": str(len(content)),
    } | headers
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in said.items()],
        }
    )
    await send({"type": "http.response.body", "body": content})
