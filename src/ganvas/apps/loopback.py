"""At which port a server listens, and who may ask where it is for this machine alone."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping

from ..runtime.errors import InputError, flag


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine is called so, or reaches what is bound to it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_from_elsewhere(headers: Mapping[bytes, str]) -> str:
    """The host that is meant, or the page that asks, where it is not of this machine; else nothing.

    A browser on this machine may be made to ask, by a page of elsewhere. One that does not say
    whose it is (`Origin: null`, as in a sandbox) is one of elsewhere.
    """
    host, page = headers.get(b"host", ""), headers.get(b"origin")
    if host and not is_loopback(_host(host)):
        return host
    return "" if page is None or is_loopback(_host(page.partition("://")[2])) else page or "a page"


def _host(name: str) -> str:
    return name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]


def free_port(host: str, port: int) -> None:
    """Raises InputError where nothing can listen at a port: it is taken, or there is none of that
    number."""
    if not 0 <= port < 2**16:
        raise InputError(f"{flag('port')} is {port}; it is a number up to 65535")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family):
            pass
    except OSError as error:
        words = (error.strerror or str(error)).partition(" (")[0]
        raise InputError(
            f"port {port} of {host} cannot be had ({words}); choose another {flag('port')}"
        ) from error
