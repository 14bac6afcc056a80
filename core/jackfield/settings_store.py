"""The settings file and the secrets file: read, checked, and written whole or not at all."""

from __future__ import annotations

import secrets
import threading
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import BaseModel, ValidationError

from jackfield import toml_file
from jackfield.errors import SettingsError
from jackfield.paths import Paths
from jackfield.settings import Settings

if TYPE_CHECKING:
    import tomlkit

Key: TypeAlias = str | Sequence[str]
"""``server.port``; a part that has dots itself stands in double quotes. Or the parts."""

RESET = "Correct the file, or set it aside and start with defaults: jackfield config reset"
RESET_SECRETS = "Correct the file, or remove it and enter keys and passwords again."
MISSING = object()
LONGEST_WAIT = 10.0
"""Seconds to wait for another process that is writing settings."""


class SettingsStore:
    """Reads and changes settings; several processes and threads may do so at once.

    Raises:
        SettingsError: the file does not parse or has a value out of bounds; it is left as it is.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._thread_lock = threading.RLock()
        self._problem: SettingsError | None = None
        self._stamp = toml_file.stamp(paths.settings)
        self._value = self._read()

    def __repr__(self) -> str:
        return f"SettingsStore({str(self._paths.settings)!r})"

    @property
    def value(self) -> Settings:
        """The settings as they are now; read again when the file was changed by somebody else.

        If it was broken meanwhile, the last good settings stay in force and ``problem`` says why.
        """
        with self._thread_lock:
            stamp = toml_file.stamp(self._paths.settings)
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._value, self._problem = self._read(), None
                except SettingsError as error:
                    self._problem = error
            return self._value

    @property
    def problem(self) -> SettingsError | None:
        """What is wrong with the settings file since it was last read whole, if anything."""
        return self._problem if self.value else None

    def set(self, key: Key, value: Any) -> Settings:
        """Set one key; None returns it to its default.

        Raises:
            SettingsError: no such key, or a value it does not take; ``details['errors']`` by field.
        """
        return self.update([(key, value)])

    def unset(self, key: Key) -> Settings:
        """Return a key to its default."""
        return self.update([(key, None)])

    def update(self, values: Sequence[tuple[Key, Any]]) -> Settings:
        """Set several keys, all of them or none."""
        changes = [(_split(key), value) for key, value in values]

        def change(document: tomlkit.TOMLDocument) -> None:
            for parts, value in changes:
                _put(document, parts, _plain(value))

        return self._change(change, [parts for parts, _ in changes])

    def secret(self, plugin: str, field: str) -> str:
        """A secret of a plugin, or "" if there is none."""
        return self._secret("plugins", plugin, field)

    def set_secret(self, plugin: str, field: str, value: str) -> None:
        """Keep a secret in a file that only the owner can read; "" removes it."""
        with self._locked():
            self._set_secret("plugins", plugin, field, value)

    def has_server_secret(self, name: str) -> bool:
        """Whether a secret of the server's own was made already."""
        return bool(self._secret("server", "keys", name))

    def server_secret(self, name: str) -> str:
        """A random secret of the server's own, made when it is first asked for."""
        if not self._secret("server", "keys", name):
            with self._locked():
                if not self._secret("server", "keys", name):
                    self._set_secret("server", "keys", name, secrets.token_urlsafe(32))
        return self._secret("server", "keys", name)

    @staticmethod
    def reset(paths: Paths) -> Path:
        """Set the settings file aside and return where it now is.

        Raises:
            SettingsError: there is no settings file.
        """
        aside = paths.home / f"settings.{time.strftime('%Y%m%d-%H%M%S')}.toml"
        number = 1
        while aside.exists():
            number += 1
            aside = aside.with_name(f"settings.{time.strftime('%Y%m%d-%H%M%S')}-{number}.toml")
        try:
            paths.settings.rename(aside)
        except FileNotFoundError as error:
            raise SettingsError(
                "There is no settings file: the defaults are in force already."
            ) from error
        return aside

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other threads and processes from writing."""
        import filelock

        lock = filelock.FileLock(self._paths.home / "settings.lock", timeout=LONGEST_WAIT)
        with self._thread_lock:
            try:
                lock.acquire()
            except (filelock.Timeout, OSError) as error:
                raise SettingsError(
                    f"The settings in {str(self._paths.home)!r} cannot be written: {error}.",
                    hint="Another Jackfield may be busy with them: try again.",
                ) from error
            try:
                yield
            finally:
                lock.release()

    def _change(
        self, change: Callable[[tomlkit.TOMLDocument], None], keys: Sequence[Sequence[str]]
    ) -> Settings:
        import tomlkit

        path = self._paths.settings
        with self._locked():
            text, data = toml_file.read(path, RESET)
            _validate(text, data, path)  # a file that is broken already is not touched
            document = tomlkit.parse(text)
            change(document)
            value = _checked(document.unwrap())
            for parts in keys:
                _tidy(document, data, value, parts)
            changed = tomlkit.dumps(document)
            value = _checked(tomllib.loads(changed))  # what will be read again
            if changed != text:
                toml_file.write(path, changed)
            self._value, self._problem = value, None
            self._stamp = toml_file.stamp(path)
            return value

    def _read(self) -> Settings:
        text, data = toml_file.read(self._paths.settings, RESET)
        return _validate(text, data, self._paths.settings)

    def _secret(self, kind: str, owner: str, field: str) -> str:
        _, kept = toml_file.read(self._paths.secrets, RESET_SECRETS)
        return str(kept.get(kind, {}).get(owner, {}).get(field, ""))

    def _set_secret(self, kind: str, owner: str, field: str, value: str) -> None:
        import tomlkit

        text, _ = toml_file.read(self._paths.secrets, RESET_SECRETS)
        document = tomlkit.parse(text)
        _put(document, [kind, owner, field], value or None)
        toml_file.write(self._paths.secrets, tomlkit.dumps(document), private=True)


def _split(key: Key) -> list[str]:
    """The parts of a key."""
    if not isinstance(key, str):
        return list(key)
    import csv

    try:
        parts = next(csv.reader([key], delimiter="."), [])
    except csv.Error:  # a line break in it
        parts = []
    if not parts or not all(parts):
        raise SettingsError(f"{key!r} is not a settings key.", hint=_known(""), param=key)
    return parts


def _plain(value: Any) -> Any:
    """A value as TOML can say it: without None, of plain types."""
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json", exclude_defaults=True))
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items() if one is not None}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value if one is not None]
    return str(value) if isinstance(value, Path) else value


def _put(document: Any, parts: Sequence[str], value: Any) -> None:
    """Set or, with None, remove what ``parts`` lead to, keeping comments where they can stay."""
    import tomlkit

    table = document
    for name in parts[:-1]:
        if not isinstance(table.get(name), Mapping):
            if value is None:
                return
            table[name] = tomlkit.table(is_super_table=True)
        table = table[name]
    last = parts[-1]
    if value is None:
        table.pop(last, None)
    elif isinstance(value, Mapping) and isinstance(table.get(last), Mapping):
        for gone in [name for name in table[last] if name not in value]:
            table[last].pop(gone)
        for name, one in value.items():
            _put(table[last], [name], one)
    elif last not in table or not _same(table[last], value):
        table[last] = value


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of one kind: 1 is not True."""
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def _tidy(document: Any, before: Mapping[str, Any], value: Settings, parts: Sequence[str]) -> None:
    """Write a value in its own type ("80" as 80), and not at all where it is only the default."""
    kept = _dig(value, parts)
    was_set = _dig(document, parts) is not MISSING
    if not was_set or kept is MISSING or isinstance(kept, BaseModel | Mapping):
        return
    is_default = _same(kept, _dig(Settings(), parts)) and _dig(before, parts) is MISSING
    _put(document, parts, None if is_default else _plain(kept))


def _dig(value: Any, parts: Sequence[str]) -> Any:
    """What lies under a key in settings or in plain tables."""
    for name in parts:
        if isinstance(value, Mapping):
            value = value.get(name, MISSING)
        else:
            value = getattr(value, name, MISSING)
    return value


def _checked(data: dict[str, Any]) -> Settings:
    """Settings with new values, or an error about those."""
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise _refused(error) from error


def _validate(text: str, data: dict[str, Any], path: Path) -> Settings:
    """The settings that a file's text holds, or an error that says where it is wrong."""
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = [str(part) for part in first["loc"]]
        line, column = toml_file.place_of(text, key)
        raise SettingsError(
            f"The file {str(path)!r} cannot be used: line {line}, column {column}: "
            f"{_words(first, key)}.",
            hint=RESET,
            param=".".join(key),
            line=line,
            column=column,
            errors=_by_field(error),
        ) from error


def _refused(error: ValidationError) -> SettingsError:
    """The error for a new value that was not taken."""
    first = error.errors()[0]
    key = [str(part) for part in first["loc"]]
    words = _words(first, key)
    unknown = first["type"] == "extra_forbidden"
    return SettingsError(
        f"{words[0].upper()}{words[1:]}.",
        hint=_known(".".join(key)) if unknown else "Nothing was changed.",
        param=".".join(key),
        errors=_by_field(error),
    )


def _words(error: Any, key: Sequence[str]) -> str:
    """What is wrong with one value."""
    name = ".".join(key)
    if error["type"] == "extra_forbidden":
        return f"there is no setting {name!r}"
    shown = repr(error["input"])
    message = error["msg"][:1].lower() + error["msg"][1:]
    return f"{name!r} cannot be {shown if len(shown) < 80 else shown[:77] + '...'}: {message}"


def _by_field(error: ValidationError) -> dict[str, str]:
    return {".".join(map(str, one["loc"])): one["msg"] for one in error.errors()}


def _known(key: str) -> str:
    """The nearest setting's name, or where to see them all."""
    names = []
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            names += [f"{name}.{inner}" for inner in section.model_fields]
        else:
            names.append(name)
    near = get_close_matches(key, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else "All settings: jackfield config show --json"
