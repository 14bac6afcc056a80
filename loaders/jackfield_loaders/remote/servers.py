"""The servers that the user named, and the models they said they have."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from pydantic import SecretStr

from jackfield import ListedModel, ModelFiles

FRESH = 60.0
"""Seconds for which a list of models is believed."""
PATIENCE = 3.0
"""Seconds that the very first listing waits; later ones never wait."""
CACHE = "models.json"


class Known(msgspec.Struct):
    """What a server last said.

    Attributes:
        address: where that was.
        models: as the server describes them.
        error: why it did not answer the last time, "" if it did.
        at: seconds since the epoch.
    """

    address: str
    models: list[dict[str, Any]] = msgspec.field(default_factory=list)
    error: str = ""
    at: float = 0.0


class Servers:
    """Asks the servers for their models, in the background.

    Args:
        folder: where what they said is kept, for servers that do not answer.
        offline: whether the user has switched the network off.
    """

    def __init__(self, folder: Path, offline: Callable[[], bool]) -> None:
        self._file = folder / CACHE
        self._offline = offline
        self._lock = threading.Lock()
        self._addresses: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._known: dict[str, Known] = self._read()
        self._asking: dict[str, threading.Thread] = {}

    def use(self, servers: Sequence[str], secret: SecretStr) -> None:
        """Take up what the user has set."""
        with self._lock:
            self._addresses = named(servers)
            self._keys = keys(secret.get_secret_value())

    def key(self, server: str) -> str:
        """A server's key, "" if it has none."""
        return self._keys.get(server, "")

    def listed(self) -> list[ListedModel]:
        """All models of all servers, as far as they are known."""
        if self._offline():
            return []
        found = []
        for server, address in self._addresses.items():
            known = self._now(server, address)
            models = [model for model in known.models if model.get("id")]
            short = Counter(_short(str(model["id"])) for model in models)
            found += [_listed(server, known, model, short) for model in models]
            if known.error and not known.models:
                files = ModelFiles(Path("remote", server), "remote", 0, {"server": server})
                found.append(ListedModel(server, files, error=known.error))
        return found

    def _now(self, server: str, address: str) -> Known:
        """What is known of a server; it is asked again when that is old."""
        with self._lock:
            known = self._known.get(server)
            if known is None or known.address != address:
                known = Known(address)
            thread = self._asking.get(server)
            if time.time() - known.at > FRESH and (thread is None or not thread.is_alive()):
                thread = threading.Thread(target=self._ask, args=(server, address), daemon=True)
                self._asking[server] = thread
                thread.start()
        if not known.at and thread is not None:
            thread.join(PATIENCE)
            known = self._known.get(server, known)
        return known

    def _ask(self, server: str, address: str) -> None:
        from jackfield_loaders.remote.speaking import Server

        known = Known(address, at=time.time())
        try:
            with Server(address, self.key(server)) as spoken:
                known.models = spoken.models()
        except Exception as error:  # noqa: BLE001 - whatever it is, the server's entry says it
            before = self._known.get(server)
            known.error = str(error)
            if before is not None and before.address == address:
                known.models = before.models
        with self._lock:
            self._known[server] = known
            self._write()

    def _read(self) -> dict[str, Known]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, Known])
        except (OSError, msgspec.DecodeError):
            return {}

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        made = self._file.with_suffix(".new")
        made.write_bytes(msgspec.json.encode(self._known))
        made.rename(self._file)


def _short(identity: str) -> str:
    """The last part of a path; servers that were started with a file or folder name it so."""
    path = re.match(r"(/|~|\.{1,2}/|[A-Za-z]:[/\\])", identity)
    return re.split(r"[/\\]", identity.rstrip("/\\"))[-1] if path else identity


def _listed(server: str, known: Known, model: dict[str, Any], short: Counter[str]) -> ListedModel:
    identity = str(model["id"])
    called = _short(identity)
    called = called if short[called] == 1 else identity
    name = re.sub(r"[^a-z0-9._-]+", "-", f"{server}.{called}".lower()).strip("-.")
    meta = model.get("meta")
    details = meta if isinstance(meta, dict) else {}
    lengths = (model.get("max_model_len"), model.get("context_length"), details.get("n_ctx_train"))
    context = next((int(one) for one in lengths if isinstance(one, int)), 0)
    metadata = {
        "server": server,
        "address": known.address,
        "model": identity,
        "owned_by": str(model.get("owned_by", "")),
        "context_length": context,
    }
    files = ModelFiles(Path("remote", server, identity.replace("/", "-")), "remote", 0, metadata)
    return ListedModel(name, files, context_length=context, error="")


def named(lines: Sequence[str]) -> dict[str, str]:
    """Addresses by name, from lines of the form ``name = address``.

    Raises:
        ValueError: a line is not of that form.
    """
    found: dict[str, str] = {}
    for line in lines:
        name, equals, address = (part.strip() for part in line.partition("="))
        parts = urlsplit(address)
        if not equals or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", name):
            raise ValueError(f"{line!r} is not of the form name = address, the name in lower case")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{address!r} is not an address that begins with http:// or https://")
        if parts.username or parts.password:
            raise ValueError("an address may not hold a password: put the key into Keys")
        if name in found:
            raise ValueError(f"two servers are called {name!r}")
        path = parts.path.rstrip("/") or "/v1"
        found[name] = f"{parts.scheme}://{parts.netloc}{path}"
    return found


def keys(text: str) -> dict[str, str]:
    """Keys by server, from ``name = key, name = key``.

    Raises:
        ValueError: a part is not of that form; its text is not repeated.
    """
    found: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, equals, key = (word.strip() for word in part.partition("="))
        if not (name and equals and key):
            raise ValueError("each key is of the form name = key, separated by commas")
        found[name] = key
    return found
