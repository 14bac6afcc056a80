"""The fields of a form, read from a pydantic model's JSON schema."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

Kind = Literal[
    "text",
    "long text",
    "secret",
    "integer",
    "number",
    "switch",
    "choice",
    "choices",
    "lines",
    "table",
    "group",
    "variants",
    "json",
]
SCALARS: Mapping[str, Kind] = {"string": "text", "integer": "integer", "number": "number"}

UPPER = {
    word.lower(): word for word in ("API", "CPU", "GB", "GPU", "ID", "JSON", "MB", "TOML", "URL")
}
"""Words of a field's name that are not written in small letters."""


class FormField(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a form.

    Attributes:
        name: its name in the model.
        kind: what it holds, which decides how it is drawn; ``json`` is anything else.
        label, help: what the user reads.
        default: its default; ``...`` where a value is required.
        nullable: whether it may be None.
        minimum, maximum: bounds of a number, both included.
        step: what a number is a multiple of, 0 if anything.
        longest: most characters of a text, 0 if any.
        choices: what a choice is made from.
        names: what the user reads for some of the choices, from ``names`` in the schema.
        item: kind of the lines of ``lines`` and of the values of a ``table``.
        fields: of a ``group``.
        tag: name of the field that says which of ``variants`` is meant.
        variants: fields by tag.
    """

    name: str
    kind: Kind
    label: str
    help: str = ""
    default: Any = ...
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    step: float = 0
    longest: int = 0
    choices: tuple[Any, ...] = ()
    names: dict[str, str] = msgspec.field(default_factory=dict)
    item: Kind = "text"
    fields: tuple[FormField, ...] = ()
    tag: str = ""
    variants: dict[str, tuple[FormField, ...]] = msgspec.field(default_factory=dict)

    @property
    def start(self) -> Any:
        """What the field holds before anybody has filled it in."""
        if self.default is not ...:
            return self.default
        return None if self.nullable else self.empty

    @property
    def empty(self) -> Any:
        """The least it can hold that is not None."""
        if self.kind == "group":
            return starts(self.fields)
        if self.kind == "variants":
            tag = next(iter(self.variants))
            return {self.tag: tag, **starts(self.variants[tag])}
        if self.kind in ("integer", "number"):
            low = self.minimum if self.minimum is not None else min(0, self.maximum or 0)
            return int(low) if self.kind == "integer" else float(low)
        empty: dict[str, Any] = {"switch": False, "choices": [], "lines": [], "table": {}}
        if self.kind == "choice":
            return self.choices[0]
        return empty.get(self.kind, None if self.kind == "json" else "")


def starts(fields: Iterable[FormField]) -> dict[str, Any]:
    """What fields hold before anybody has filled them in."""
    return {field.name: field.start for field in fields}


def read_fields(schema: Mapping[str, Any]) -> tuple[FormField, ...]:
    """The fields of ``Model.model_json_schema()``, in their order."""
    return _Reader(schema.get("$defs", {})).model(schema)


class _Reader:
    """Reads schemas that share definitions; ``inside`` are the definitions being read."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions

    def model(self, schema: Mapping[str, Any]) -> tuple[FormField, ...]:
        resolved, _, inside = self._resolve(schema, ())
        return self.fields(resolved, inside)

    def fields(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> tuple[FormField, ...]:
        return tuple(
            self._field(name, node, inside) for name, node in schema.get("properties", {}).items()
        )

    def _field(self, name: str, node: Mapping[str, Any], inside: tuple[str, ...]) -> FormField:
        schema, nullable, inside = self._resolve(node, inside)
        default = node.get("default", ...)
        common: dict[str, Any] = {
            "name": name,
            "label": _label(name, node.get("title", "")),
            "help": str(schema.get("description", "")),
            "default": default,
            "nullable": nullable,
        }
        return FormField(**common, **self._kind(schema, inside))

    def _resolve(
        self, node: Mapping[str, Any], inside: tuple[str, ...]
    ) -> tuple[dict[str, Any], bool, tuple[str, ...]]:
        """A schema without references and without "or null", and whether it had the latter."""
        schema, nullable = dict(node), False
        while True:
            options = schema.get("anyOf", schema.get("allOf", ()))
            real = [one for one in options if one.get("type") != "null"]
            nullable = nullable or len(real) < len(options)
            inner = real[0] if len(real) == 1 else None
            if inner is None and "$ref" in schema:
                name = schema.pop("$ref").rpartition("/")[2]
                if name in inside:  # a model inside itself has no end
                    return {"description": schema.get("description", "")}, nullable, inside
                inner, inside = self._definitions[name], (*inside, name)
            if inner is None:
                return schema, nullable, inside
            schema.pop("anyOf", None)
            schema.pop("allOf", None)
            schema = {**inner, **schema}

    def _kind(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        """The kind of a schema, with what that kind needs."""
        if "enum" in schema or "const" in schema:
            choices = tuple(schema["enum"] if "enum" in schema else [schema["const"]])
            return {"kind": "choice", "choices": choices, "names": schema.get("names", {})}
        if "discriminator" in schema:
            return self._variants(schema, inside)
        match schema.get("type"):
            case "string":
                return _text(schema)
            case "integer" | "number":
                return _number(schema)
            case "boolean":
                return {"kind": "switch"}
            case "array":
                return self._array(schema, inside)
            case "object":
                return self._object(schema, inside)
        return {"kind": "json"}

    def _variants(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        tag = schema["discriminator"]["propertyName"]
        variants = {}
        for value, reference in schema["discriminator"]["mapping"].items():
            variant, _, within = self._resolve({"$ref": reference}, inside)
            fields = self.fields(variant, within)
            variants[value] = tuple(field for field in fields if field.name != tag)
        return {"kind": "variants", "tag": tag, "variants": variants}

    def _array(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        item, nullable, _ = self._resolve(schema.get("items", {}), inside)
        if "enum" in item and schema.get("uniqueItems", True):
            return {"kind": "choices", "choices": tuple(item["enum"])}
        if item.get("type") in SCALARS and not nullable and "prefixItems" not in schema:
            return {"kind": "lines", "item": SCALARS[item["type"]]}
        return {"kind": "json"}

    def _object(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        if schema.get("properties"):
            return {"kind": "group", "fields": self.fields(schema, inside)}
        values = schema.get("additionalProperties", True)
        item = self._resolve(values, inside)[0] if isinstance(values, Mapping) else {}
        if item.get("type") in SCALARS and "enum" not in item:
            return {"kind": "table", "item": SCALARS[item["type"]]}
        return {"kind": "json"}


def _text(schema: Mapping[str, Any]) -> dict[str, Any]:
    form = schema.get("format")
    if form == "password" or schema.get("writeOnly"):
        return {"kind": "secret"}
    longest = int(schema.get("maxLength", 0))
    return {"kind": "long text" if form == "long-text" else "text", "longest": longest}


def _number(schema: Mapping[str, Any]) -> dict[str, Any]:
    whole = schema["type"] == "integer"
    nudge = 1 if whole else 0  # an excluded bound of a real number is left to validation
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + nudge
    if "exclusiveMaximum" in schema:
        high = schema["exclusiveMaximum"] - nudge
    bounds = {"minimum": low, "maximum": high}
    finite = {
        name: bound for name, bound in bounds.items() if bound is not None and math.isfinite(bound)
    }
    return {"kind": schema["type"], "step": schema.get("multipleOf", 0), **finite}


def _label(name: str, title: str) -> str:
    """The title its author gave it, or its name in words."""
    made_up = name.replace("_", " ").title()
    if title and title != made_up:
        return title
    words = [UPPER.get(word, word) for word in name.split("_")]
    return words[0][:1].upper() + " ".join(words)[1:]


def shown(value: Any) -> str:
    """A value in words, short."""
    if value is None or value in ("", [], {}):
        return "empty"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    text = value if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False)
    text = str(text).replace("\n", "⏎")
    return text if len(text) <= 60 else text[:57] + "..."
