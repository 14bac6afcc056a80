"""Why a plugin cannot be used, found before it can do any harm."""

from __future__ import annotations

import inspect
import re
from difflib import get_close_matches
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import ValidationError

from jackfield import hookspecs
from jackfield.errors import JackfieldError, PluginError
from jackfield.page import Page
from jackfield.plugin import API_VERSION, Plugin

PREFIX = "jackfield_"
SPECIFICATIONS = {
    name: inspect.signature(function)
    for name, function in vars(hookspecs).items()
    if name.startswith(PREFIX)
}
BUILT_IN_PAGES = frozenset({"chat", "models", "plugins", "settings"})
"""Addresses of the dashboard's own pages."""


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
    try:
        fits = SpecifierSet(value.requires_api).contains(API_VERSION, prereleases=True)
    except InvalidSpecifier as error:
        raise PluginError(
            f"{name!r} asks for the version {value.requires_api!r} of the hooks, which is not a "
            "version specifier such as '>=1,<2'.",
            plugin=name,
        ) from error
    if not fits:
        raise PluginError(
            f"{name!r} needs version {value.requires_api!r} of the hooks; this is {API_VERSION}.",
            hint="Install a version of the plugin that fits, or another version of Jackfield.",
            plugin=name,
        )
    return value


def checked_hooks(plugin: Plugin, name: str) -> tuple[str, ...]:
    """The hooks a plugin implements.

    Raises:
        PluginError: a hook that does not exist, lacks its marker, or takes a wrong argument.
    """
    hooks = []
    for attribute in sorted(dir(type(plugin))):
        if not attribute.startswith(PREFIX):
            continue
        method = getattr(plugin, attribute)
        if not callable(method):
            continue
        _check_name(attribute, name)
        if not hasattr(method, "jackfield_impl"):
            raise PluginError(
                f"{name!r} has a method {attribute!r} without the mark @hookimpl, so it would "
                "never be called.",
                hint="Its author has to put @hookimpl above it.",
                plugin=name,
            )
        _check_arguments(attribute, method, name)
        hooks.append(attribute)
    return tuple(hooks)


def _check_name(hook: str, name: str) -> None:
    if hook in SPECIFICATIONS:
        return
    near = get_close_matches(hook, SPECIFICATIONS, n=1)
    raise PluginError(
        f"{name!r} implements {hook!r}, and there is no such hook.",
        hint=f"Did its author mean {near[0]!r}?" if near else "See the reference of hooks.",
        plugin=name,
    )


def _check_arguments(hook: str, method: Any, name: str) -> None:
    signature = inspect.signature(method)
    known = SPECIFICATIONS[hook].parameters
    wrong = [argument for argument in signature.parameters if argument not in known]
    if wrong:
        raise PluginError(
            f"{name!r} implements {hook}{signature}, and the hook has no argument {wrong[0]!r}.",
            hint=f"It can take any of: {', '.join(known) or 'none'}.",
            plugin=name,
        )


def explain(error: BaseException, name: str) -> tuple[str, str]:
    """What went wrong with a plugin and what to do, for its card."""
    if isinstance(error, JackfieldError):
        return error.message, error.hint or f"Disable it: jackfield plugins disable {name}"
    if isinstance(error, ValidationError):
        fields = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'config'}: {one['msg']}" for one in error.errors()
        )
        return (
            f"Its saved options are not valid: {fields}",
            "Correct them in its form on the Plugins page, or reset them: "
            f"jackfield plugins configure {name} --reset",
        )
    if isinstance(error, ModuleNotFoundError):
        return (
            f"{type(error).__name__}: {error}",
            f"Install what it needs, or uninstall it: jackfield plugins uninstall {name}",
        )
    return (
        f"{type(error).__name__}: {error}",
        f"Tell its author, or uninstall it: jackfield plugins uninstall {name}",
    )


def wrong_page(page: Any, taken: set[str]) -> str:
    """Why the dashboard could not show a page, or "".

    Args:
        taken: addresses of other pages: one that stands twice would take the dashboard down.
    """
    if not isinstance(page, Page):
        return f"it gave {page!r}, which is not a jackfield.Page"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", page.url_path):
        return f"the address {page.url_path!r} has more than lower-case letters, digits and hyphens"
    if page.url_path in taken:
        return f"another page has the address {page.url_path!r}"
    if not re.fullmatch(r":material/[a-z0-9_]+:", page.icon):
        return f"the icon {page.icon!r} is not of the form ':material/name:'"
    if not page.title.strip():
        return f"the page {page.url_path!r} has no title"
    return ""
