"""Who may ask: bearer tokens, of which a file holds nothing but hashes."""

from __future__ import annotations

import hmac
import os
import re
import secrets
from hashlib import sha256
from pathlib import Path

from ...runtime.errors import InputError, flag

SHA256 = re.compile(r"[0-9a-f]{64}")


class Tokens:
    """The tokens of a file, one a line: SHA-256 in hexadecimal, and a name to know it by. A change
    counts at once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._read_at, self._hashes = 0, list[bytes]()
        self._refresh()

    def know(self, token: str) -> bool:
        """Whether this is one of them; how long that takes does not tell which, or how nearly."""
        try:
            self._refresh()
        except InputError:  # nobody is known until the file can be read again
            return False
        own = hash_token(token).encode()
        matches = [hmac.compare_digest(own, known) for known in self._hashes]
        return any(matches)  # of a list, since a generator would stop at the first

    def _refresh(self) -> None:
        try:
            changed = self.file.stat().st_mtime_ns
        except OSError as error:
            raise InputError(
                f"{self.file} cannot be read; make one: ganvas serve --new-token NAME --tokens FILE"
            ) from error
        if changed != self._read_at:
            self._hashes = _read_hashes(self.file)
            self._read_at = changed


def new_token(file: Path, name: str) -> str:
    """A new token, of which the file learns the hash alone. Raises InputError where the name is
    none."""
    if not name.strip() or not name.isprintable():
        raise InputError(
            f"{name!r} is no name for a token; say whose it is, such as"
            f" {flag('new_token', 'alice')}"
        )
    token = secrets.token_urlsafe(32)
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as stream:
        stream.write(f"{hash_token(token)} {name.strip()}\n")
    return token


def hash_token(token: str) -> str:
    """What a file holds of a token, which is 256 random bits: nothing slower than SHA-256 is called
    for."""
    return sha256(token.encode("utf-8", "replace")).hexdigest()


def _read_hashes(file: Path) -> list[bytes]:
    lines = [line.split() for line in file.read_text("utf-8", "replace").splitlines()]
    hashes = [words[0].lower() for words in lines if words and not words[0].startswith("#")]
    for word in hashes:
        if not SHA256.fullmatch(word):
            raise InputError(
                f"{file} holds {word[:8]!r}…, which is no SHA-256; each line is one, and a name"
            )
    return [word.encode() for word in hashes]
