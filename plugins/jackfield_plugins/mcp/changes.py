"""Adds and removes servers and secrets in the user's settings."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from jackfield import InvalidRequest, NotFound
from jackfield_plugins.mcp.server import Server, parsed_secrets

if TYPE_CHECKING:
    from jackfield.application import Application
    from jackfield_plugins.mcp import Mcp


def add(app: Application, plugin: Mcp, values: Mapping[str, Any]) -> Server:
    """Add a server.

    Raises:
        InvalidRequest: it cannot be reached so, or there is one of that name.
    """
    try:
        server = Server.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = f"{first['loc'][0]}: " if first["loc"] else ""
        words = str(first["msg"]).removeprefix("Value error, ")
        raise InvalidRequest(f"The MCP server cannot be added: {field}{words}.") from error
    if any(one.name == server.name for one in plugin.config.servers):
        raise InvalidRequest(
            f"There is an MCP server {server.name!r} already.",
            hint=f"Choose another name, or remove it: jackfield mcp remove {server.name}",
        )
    _save(app, plugin, [*plugin.config.servers, server])
    return server


def remove(app: Application, plugin: Mcp, name: str) -> None:
    """Remove a server.

    Raises:
        NotFound: there is none.
    """
    found = find(plugin, name)
    _save(app, plugin, [one for one in plugin.config.servers if one is not found])


def switch(app: Application, plugin: Mcp, name: str, *, enabled: bool) -> None:
    """Switch a server on or off."""
    found = find(plugin, name)
    changed = found.model_copy(update={"enabled": enabled})
    _save(app, plugin, [changed if one is found else one for one in plugin.config.servers])


def set_secret(app: Application, plugin: Mcp, name: str, value: str) -> None:
    """Keep a secret, or forget it if it is empty."""
    secrets = parsed_secrets(plugin.config.secrets.get_secret_value())
    secrets.pop(name, None)
    if value:
        secrets[name] = value
    written = " ".join(shlex.quote(f"{one}={kept}") for one, kept in secrets.items())
    app.plugins.configure(plugin.context.name, {"secrets": written or None})


def find(plugin: Mcp, name: str) -> Server:
    """A server by its name.

    Raises:
        NotFound: there is none.
    """
    servers: dict[str, Server] = {one.name: one for one in plugin.config.servers}
    if name in servers:
        return servers[name]
    near = get_close_matches(name, servers, 1)
    raise NotFound(
        f"There is no MCP server {name!r}.",
        hint=f"Did you mean {near[0]!r}?" if near else "List them: jackfield mcp list",
    )


def _save(app: Application, plugin: Mcp, servers: list[Server]) -> None:
    kept = [one.model_dump(mode="json", exclude_defaults=True) for one in servers]
    app.plugins.configure(plugin.context.name, {"servers": kept})
