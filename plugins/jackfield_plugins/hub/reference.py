"""What a model of the Hub is asked for by."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

import msgspec

from jackfield import InvalidRequest

REPOSITORY = re.compile(
    r"(?P<repository>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)"
    r"(?:@(?P<revision>[^:@\s]+))?(?::(?P<choice>[^@\s]+))?(?:@(?P<later>[^:@\s]+))?"
)
HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
ROUTES = ("tree", "blob", "resolve", "raw")
OTHERS = ("datasets", "spaces", "buckets", "collections", "papers", "docs", "blog")


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A repository, and what of it.

    Attributes:
        revision: branch, tag or commit, "" for the newest state.
        choice: a quantization or a file, "" to choose one.
    """

    repository: str
    revision: str = ""
    choice: str = ""

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"{self.repository}{revision}{f':{self.choice}' if self.choice else ''}"


def read(text: str, endpoint: str) -> Reference | None:
    """Read ``owner/name``, ``owner/name@revision:Q4_K_M``, or an address of the Hub.

    Returns None for anything else.

    Raises:
        InvalidRequest: it is an address of the Hub, and not that of a model.
    """
    text = text.strip()
    for prefix in ("hf://", *(f"{host}/" for host in HOSTS)):
        if text.startswith(prefix):
            text = text.removeprefix(prefix).strip("/")
            return _path(text) or _simple(text) or _no_model(text)
    if text.startswith(("https://", "http://")):
        known = {*(f"https://{host}" for host in HOSTS), endpoint}
        parts = urlsplit(text)
        if f"{parts.scheme}://{parts.netloc}" not in known:
            return None
        path = unquote(parts.path).strip("/")
        return _path(path) or _simple(path) or _no_model(text)
    return _simple(text)


def _simple(text: str) -> Reference | None:
    found = REPOSITORY.fullmatch(text)
    if not found or text.partition("/")[0] in OTHERS or ".." in text:
        return None
    return Reference(
        repository=found["repository"],
        revision=found["revision"] or found["later"] or "",
        choice=found["choice"] or "",
    )


def _path(path: str) -> Reference | None:
    """``owner/name/tree/main``, ``owner/name/blob/main/file.gguf``, ..."""
    parts = path.split("/")
    if len(parts) < 4 or parts[2] not in ROUTES or parts[0] in OTHERS:
        return None
    return Reference(repository="/".join(parts[:2]), revision=parts[3], choice="/".join(parts[4:]))


def _no_model(text: str) -> Reference:
    raise InvalidRequest(
        f"{text!r} is no model on the Hub.",
        hint="Ask for one as owner/name, owner/name:Q4_K_M or owner/name@revision.",
    )
