"""The port that the server listens on."""

from __future__ import annotations

import errno
import os
import socket

from jackfield.errors import JackfieldError
from jackfield.security.hosts import EVERYWHERE

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 is any free one.

    Raises:
        JackfieldError: the port is taken (by whom, if that is Jackfield), not allowed, or the
            address is not this computer's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise JackfieldError(
            f"{host!r} is no address of this computer: {error.strerror}.",
            hint="Use 127.0.0.1 for this computer alone, 0.0.0.0 for all that can reach it.",
        ) from error
    opened = socket.socket(family, kind, protocol)
    try:
        if os.name != "nt":  # there it would let two servers have one port
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise _refused(host, port, error) from error
    opened.setblocking(False)
    return opened


def url_of(host: str, port: int) -> str:
    """Where a browser on this computer finds a server that listens on ``host``."""
    name = "127.0.0.1" if host in EVERYWHERE else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _refused(host: str, port: int, error: OSError) -> JackfieldError:
    url = url_of(host, port)
    if error.errno == errno.EADDRINUSE:
        if _is_jackfield(url):
            return JackfieldError(
                f"Jackfield already runs at {url}.",
                hint=f"Open it there, or start another with --port {port + 1} and its own --home.",
                url=url,
            )
        return JackfieldError(
            f"Port {port} on {host!r} is taken by another program.",
            hint=f"Choose another: jackfield serve --port {port + 1}",
            port=port,
        )
    if error.errno == errno.EACCES:
        return JackfieldError(
            f"Port {port} may not be used: the system keeps low ports to itself.",
            hint="Choose one above 1023: jackfield serve --port 7860",
            port=port,
        )
    return JackfieldError(
        f"The server cannot listen on {host!r}, port {port}: {error.strerror}.",
        hint="Use 127.0.0.1 for this computer alone, 0.0.0.0 for all that can reach it.",
    )


def _is_jackfield(url: str) -> bool:
    """Whether a Jackfield answers at an address."""
    import httpx

    try:
        answer = httpx.get(f"{url}/health", timeout=2, trust_env=False)
        return bool(answer.json().get("name") == "jackfield")
    except (httpx.HTTPError, ValueError, AttributeError):
        return False
