"""Names under which the server may be called, and origins that may change things."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
EVERYWHERE = ("0.0.0.0", "::", "")


def is_loopback(host: str) -> bool:
    """Whether an address or name can only mean this computer."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def host_allowed(header: str, bound: str, more: Iterable[str]) -> bool:
    """Whether a ``Host`` header names this server.

    A page elsewhere can make its own name mean this computer (DNS rebinding), so names are
    checked. Bound to all addresses, any address without a name is good: that cannot be rebound.
    """
    name = _hostname(header)
    if not name:
        return False
    allowed = {one.strip().lower().rstrip(".") for one in (*LOOPBACK_NAMES, bound, *more)}
    if name in allowed:
        return True
    if bound not in EVERYWHERE:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def origin_allowed(origin: str, host: str) -> bool:
    """Whether a page from ``origin`` may change things at ``host``: it must come from there."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _hostname(header: str) -> str:
    """The name in a ``Host`` header, without its port; "" if it is not one."""
    try:
        parts = urlsplit(f"//{header}")
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        return ""
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        return ""
    return (parts.hostname or "").lower().rstrip(".")
