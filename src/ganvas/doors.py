"""Where a door to others opens: addresses, and ports."""

from __future__ import annotations

import ipaddress
import socket

from .errors import InputError


def is_here(host: str) -> bool:
    """Whether nobody but this machine is called so, or reaches what is bound to it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def free(host: str, port: int) -> None:
    """Raises InputError where nothing can listen at a port: it is taken, or there is none of that number."""
    if not 0 <= port < 2**16:
        raise InputError(f"--port is {port}; it is a number up to 65535")
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            pass
    except OSError as error:
        words = (error.strerror or str(error)).partition(" (")[0]
        raise InputError(f"port {port} of {host} cannot be had ({words}); choose another --port") from error
