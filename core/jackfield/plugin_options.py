"""The saved options of plugins: in the settings file, secrets apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from jackfield.errors import InvalidRequest, PluginError
from jackfield.plugin import Plugin, PluginConfig
from jackfield.plugin_record import Entry
from jackfield.quarantine import by_field
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

        Saved options that there are no longer are dropped.

        Raises:
            InvalidRequest: not valid; ``details['errors']`` has a message for each field.
            PluginError: the plugin's own check of them failed.
        """
        fields = kind.Config.model_fields
        hidden = {name for name, field in fields.items() if _is_secret(field)}
        unknown = [name for name in values if name not in fields]
        if unknown:
            raise InvalidRequest(
                f"Plugin {entry.name!r} has no option {unknown[0]!r}.",
                hint=f"It has: {', '.join(fields) or 'none'}.",
                param=unknown[0],
                errors=dict.fromkeys(unknown, "There is no such option."),
            )
        secrets = {name: one for name, one in values.items() if name in hidden and one != ""}
        given = {name: one for name, one in secrets.items() if one is not None}
        plain = {name: one for name, one in self._saved(entry).items() if name in fields}
        plain |= {name: one for name, one in values.items() if name not in hidden}
        kept = {n: one for n, one in self._secrets(entry, kind).items() if n not in secrets}
        checked = _checked(entry, kind, {**plain, **kept, **given})
        shown = checked.model_dump(mode="json", exclude=hidden, exclude_defaults=True)
        empty = [name for name, one in shown.items() if one is None]
        if empty:
            raise InvalidRequest(
                f"The option {empty[0]!r} of plugin {entry.name!r} cannot be empty: its default "
                f"is {fields[empty[0]].get_default(call_default_factory=True)!r}.",
                param=empty[0],
                errors=dict.fromkeys(empty, "This cannot be empty."),
            )
        if entry.found is None:
            self._unsaved[entry.name] = {**shown, **kept, **given}
            return
        for name, value in secrets.items():
            self._settings.set_secret(entry.name, name, _reveal(value))
        self._settings.set(("plugins", entry.name, "config"), shown)

    def forget(self, entry: Entry, kind: type[Plugin] | None) -> None:
        """Return to the author's options; secrets stay."""
        secrets = self._secrets(entry, kind) if kind is not None else {}
        if entry.found is None:
            self._unsaved[entry.name] = dict(secrets)
        else:
            self._settings.unset(("plugins", entry.name, "config"))

    def shown(self, entry: Entry) -> dict[str, Any]:
        """Options as JSON, with secrets as "set" or "", whether or not they are valid."""
        kind = entry.kind
        if kind is None:
            return self._shown_unseen(entry)
        try:
            values = self.load(entry, kind).model_dump(mode="json")
        except Exception:  # noqa: BLE001 - a plugin's own validators run here
            values = self._saved(entry)
        secrets = self._secrets(entry, kind)
        hidden = [name for name, field in kind.Config.model_fields.items() if _is_secret(field)]
        return {**values, **{name: "set" if secrets.get(name) else "" for name in hidden}}

    def _shown_unseen(self, entry: Entry) -> dict[str, Any]:
        """Options of a plugin that was not imported, as far as its card tells them."""
        fields = entry.card.config_schema.get("properties", {}) if entry.card else {}
        values = {name: one["default"] for name, one in fields.items() if "default" in one}
        values |= self._saved(entry)
        for name, field in fields.items():
            if any(one.get("writeOnly") for one in (field, *field.get("anyOf", ()))):
                values[name] = "set" if self._settings.secret(entry.name, name) else ""
        return values

    def _saved(self, entry: Entry) -> dict[str, Any]:
        if entry.found is None:
            return dict(self._unsaved.get(entry.name, {}))
        return dict(self._settings.value.plugins.get(entry.name, PluginSettings()).config)

    def _secrets(self, entry: Entry, kind: type[Plugin]) -> dict[str, str]:
        hidden = [name for name, field in kind.Config.model_fields.items() if _is_secret(field)]
        if entry.found is None:
            kept = self._unsaved.get(entry.name, {})
            found = {name: _reveal(kept.get(name)) for name in hidden}
        else:
            found = {name: self._settings.secret(entry.name, name) for name in hidden}
        return {name: value for name, value in found.items() if value}


def _checked(entry: Entry, kind: type[Plugin], values: dict[str, Any]) -> PluginConfig:
    try:
        return kind.Config.model_validate(values)
    except ValidationError as error:
        errors = by_field(error)
        field, words = next(iter(errors.items()))
        raise InvalidRequest(
            f"The option {field!r} of plugin {entry.name!r} cannot be used: {words}.",
            hint="Nothing was changed.",
            param=field,
            errors=errors,
        ) from error
    except Exception as error:
        raise PluginError(
            f"Plugin {entry.name!r} failed to check its options: {type(error).__name__}: {error}",
            hint="Nothing was changed. Tell its author.",
            plugin=entry.name,
        ) from error


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *get_args(field.annotation))


def _reveal(value: Any) -> str:
    if value is None:
        return ""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
