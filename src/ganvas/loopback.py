"""Who asks what is offered to this machine alone: a browser on it may be made to ask, by a page of elsewhere."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping


def from_elsewhere(headers: Mapping[bytes, str]) -> str:
    """The host that is meant, or the page that asks, where it is not of this machine; else nothing.

    A page that does not say whose it is (`Origin: null`, as in a sandbox) is one of elsewhere.
    """
    host, page = headers.get(b"host", ""), headers.get(b"origin")
    if host and not is_here(_host(host)):
        return host
    return "" if page is None or is_here(_host(page.partition("://")[2])) else page or "a page"


def is_here(host: str) -> bool:
    """Whether nobody but this machine is called so, or reaches what is bound to it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _host(name: str) -> str:
    return name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
