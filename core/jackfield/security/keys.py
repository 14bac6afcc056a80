"""The server's keys, and the cookie that the dashboard is opened with."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Literal

from jackfield.settings_store import SettingsStore

Access = Literal["none", "api", "admin"]

COOKIE = "jackfield"
COOKIE_SECONDS = 30 * 24 * 3600


class Keys:
    """Two keys, made when first needed and kept in ``secrets.toml``.

    The API key opens ``/v1`` to programs. The admin key opens everything: the dashboard and
    ``/api``, which install plugins, delete models and read conversations. A cookie stands for the
    admin key; it is signed with it, so a new key ends all sessions.
    """

    def __init__(self, settings: SettingsStore) -> None:
        self._settings = settings

    @property
    def api(self) -> str:
        """The key for programs."""
        return self._settings.server_secret("api")

    @property
    def admin(self) -> str:
        """The key for everything."""
        return self._settings.server_secret("admin")

    def access(self, key: str) -> Access:
        """What a key opens."""
        if _same(key, self.admin):
            return "admin"
        return "api" if _same(key, self.api) else "none"

    def new_cookie(self) -> str:
        """The value of a cookie that is good for a month."""
        until = f"{int(time.time()) + COOKIE_SECONDS}.{secrets.token_urlsafe(12)}"
        return f"{until}.{self._signature(until)}"

    def cookie_is_good(self, value: str) -> bool:
        """Whether a cookie was made here with the present key, and is not too old."""
        until, _, signature = value.rpartition(".")
        if not _same(signature, self._signature(until)):
            return False
        return int(until.partition(".")[0]) > time.time()

    def _signature(self, text: str) -> str:
        key = f"cookie:{self.admin}".encode()
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
