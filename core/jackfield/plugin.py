"""What an entry point of the group ``jackfield`` points at."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec
import pluggy
from pydantic import BaseModel, ConfigDict, WithJsonSchema

API_VERSION = "1.0"
"""Version of the hooks. The major number changes when a plugin written for it would break."""

hookimpl = pluggy.HookimplMarker("jackfield")
hookspec = pluggy.HookspecMarker("jackfield")

LongText: TypeAlias = Annotated[str, WithJsonSchema({"type": "string", "format": "long-text"})]
"""A text of several lines, for a field of a plugin's Config."""


class Reach(msgspec.Struct, frozen=True):
    """What a plugin touches outside Jackfield; shown to the user, refused in offline mode.

    Attributes:
        network: ``none``, ``download`` (fetches something once, when asked) or ``runtime``.
        hosts: the hosts it speaks to, or what decides them, e.g. ``the Python package index``.
        files: folders outside its own data folder that it reads or writes.
    """

    network: Literal["none", "download", "runtime"] = "none"
    hosts: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class PluginConfig(BaseModel):
    """Base of a plugin's options; each field has a default, bounds and a description."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class PluginContext(msgspec.Struct, frozen=True):
    """What a plugin is given to work with.

    Attributes:
        name: the plugin's name, from its entry point or file.
        data: a folder of its own, made when first asked for by the plugin.
        log: a logger of its own.
        offline: asks whether the user has switched the network off.
    """

    name: str
    data: Path
    log: logging.Logger
    offline: Callable[[], bool]


class Plugin:
    """Base of every plugin. The docstring's first line is shown as its description.

    One object per plugin lives while it is enabled. ``config`` is replaced when the user changes
    it, so read it where it is needed and keep nothing derived from it without
    ``jackfield_config_changed``.

    Attributes:
        Config: its options, a :class:`PluginConfig` subclass.
        requires_api: versions of the hooks it works with, e.g. ``>=1,<2``; "" means any.
        reach: what it touches outside Jackfield.
        enabled_by_default: whether it runs before the user has said anything.
        essential: a failing turn hook fails the turn instead of being passed over.
    """

    class Config(PluginConfig):
        """A plugin's options; derive from it inside your own plugin class."""

    requires_api: ClassVar[str] = ""
    reach: ClassVar[Reach] = Reach()
    enabled_by_default: ClassVar[bool] = True
    essential: ClassVar[bool] = False

    config: Any  # an instance of this class's Config
    context: PluginContext

    def __init__(self, config: PluginConfig, context: PluginContext) -> None:
        self.config = config
        self.context = context
