"""The saved options of plugins: in the settings file, secrets apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from jackfield.errors import InvalidRequest
from jackfield.plugin import Plugin, PluginConfig
from jackfield.plugin_record import Entry
from jackfield.settings import PluginSettings
from jackfield.settings_store import SettingsStore


class PluginOptions:
    """Reads, checks and keeps the options of plugins.

    Options of a plugin that came from no distribution are kept in memory.
    """

    def __init__(self, settings: SettingsStore) -> None:
        self._settings = settings
        self._unsaved: dict[str, dict[str, Any]] = {}

    def load(self, entry: Entry, kind: type[Plugin]) -> PluginConfig:
        """A plugin's options as it sees them.

        Raises:
            ValidationError: what is saved is not valid.
        """
        return kind.Config.model_validate({**self._saved(entry), **self._secrets(entry, kind)})

    def save(self, entry: Entry, kind: type[Plugin], values: Mapping[str, Any]) -> None:
        """Check some changed options together with the others, and keep them.

        Raises:
            InvalidRequest: not valid; ``details['errors']`` has a message for each field.
        """
        hidden = _secret_names(kind)
        secrets = {name: value for name, value in values.items() if name in hidden and value != ""}
        plain = {**self._saved(entry), **{n: v for n, v in values.items() if n not in hidden}}
        plain = {name: value for name, value in plain.items() if name in kind.Config.model_fields}
        unknown = [name for name in values if name not in kind.Config.model_fields]
        if unknown:
            raise InvalidRequest(
                f"Plugin {entry.name!r} has no option {unknown[0]!r}.",
                hint=f"It has: {', '.join(kind.Config.model_fields) or 'none'}.",
                param=unknown[0],
                errors={unknown[0]: "There is no such option."},
            )
        given = {name: value for name, value in secrets.items() if value is not None}
        kept = {n: v for n, v in self._secrets(entry, kind).items() if n not in secrets}
        try:
            checked = kind.Config.model_validate({**plain, **kept, **given})
        except ValidationError as error:
            errors = {".".join(map(str, one["loc"])): one["msg"] for one in error.errors()}
            field, words = next(iter(errors.items()))
            raise InvalidRequest(
                f"The option {field!r} of plugin {entry.name!r} cannot be used: {words}.",
                param=field,
                errors=errors,
            ) from error
        shown = checked.model_dump(mode="json", exclude=hidden, exclude_defaults=True)
        if entry.found is None:
            self._unsaved[entry.name] = {**shown, **given}
            return
        for name, value in secrets.items():
            self._settings.set_secret(f"plugin:{entry.name}", name, _reveal(value))
        self._settings.set(f'plugins."{entry.name}".config', shown)

    def forget(self, entry: Entry) -> None:
        """Return to the author's options."""
        self._unsaved.pop(entry.name, None)
        if entry.found is not None:
            self._settings.unset(f'plugins."{entry.name}".config')

    def shown(self, entry: Entry, kind: type[Plugin]) -> dict[str, Any]:
        """Options as JSON, with secrets as "set" or "", whether or not they are valid."""
        try:
            values = self.load(entry, kind).model_dump(mode="json")
        except ValidationError:
            values = self._saved(entry)
        secrets = self._secrets(entry, kind)
        return {**values, **{n: "set" if secrets.get(n) else "" for n in _secret_names(kind)}}

    def _saved(self, entry: Entry) -> dict[str, Any]:
        if entry.found is None:
            return dict(self._unsaved.get(entry.name, {}))
        return dict(self._settings.value.plugins.get(entry.name, PluginSettings()).config)

    def _secrets(self, entry: Entry, kind: type[Plugin]) -> dict[str, str]:
        if entry.found is None:
            return {}
        owner = f"plugin:{entry.name}"
        found = {name: self._settings.secret(owner, name) for name in _secret_names(kind)}
        return {name: value for name, value in found.items() if value}


def _secret_names(kind: type[Plugin]) -> set[str]:
    return {name for name, field in kind.Config.model_fields.items() if _is_secret(field)}


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))


def _reveal(value: Any) -> str:
    if value is None:
        return ""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
