"""The gate that every request passes: page, upload, WebSocket and API alike.

Who may do what:

- The ``Host`` header must name this server, always (DNS rebinding).
- A page from another origin may change nothing and open no WebSocket, always.
- On a server that listens on loopback only, a request from this computer needs no key, be it for
  the dashboard or for management: the computer is taken to be its owner's alone. A request that
  some proxy passed on (it carries a forwarding header) does not count as from this computer.
- Every other request needs a key. The API key opens ``/v1``, ``/metrics`` and the documentation;
  everything else, reading included, needs the admin key or the cookie that it is exchanged for.
- ``/health`` answers everybody, and tells more to those with a key.
"""

from __future__ import annotations

import socket
from urllib.parse import parse_qs

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jackfield.api.errors import error_answer, error_body
from jackfield.security.hosts import host_allowed, is_loopback, origin_allowed
from jackfield.security.keys import COOKIE, COOKIE_SECONDS, Access, Keys
from jackfield.security.login import FOR_PROGRAMS, POLICY, WRONG, login_page
from jackfield.settings_store import SettingsStore

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
SAFE = ("GET", "HEAD", "OPTIONS")
FOR_PROGRAMS_TOO = ("/v1", "/metrics", "/docs", "/openapi.json")
OPEN = ("/health", "/login")
LARGEST_FORM = 10_000  # bytes
WRONG_KEY_DELAY = 0.5  # seconds

PAGE_POLICY = (
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; frame-src 'self' blob: data:; form-action 'self'; frame-ancestors 'self'; "
    "base-uri 'self'; object-src 'none'"
)
"""Keeps the dashboard from calling outside, whatever a model writes into it."""


class Gate:
    """Lets a request through or answers it.

    Args:
        bound: the address the server listens on.
    """

    def __init__(self, app: ASGIApp, *, settings: SettingsStore, bound: str) -> None:
        self._app = app
        self._settings = settings
        self._bound = bound
        name = socket.gethostname().lower()
        self._own_names = () if is_loopback(bound) else (name, f"{name}.local")
        self._keys = Keys(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with what it may do in ``scope["state"]["access"]``."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._foreign(scope, headers)
        if refusal is not None:
            await _refuse(refusal, scope, receive, send)
            return
        path = scope["path"]
        access: Access = "admin" if self._is_local(scope, headers) else self._access(headers)
        if path == "/login":
            await self._login(scope, receive, send, access)
            return
        if path == "/logout" and scope["type"] == "http" and scope["method"] == "POST":
            answer = RedirectResponse("/login", 303)
            answer.delete_cookie(COOKIE, path="/")
            await answer(scope, receive, send)
            return
        if not _opens(access, path):
            await _refuse(_wanting(scope, headers, access), scope, receive, send)
            return
        scope.setdefault("state", {})["access"] = access
        await self._app(scope, receive, _hardened(send) if scope["type"] == "http" else send)

    def _foreign(self, scope: Scope, headers: Headers) -> Response | None:
        """The refusal for a foreign host or origin; None if all is well."""
        host = headers.get("host", "")
        names = (*self._own_names, *self._settings.value.server.allowed_hosts)
        if not host_allowed(host, self._bound, names):
            return _error(
                f"This server is not called {host!r}.",
                403,
                "host_not_allowed",
                "Add the name to the setting server.allowed_hosts if you want it to be.",
            )
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE
        origin = headers.get("origin")
        if changes and origin is not None and not origin_allowed(origin, host):
            return _error(
                f"A page from {origin!r} may not change anything here.",
                403,
                "origin_not_allowed",
                "Call the server from a program, or from its own pages.",
            )
        return None

    def _is_local(self, scope: Scope, headers: Headers) -> bool:
        """Whether a request comes from this computer to a server that listens to it alone."""
        if not is_loopback(self._bound) or any(name in headers for name in FORWARDED):
            return False
        client = scope.get("client")
        return client is not None and is_loopback(client[0])

    def _access(self, headers: Headers) -> Access:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and key:
            return self._keys.access(key.strip())
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        return "admin" if cookie and self._keys.cookie_is_good(cookie) else "none"

    async def _login(self, scope: Scope, receive: Receive, send: Send, access: Access) -> None:
        """Show the page, or exchange a key for a cookie."""
        answer: Response
        if scope["type"] != "http" or access == "admin":
            answer = RedirectResponse("/", 303)
        elif scope["method"] != "POST":
            answer = _page()
        else:
            key = await _posted_key(receive)
            opens = self._keys.access(key)
            if opens == "admin":
                answer = RedirectResponse("/", 303)
                answer.set_cookie(
                    COOKIE,
                    self._keys.new_cookie(),
                    max_age=COOKIE_SECONDS,
                    path="/",
                    secure=scope.get("scheme") == "https",
                    httponly=True,
                    samesite="lax",
                )
            else:
                await anyio.sleep(WRONG_KEY_DELAY)
                answer = _page(FOR_PROGRAMS if opens == "api" else WRONG, 401)
        await answer(scope, receive, send)


def _opens(access: Access, path: str) -> bool:
    """Whether access is enough for a path."""
    if access == "admin" or path in OPEN:
        return True
    below = any(path == one or path.startswith(f"{one}/") for one in FOR_PROGRAMS_TOO)
    return access == "api" and below


def _wanting(scope: Scope, headers: Headers, access: Access) -> Response:
    """The answer to a request without the key it needs."""
    if scope["type"] == "http" and scope["method"] == "GET" and _is_page(headers):
        return RedirectResponse("/login", 303)
    if access == "api":
        return _error(
            "This needs the admin key; the API key opens /v1 alone.",
            403,
            "admin_key_required",
            "Send the admin key, or ask the server's owner.",
        )
    given = "authorization" in headers
    return _error(
        "The key is wrong." if given else "This server asks for a key.",
        401,
        "invalid_api_key" if given else "missing_api_key",
        "Send it as 'Authorization: Bearer KEY'; the server showed it when it was started.",
    )


def _is_page(headers: Headers) -> bool:
    return "text/html" in headers.get("accept", "")


def _error(message: str, status: int, code: str, hint: str) -> Response:
    return error_answer(error_body(message, status=status, code=code, hint=hint), status)


def _page(message: str = "", status: int = 200) -> Response:
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    return HTMLResponse(login_page(message), status, headers)


async def _refuse(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request; a WebSocket is closed before it opens."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "not permitted"})
        return
    await answer(scope, receive, send)


async def _posted_key(receive: Receive) -> str:
    """The field ``key`` of a posted form; "" if there is none."""
    body = b""
    more = True
    while more and len(body) < LARGEST_FORM:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return parse_qs(body.decode("latin-1")).get("key", [""])[0].strip()


def _hardened(send: Send) -> Send:
    """Add headers that keep browsers from doing more than they are meant to."""

    async def hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Content-Type-Options", "nosniff")
            headers.setdefault("Referrer-Policy", "same-origin")
            if headers.get("content-type", "").startswith("text/html"):
                headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        await send(message)

    return hardened
