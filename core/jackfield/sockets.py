"""The sockets that plugins are plugged into: pluggy's hooks, each implementation on its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import msgspec
import pluggy

from jackfield import hookspecs
from jackfield.errors import PluginError
from jackfield.plugin import Plugin
from jackfield.quarantine import check_methods


class Hook(msgspec.Struct, frozen=True):
    """One plugin's implementation of one hook.

    Attributes:
        name: with its prefix.
        arguments: the arguments of the hook that it takes.
        rank: 0 with tryfirst, 2 with trylast, else 1.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    rank: int
    is_async: bool


class _Hooks(pluggy.PluginManager):
    """Looks for hooks only where there may be some: at each start each name of each plugin."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """The options of a hook; None for the methods that every Python object has."""
        return None if name.startswith("__") else super().parse_hookimpl_opts(plugin, name)


class Sockets:
    """Takes plugins in and out; pluggy checks them against the specifications."""

    def __init__(self) -> None:
        self._pluggy = _Hooks("jackfield")
        self._pluggy.add_hookspecs(hookspecs)

    def plug(self, name: str, plugin: Plugin) -> dict[str, Hook]:
        """Plug one plugin in and return its hooks by name.

        Raises:
            PluginError: a hook that does not exist, lacks its mark, or takes a wrong argument.
        """
        check_methods(plugin, name)
        try:
            self._pluggy.register(plugin, name)
            self._pluggy.check_pending()
        except pluggy.PluginValidationError as error:
            self.unplug(plugin)
            words = " ".join(str(error).split())
            raise PluginError(f"{name!r} does not fit the hooks: {words}.", plugin=name) from error
        callers = self._pluggy.get_hookcallers(plugin) or []
        return {
            caller.name: _hook(caller.name, impl)
            for caller in callers
            for impl in caller.get_hookimpls()
            if impl.plugin is plugin
        }

    def unplug(self, plugin: Plugin) -> None:
        """Take a plugin out, if it is in."""
        if self._pluggy.is_registered(plugin):
            self._pluggy.unregister(plugin)


def _hook(name: str, impl: pluggy.HookImpl) -> Hook:
    known = inspect.signature(getattr(hookspecs, name)).parameters
    taken = inspect.signature(impl.function).parameters
    return Hook(
        name=name,
        function=impl.function,
        arguments=tuple(argument for argument in taken if argument in known),
        rank=0 if impl.tryfirst else 2 if impl.trylast else 1,
        is_async=inspect.iscoroutinefunction(impl.function),
    )
