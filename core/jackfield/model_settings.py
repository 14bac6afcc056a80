"""What is saved for single models: read, checked, changed and forgotten, the same by all doors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from pydantic import SecretStr, TypeAdapter, ValidationError

from jackfield.catalog.adapters import found_adapter
from jackfield.catalog.catalog import Catalog
from jackfield.catalog.model import CatalogModel
from jackfield.errors import InvalidRequest, JackfieldError, ModelNotFound
from jackfield.load_plan import best_loader, checked_options, named_loader
from jackfield.loader import Loader, Match
from jackfield.manager import PluginManager
from jackfield.sampling import SamplingParams
from jackfield.settings import AdapterSettings, ModelSettings
from jackfield.settings_store import SettingsStore

FIELDS = tuple(name for name in ModelSettings.model_fields if name != "variant_of")
"""What can be changed; which model a variant is of cannot."""
LONGEST_ALIAS = 100
OWN_TEMPLATE = "model"
"""The template that a model brings itself."""

Errors: TypeAlias = dict[str, str]
"""What is wrong, by field: ``alias``, ``options.n_ctx``, ``sampling.top_p``, ..."""


class SavedSettings:
    """The settings of single models. For any thread; other processes may change them too.

    What is changed here is checked against what there is: names, loaders and their options,
    templates, adapters. The next load uses loader, options and adapters; the rest is in force at
    once.
    """

    def __init__(self, catalog: Catalog, plugins: PluginManager, settings: SettingsStore) -> None:
        self._catalog = catalog
        self._plugins = plugins
        self._settings = settings

    def get(self, model: str) -> ModelSettings:
        """What is saved for a model, by its name or alias.

        Raises:
            ModelNotFound: there is no such model.
        """
        return self._kept(self._catalog.find(model))

    def change(self, model: str, changes: Mapping[str, Any]) -> ModelSettings:
        """Change what is named and leave the rest.

        Args:
            model: name or alias.
            changes: new values by field; None returns a field to its default. ``options`` and
                ``sampling`` are changed name by name in the same way.

        Raises:
            ModelNotFound: there is no such model.
            InvalidRequest: nothing was changed; ``details['errors']`` says why, by field.
        """
        entry = self._catalog.find(model)
        kept = self._kept(entry)
        values = kept.model_dump(mode="json")
        for name, value in changes.items():
            if name in ("options", "sampling") and isinstance(value, Mapping):
                merged = {**values[name], **value}
                values[name] = {one: given for one, given in merged.items() if given is not None}
            elif value is None and name in FIELDS:
                values[name] = ModelSettings.model_fields[name].get_default(
                    call_default_factory=True
                )
            else:
                values[name] = value
        return self._save(entry, kept, values, given=changes)

    def replace(self, model: str, values: Mapping[str, Any]) -> ModelSettings:
        """Save these and nothing else; what is not named is at its default.

        Raises:
            ModelNotFound, InvalidRequest: as for ``change``.
        """
        entry = self._catalog.find(model)
        kept = self._kept(entry)
        whole = {**ModelSettings(variant_of=kept.variant_of).model_dump(mode="json"), **values}
        return self._save(entry, kept, whole, given=whole)

    def forget(self, model: str) -> ModelSettings:
        """Return all to the defaults; returns what was saved, for ``restore``.

        Raises:
            ModelNotFound: there is no such model.
        """
        entry = self._catalog.find(model)
        kept = self._kept(entry)
        self.restore(entry.name, ModelSettings(variant_of=kept.variant_of))
        return kept

    def restore(self, model: str, saved: ModelSettings) -> None:
        """Save what was saved once before, whatever it is."""
        values = saved.model_dump(mode="json", exclude_defaults=True)
        self._settings.set(("models", model), values or None)

    def loaders(self, model: CatalogModel) -> dict[str, tuple[Loader, Match]]:
        """The loaders that can open a model and why, best first."""
        able = {}
        loaders = self._plugins.loaders()
        for name in loaders:
            try:
                able[name] = named_loader(model, name, loaders, InvalidRequest)
            except JackfieldError:
                continue  # this one cannot, which is no trouble
        return dict(sorted(able.items(), key=lambda pair: -pair[1][1].score))

    def automatic_loader(self, model: CatalogModel) -> tuple[Loader, Match]:
        """The loader that is chosen where none is saved, and why.

        Raises:
            LoadFailed: none opens the model.
            PluginConflict: several do equally well; ``details['owners']`` are the loaders.
        """
        return best_loader(model, self._plugins.loaders(), self._settings.value.choices)

    def _kept(self, entry: CatalogModel) -> ModelSettings:
        return self._settings.value.models.get(entry.name, ModelSettings())

    def _save(
        self,
        entry: CatalogModel,
        kept: ModelSettings,
        values: dict[str, Any],
        given: Mapping[str, Any],
    ) -> ModelSettings:
        check = _Check(self._catalog, self._plugins, self, entry)
        saved = check.checked(kept, values, given)
        self.restore(entry.name, saved)
        return saved


class _Check:
    """One check of new settings; only what differs from what is kept can be wrong."""

    def __init__(
        self, catalog: Catalog, plugins: PluginManager, saved: SavedSettings, entry: CatalogModel
    ) -> None:
        self._catalog = catalog
        self._plugins = plugins
        self._saved = saved
        self._entry = entry
        self._errors: Errors = {}
        self._hint = ""

    def checked(
        self, kept: ModelSettings, values: dict[str, Any], given: Mapping[str, Any]
    ) -> ModelSettings:
        """The settings.

        Raises:
            InvalidRequest: with all that is wrong.
        """
        for name in sorted({*values} - {*FIELDS, "variant_of"}):
            self._wrong(name, "there is no such setting", f"There are: {', '.join(FIELDS)}.")
        if values.get("variant_of") != kept.variant_of:
            self._wrong("variant_of", "it cannot be changed")
        self._refuse()
        if kept.loader != values["loader"] and "options" not in given:
            values["options"] = self._common_options(values)
        wanted = self._typed(kept, values)
        wanted.alias = wanted.alias.strip()
        if wanted.alias.lower() == self._entry.name.lower():
            wanted.alias = ""  # that is its name already
        if wanted.alias != kept.alias:
            self._alias(wanted.alias)
        if wanted.template not in ("", OWN_TEMPLATE, kept.template):
            self._template(wanted.template)
        if wanted.loader != kept.loader or wanted.options != kept.options:
            self._loading(wanted)
        if wanted.adapters != kept.adapters:
            self._adapters(wanted.adapters)
        self._refuse()
        return wanted

    def _typed(self, kept: ModelSettings, values: dict[str, Any]) -> ModelSettings:
        """The settings; in place of what is of a wrong kind, what is kept."""
        self._sampling(values["sampling"])
        try:
            return ModelSettings.model_validate(values)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                name = str(one["loc"][0])
                if name != "sampling":  # told in full already
                    self._wrong(".".join(map(str, one["loc"])), one["msg"])
                values[name] = getattr(kept, name)
            return ModelSettings.model_validate(values)

    def _alias(self, alias: str) -> None:
        if len(alias) > LONGEST_ALIAS or not alias.isprintable():
            self._wrong("alias", f"it is one line of at most {LONGEST_ALIAS} characters")
        if not alias:
            return
        try:
            other = self._catalog.find(alias)
        except ModelNotFound:
            return
        if other.name != self._entry.name:
            self._wrong(
                "alias", f"{alias!r} already names the model {other.name!r}", "Choose another."
            )

    def _template(self, template: str) -> None:
        named = sorted(self._plugins.chat_templates())
        if template not in named:
            there = f"There is: {', '.join(named)}." if named else "No plugin brings any."
            self._wrong("template", f"there is no chat template {template!r}", there)

    def _loading(self, wanted: ModelSettings) -> None:
        loader = self._told("loader", lambda: self._loader(wanted.loader))
        if loader is None or not wanted.options:
            return
        checked = self._told("options", lambda: checked_options(loader, wanted.options))
        for name in wanted.options:
            if checked is not None and isinstance(getattr(checked, name, None), SecretStr):
                self._wrong(f"options.{name}", "it is a secret, which is not saved with a model")

    def _loader(self, name: str) -> Loader:
        if name:
            return named_loader(self._entry, name, self._plugins.loaders(), InvalidRequest)[0]
        return self._saved.automatic_loader(self._entry)[0]

    def _common_options(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The options that another loader takes as well."""
        try:
            fields = self._loader(str(values["loader"])).Options.model_fields
        except JackfieldError:
            fields = {}  # told when the loader is checked
        return {name: value for name, value in values["options"].items() if name in fields}

    def _sampling(self, values: Any) -> None:
        try:
            TypeAdapter(SamplingParams).validate_python(values)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                where = ".".join(["sampling", *map(str, one["loc"])])
                unknown = one["type"] == "extra_forbidden"
                there = f"There are: {', '.join(SamplingParams.model_fields)}." if unknown else ""
                self._wrong(where, "there is none" if unknown else one["msg"], there)

    def _adapters(self, adapters: list[AdapterSettings]) -> None:
        known = self._catalog.adapters()
        for one in adapters:
            self._told("adapters", lambda one=one: found_adapter(one.path, known))  # type: ignore[misc] # bound at once

    def _told(self, field: str, check: Callable[[], Any]) -> Any:
        """What a check gives; its refusal is noted for a field."""
        try:
            return check()
        except JackfieldError as error:
            inner: Errors = error.details.get("errors", {})
            if not inner:
                self._wrong(field, error.message.removesuffix("."), error.hint)
            for name, why in inner.items():
                self._wrong(f"{field}.{name}", why, error.hint)
            return None

    def _wrong(self, field: str, why: str, hint: str = "") -> None:
        self._errors.setdefault(field, why)
        self._hint = self._hint or hint

    def _refuse(self) -> None:
        if self._errors:
            told = "; ".join(f"{field}: {why}" for field, why in self._errors.items())
            raise InvalidRequest(
                f"The settings of the model {self._entry.name!r} cannot be saved: {told}.",
                hint=self._hint,
                param=next(iter(self._errors)),
                errors=dict(self._errors),
            )
