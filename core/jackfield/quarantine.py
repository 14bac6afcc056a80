"""Why a plugin cannot be used, found before it can do any harm."""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Iterator
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import SecretStr, ValidationError

from jackfield import hookspecs
from jackfield.errors import JackfieldError, PluginError
from jackfield.plugin import API_VERSION, Plugin, PluginConfig, Reach

PREFIX = "jackfield_"
TURN_HOOKS = (
    "before_turn",
    "transform_messages",
    "transform_input",
    "add_context",
    "modify_sampling",
    "transform_prompt",
    "logits_processors",
    "filter_stream",
    "transform_reply",
    "after_turn",
)
"""Hooks of a turn in the order of their calls, without their prefix."""


def checked_class(value: Any, name: str) -> type[Plugin]:
    """What an entry point led to, if it is a plugin for this version.

    Raises:
        PluginError: it is no plugin, or made for another version of the hooks.
    """
    if not (isinstance(value, type) and issubclass(value, Plugin)):
        raise PluginError(
            f"{name!r} leads to {value!r}, which is not a class derived from jackfield.Plugin.",
            hint="Its author has to correct the entry point.",
            plugin=name,
        )
    for attribute, wanted in (("requires_api", str), ("reach", Reach)):
        if not isinstance(getattr(value, attribute), wanted):
            raise PluginError(
                f"{name!r} has {attribute} = {getattr(value, attribute)!r}, which is not a "
                f"{wanted.__name__}.",
                plugin=name,
            )
    _check_version(value, name)
    _check_options(value, name)
    return value


def _check_version(kind: type[Plugin], name: str) -> None:
    try:
        fits = SpecifierSet(kind.requires_api).contains(API_VERSION, prereleases=True)
    except InvalidSpecifier as error:
        raise PluginError(
            f"{name!r} asks for the version {kind.requires_api!r} of the hooks, which is not a "
            "version specifier such as '>=1,<2'.",
            plugin=name,
        ) from error
    if not fits:
        raise PluginError(
            f"{name!r} needs version {kind.requires_api!r} of the hooks; this is {API_VERSION}.",
            hint="Install a version of the plugin that fits, or another version of Jackfield.",
            plugin=name,
        )


def _check_options(kind: type[Plugin], name: str) -> None:
    """Options are a PluginConfig, and a secret among them stands on its own."""
    if not (isinstance(kind.Config, type) and issubclass(kind.Config, PluginConfig)):
        raise PluginError(
            f"{name!r} has a Config that is not derived from Plugin.Config.",
            hint="Its author has to write: class Config(Plugin.Config)",
            plugin=name,
        )
    for field in kind.Config.model_fields.values():
        if _has_hidden_secret(field.annotation):
            raise PluginError(
                f"{name!r} has a secret inside another option, where it could not be kept apart.",
                hint="Its author has to make each secret an option of its own: SecretStr.",
                plugin=name,
            )


def _has_hidden_secret(annotation: Any) -> bool:
    """Whether a SecretStr is inside a list, a table or a model; ``SecretStr | None`` is not."""
    is_union = get_origin(annotation) in (Union, UnionType)
    choices = set(get_args(annotation) if is_union else (annotation,)) - {NoneType}
    return choices != {SecretStr} and any(_holds_secret(one, frozenset()) for one in choices)


def _holds_secret(annotation: Any, seen: frozenset[Any]) -> bool:
    if annotation is SecretStr:
        return True
    if annotation in seen:
        return False  # a model that holds itself
    fields = getattr(annotation, "model_fields", {}) if isinstance(annotation, type) else {}
    inside = [*get_args(annotation), *(field.annotation for field in fields.values())]
    return any(
        _holds_secret(one, seen | {annotation}) for one in inside if isinstance(one, Hashable)
    )


def check_methods(plugin: Plugin, name: str) -> None:
    """Check the methods that look like hooks.

    Raises:
        PluginError: a hook that does not exist, lacks its mark, or takes a wrong argument.
    """
    for attribute, method in _methods(type(plugin)):
        marks = getattr(method, "jackfield_impl", None)
        if marks is None:
            if hook_named(attribute) is None:
                raise _unknown(attribute, name)
            raise PluginError(
                f"{name!r} has a method {attribute!r} without the mark @hookimpl, so it would "
                "never be called.",
                hint="Its author has to put @hookimpl above it.",
                plugin=name,
            )
        hook = marks.get("specname") or attribute
        if hook_named(hook) is None:
            raise _unknown(hook, name)
        if marks.get("wrapper") or marks.get("hookwrapper"):
            raise PluginError(
                f"{name!r} wraps the hook {hook!r}; here each plugin is called on its own.",
                hint="Its author has to leave out wrapper=True.",
                plugin=name,
            )
        _check_arguments(hook, method, name)
        _check_colour(hook, method, name)


@cache
def hook_named(name: str) -> inspect.Signature | None:
    """The signature of a hook, or None if there is no such hook."""
    function = getattr(hookspecs, name, None) if name.startswith(PREFIX) else None
    return inspect.signature(function) if function is not None else None


def _methods(kind: type[Plugin]) -> Iterator[tuple[str, Any]]:
    """Methods that have a hook's prefix or mark; properties are not asked."""
    for attribute in sorted(dir(kind)):
        method = inspect.getattr_static(kind, attribute)
        method = getattr(method, "__func__", method)
        if inspect.isfunction(method) and (
            attribute.startswith(PREFIX) or hasattr(method, "jackfield_impl")
        ):
            yield attribute, method


def _unknown(hook: str, name: str) -> PluginError:
    known = [one for one in vars(hookspecs) if one.startswith(PREFIX)]
    near = get_close_matches(hook, known, n=1)
    return PluginError(
        f"{name!r} implements {hook!r}, and there is no such hook.",
        hint=f"Did its author mean {near[0]!r}?" if near else "See the reference of hooks.",
        plugin=name,
    )


def _check_arguments(hook: str, method: Any, name: str) -> None:
    signature = hook_named(hook)
    known = list(signature.parameters) if signature else []
    taken = inspect.signature(method).parameters
    shown = ", ".join(taken)
    right = ", ".join(["self", *known])
    for argument, parameter in list(taken.items())[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            words = f"{argument!r} cannot be given by name"
        elif argument not in known and parameter.default is parameter.empty:
            words = f"the hook has no argument {argument!r}"
        else:
            continue
        raise PluginError(
            f"{name!r} implements {hook}({shown}), and {words}.",
            hint=f"The hook is {hook}({right}); an implementation takes any of these.",
            plugin=name,
        )


def _check_colour(hook: str, method: Any, name: str) -> None:
    """Turn hooks may be ``async def``, the stream's filter a generator, the others neither."""
    short = hook.removeprefix(PREFIX)
    is_async = inspect.iscoroutinefunction(method)
    if short == "filter_stream" and is_async:
        words = "as 'async def' without 'yield'; it returns or is an asynchronous generator"
    elif short not in TURN_HOOKS and (is_async or inspect.isasyncgenfunction(method)):
        words = "as 'async def'; only the hooks of a turn may be that"
    else:
        return
    raise PluginError(f"{name!r} implements {hook} {words}.", plugin=name)


def explain(error: BaseException, name: str) -> tuple[str, str]:
    """What went wrong with a plugin and what to do, for its card."""
    if isinstance(error, JackfieldError):
        return error.message, error.hint or f"Disable it: jackfield plugins disable {name}"
    if isinstance(error, ValidationError):
        fields = "; ".join(f"{field}: {words}" for field, words in by_field(error).items())
        return (
            f"Its saved options are not valid: {fields}",
            "Correct them in its form on the Plugins page, or return to the defaults: "
            f"jackfield plugins configure {name} --reset",
        )
    if isinstance(error, ImportError):
        what = "Install what it needs"
    elif isinstance(error, SystemExit):
        what = "It tried to end the program. Tell its author"
    else:
        what = "Tell its author"
    return (
        f"{type(error).__name__}: {error}",
        f"{what}, or uninstall it: jackfield plugins uninstall {name}",
    )


def by_field(error: ValidationError) -> dict[str, str]:
    """A message for each field that is not valid; never the value, which may be a secret."""
    return {
        ".".join(map(str, one["loc"])) or "config": one["msg"]
        for one in error.errors(include_url=False, include_input=False, include_context=False)
    }
