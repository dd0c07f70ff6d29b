"""What every request passes first: who asks, how much is sent, how many are being answered; and
it is counted."""

from __future__ import annotations

import json
import time
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..loopback import is_from_elsewhere
from .limits import Limits
from .monitoring import Monitoring
from .tokens import Tokens

OPEN = ("/healthz",)
"""Paths that anybody may ask for."""


class BodyTooLarge(Exception):
    """More is sent than is allowed."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most:,} bytes are allowed in a request; send less")


class Refusal(NamedTuple):
    """The answer to a request that goes no further."""

    status: int
    sentence: str
    headers: dict[str, str]


class Middleware:
    """An ASGI application around another."""

    def __init__(
        self, inner: ASGIApp, limits: Limits, tokens: Tokens | None, monitoring: Monitoring
    ) -> None:
        self.inner, self.limits = inner, limits
        self.tokens, self.monitoring = tokens, monitoring
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                seconds = time.perf_counter() - began
                self.monitoring.seconds.labels(_route_of(scope)).observe(seconds)
            await send(message)

        try:
            await self._admit(scope, receive, send_counted)
        finally:
            self.monitoring.requests.labels(scope["method"], _route_of(scope), status).inc()

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if scope["path"] in OPEN:
            await self.inner(scope, receive, send)
        elif refusal := self._find_refusal(headers):
            await _send_refusal(send, refusal)
        else:
            await self._answer(scope, receive, send)

    def _find_refusal(self, headers: dict[bytes, str]) -> Refusal | None:
        """Why a request goes no further, if it does not."""
        if refusal := self._find_stranger(headers):
            return refusal
        length = headers.get(b"content-length", "0")
        if not length.isdecimal() or int(length) > self.limits.body:
            too_large = str(BodyTooLarge(self.limits.body))
            return Refusal(413, too_large, {"connection": "close"})
        if self.in_flight >= self.limits.waiting:
            busy = f"{self.in_flight} requests are being answered; ask again soon"
            return Refusal(503, busy, {"retry-after": "1"})
        return None

    def _find_stranger(self, headers: dict[bytes, str]) -> Refusal | None:
        """Why whoever asks may not, if they may not."""
        if self.tokens is None:
            origin = is_from_elsewhere(headers)
            sentence = f"{origin[:100]!r} may not ask here without a token; start with --tokens"
            return Refusal(403, sentence, {}) if origin else None
        if self.tokens.know(_read_token(headers.get(b"authorization", ""))):
            return None
        sentence = "say who asks: Authorization: Bearer TOKEN"
        return Refusal(401, sentence, {"www-authenticate": "Bearer"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0

        async def receive_measured() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limits.body:
                raise BodyTooLarge(self.limits.body)
            return message

        self.in_flight += 1
        self.monitoring.in_flight.inc()
        try:
            await self.inner(scope, receive_measured, send)
        finally:
            self.in_flight -= 1
            self.monitoring.in_flight.dec()


def _read_token(header: str) -> str:
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _route_of(scope: Scope) -> str:
    """The pattern of the path; what no route offers is one thing, however it is called."""
    return str(getattr(scope.get("route"), "path", "other"))


async def _send_refusal(send: Send, refusal: Refusal) -> None:
    content = json.dumps({"detail": refusal.sentence}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(content))}
    lines = [(name.encode(), value.encode()) for name, value in (headers | refusal.headers).items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": lines})
    await send({"type": "http.response.body", "body": content})
