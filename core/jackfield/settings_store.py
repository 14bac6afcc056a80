"""The settings file and the secrets file: read, checked, and written whole or not at all."""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import tomlkit
from pydantic import ValidationError
from tomlkit.exceptions import ParseError

from jackfield.errors import SettingsError
from jackfield.paths import Paths
from jackfield.settings import Settings

RESET = "Correct the file, or set it aside and start with defaults: jackfield config reset"


class SettingsStore:
    """Reads and changes settings; several processes and threads may do so at once.

    Raises:
        SettingsError: the file does not parse or has a value out of bounds; it is left as it is.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._thread_lock = threading.RLock()
        self._file_lock = filelock.FileLock(paths.home / "settings.lock")
        self._stamp: tuple[int, int] | None = None
        self._value = Settings()
        self._read()

    @property
    def value(self) -> Settings:
        """The settings as they are now; read again when the file was changed by somebody else.

        A file that was broken meanwhile leaves the last good settings in force.
        """
        with self._thread_lock:
            if _stamp(self._paths.settings) != self._stamp:
                try:
                    self._read()
                except SettingsError:
                    return self._value
            return self._value

    def set(self, key: str, value: Any) -> Settings:
        """Set a dotted key such as ``server.port``.

        Raises:
            SettingsError: no such key, or a value it does not take; ``details['errors']`` by field.
        """

        def change(document: tomlkit.TOMLDocument) -> None:
            *tables, last = _split(key)
            table: Any = document
            for name in tables:
                if name not in table:
                    table[name] = tomlkit.table(is_super_table=True)
                table = table[name]
            if value is None:
                table.pop(last, None)
            else:
                table[last] = value

        return self._change(change)

    def unset(self, key: str) -> Settings:
        """Return a key to its default."""

        def change(document: tomlkit.TOMLDocument) -> None:
            *tables, last = _split(key)
            table: Any = document
            for name in tables:
                table = table.get(name)
                if table is None:
                    return
            table.pop(last, None)

        return self._change(change)

    def secret(self, owner: str, field: str) -> str:
        """A secret of a plugin, or "" if there is none."""
        return str(_load(self._paths.secrets).get(owner, {}).get(field, ""))

    def set_secret(self, owner: str, field: str, value: str) -> None:
        """Keep a secret in a file that only the owner can read; "" removes it."""
        with self._thread_lock, self._file_lock:
            document = _load(self._paths.secrets)
            table = document.setdefault(owner, {})
            if value:
                table[field] = value
            else:
                table.pop(field, None)
            _write(self._paths.secrets, tomlkit.dumps(document), mode=0o600)

    def server_secret(self, name: str) -> str:
        """A random secret of the server's own, made when it is first asked for."""
        if not self.secret("server", name):
            self.set_secret("server", name, secrets.token_urlsafe(32))
        return self.secret("server", name)

    @staticmethod
    def reset(paths: Paths) -> Path:
        """Set the settings file aside and return where it now is.

        Raises:
            SettingsError: there is no settings file.
        """
        if not paths.settings.exists():
            raise SettingsError("There is no settings file: the defaults are in force.")
        aside = paths.home / f"settings.{time.strftime('%Y%m%d-%H%M%S')}.toml"
        paths.settings.replace(aside)
        return aside

    def _change(self, change: Callable[[tomlkit.TOMLDocument], None]) -> Settings:
        with self._thread_lock, self._file_lock:
            document = _load(self._paths.settings)
            change(document)
            self._value = _validate(document, self._paths.settings)
            _write(self._paths.settings, tomlkit.dumps(document))
            self._stamp = _stamp(self._paths.settings)
            return self._value

    def _read(self) -> None:
        stamp = _stamp(self._paths.settings)
        self._value = _validate(_load(self._paths.settings), self._paths.settings)
        self._stamp = stamp


def _split(key: str) -> list[str]:
    """The parts of a dotted key; a part that has dots itself stands in double quotes."""
    import csv

    parts = next(csv.reader([key], delimiter="."), [])
    if not parts or not all(parts):
        raise SettingsError(f"{key!r} is not a settings key.", param=key)
    return parts


def _load(path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return tomlkit.document()
    except ParseError as error:
        raise SettingsError(
            f"The settings file {str(path)!r} cannot be read: line {error.line}, column "
            f"{error.col}: {str(error).partition(' at line')[0]}.",
            hint=RESET,
            line=error.line,
            column=error.col,
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The settings file {str(path)!r} cannot be read: {error}.", hint=RESET
        ) from error


def _validate(document: tomlkit.TOMLDocument, path: Path) -> Settings:
    try:
        return Settings.model_validate(document.unwrap())
    except ValidationError as error:
        errors = {".".join(map(str, one["loc"])): one["msg"] for one in error.errors()}
        key, words = next(iter(errors.items()))
        raise SettingsError(
            f"The setting {key!r} in {str(path)!r} cannot be used: {words}.",
            hint=RESET,
            param=key,
            errors=errors,
        ) from error


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes when the file does."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace a file at once: whoever reads sees the old text or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise SettingsError(
            f"{str(path)!r} could not be written: {error.strerror}.",
            hint="What was there before is unchanged. Check the disk and the permissions.",
        ) from error
