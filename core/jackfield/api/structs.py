"""Msgspec structs in answers, so that the OpenAPI page describes them."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Annotated, Any, ForwardRef, Literal, TypeAlias, TypeVar, get_type_hints

import msgspec
from pydantic import BaseModel, Field, GetCoreSchemaHandler, create_model
from pydantic_core import CoreSchema, core_schema


class _AsModel:
    """Makes pydantic treat a struct as the model that has its fields."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            _plain, handler.generate_schema(model_of(source))
        )


Struct = TypeVar("Struct", bound=msgspec.Struct)
Shown: TypeAlias = Annotated[Struct, _AsModel()]
"""A struct as part of an answer: ``Shown[Trace]``."""


@cache
def model_of(struct: type[msgspec.Struct]) -> type[BaseModel]:
    """A pydantic model with the fields, defaults and docstring of a struct."""
    hints = get_type_hints(struct)
    help_ = _field_help(inspect.getdoc(struct) or "")
    fields: dict[str, Any] = {}
    settings = struct.__struct_config__
    if settings.tag is not None:
        fields[str(settings.tag_field)] = (Literal[settings.tag], settings.tag)
    for one in msgspec.structs.fields(struct):
        options: dict[str, Any] = {"description": help_.get(one.name)}
        if one.default_factory is not msgspec.NODEFAULT:
            options["default_factory"] = one.default_factory
        elif one.default is not msgspec.NODEFAULT:
            options["default"] = _default(one.default)
        fields[one.name] = (_translated(hints[one.name], struct), Field(**options))
    made: type[BaseModel] = create_model(struct.__name__, **fields)
    made.__doc__ = (inspect.getdoc(struct) or "").split("\n")[0]
    return made


def _plain(value: Any) -> Any:
    """A struct as plain values; anything else as it is."""
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value, enc_hook=str)
    return value


def _default(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return model_of(type(value))(**msgspec.to_builtins(value))
    return value


def _translated(kind: Any, owner: type[msgspec.Struct]) -> Any:
    """A type with the structs in it replaced by their models, the owner by its name."""
    if kind is owner:
        return ForwardRef(owner.__name__)  # pydantic finds a model's own name when it makes it
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return model_of(kind)
    arguments = getattr(kind, "__args__", ())
    if not any(_has_struct(one) for one in arguments):
        return kind
    translated = tuple(_translated(one, owner) for one in arguments)
    if hasattr(kind, "__origin__"):
        return kind.__origin__[translated if len(translated) > 1 else translated[0]]
    union = translated[0]
    for one in translated[1:]:
        union = union | one
    return union


def _has_struct(kind: Any) -> bool:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return True
    return any(_has_struct(one) for one in getattr(kind, "__args__", ()))


def _field_help(docstring: str) -> dict[str, str]:
    """What a docstring's section ``Attributes`` says of each field."""
    section = docstring.partition("Attributes:\n")[2]
    found = {}
    for names, text in re.findall(r"^    ([\w, ]+): ((?:.|\n        )+)", section, re.MULTILINE):
        for name in names.split(","):
            found[name.strip()] = re.sub(r"\s+", " ", text)
    return found
