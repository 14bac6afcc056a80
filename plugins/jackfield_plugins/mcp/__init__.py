"""Tools of MCP servers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from jackfield import Field, Page, Plugin, Reach, SecretStr, Tool, hookimpl
from jackfield_plugins.mcp.connection import Connection, Limits, RemoteTool
from jackfield_plugins.mcp.connections import Connections
from jackfield_plugins.mcp.server import Server, parsed_secrets

if TYPE_CHECKING:
    import typer
    from fastapi import APIRouter

    from jackfield.application import Application


class Mcp(Plugin):
    """Connects to MCP servers, and offers their tools to models."""

    # "download", as servers on this computer work offline; it refuses the others itself
    reach = Reach(
        network="download",
        hosts=("the MCP servers that you add",),
        files=("whatever the MCP servers that you start touch",),
    )

    class Config(Plugin.Config):
        """The servers, and what holds for all."""

        servers: list[Server] = Field([], description="MCP servers; the MCP page adds them")
        secrets: SecretStr = Field(
            SecretStr(""),
            description="Secrets, NAME=value, with blanks between; ${NAME} in a server's env, "
            "headers or url stands for one",
        )
        connect_seconds: float = Field(
            60, ge=1, le=600, description="Seconds that a server may take to start"
        )
        longest: int = Field(
            20_000, ge=500, le=200_000, description="Characters of a result that are kept"
        )

        @field_validator("servers")
        @classmethod
        def _named_once(cls, servers: list[Server]) -> list[Server]:
            names = [one.name for one in servers]
            if twice := next((name for name in names if names.count(name) > 1), ""):
                raise ValueError(f"there are two servers {twice!r}; each needs a name of its own")
            return servers

        @field_validator("secrets")
        @classmethod
        def _readable(cls, secrets: SecretStr) -> SecretStr:
            parsed_secrets(secrets.get_secret_value())
            return secrets

    def __init__(self, config: Plugin.Config, context: Any) -> None:
        super().__init__(config, context)
        self._started = False
        self.connections = Connections(
            context.data,
            offline=context.offline,
            limits=lambda: Limits(self.config.connect_seconds, self.config.longest),
            log=context.log,
        )

    @hookimpl
    def jackfield_started(self) -> None:
        """Begin to connect."""
        self._started = True
        self._follow()

    @hookimpl
    def jackfield_config_changed(self, before: Mapping[str, Any]) -> None:
        """Connect to what is new or changed, and leave what is gone."""
        if self._started:
            self._follow()

    @hookimpl
    def jackfield_stopped(self) -> None:
        """End the connections, and the programs that were started."""
        self._started = False
        self.connections.close()

    @hookimpl
    def jackfield_tools(self) -> list[Tool]:
        """The tools of all servers, as far as they are known; a call waits for its server."""
        taken: set[str] = set()
        return [
            self._tool(connection, one, taken)
            for connection in self.connections.all
            for one in connection.tools
        ]

    @hookimpl
    def jackfield_pages(self) -> list[Page]:
        """The servers: how they are, and adding one."""
        from jackfield_plugins.mcp.page import draw

        return [
            Page(
                title="MCP servers",
                url_path="mcp",
                icon=":material/hub:",
                draw=lambda app: draw(app, self),
            )
        ]

    @hookimpl
    def jackfield_routes(self) -> APIRouter:
        """``/api/plugins/mcp/servers``."""
        from fastapi import APIRouter

        router = APIRouter()

        @router.get("/servers")
        def servers() -> list[dict[str, Any]]:
            """The servers and how they are; without their environment and headers."""
            return self.states()

        return router

    @hookimpl
    def jackfield_commands(self, cli: typer.Typer, app: Application) -> None:
        """``jackfield mcp``."""
        from jackfield_plugins.mcp.commands import add

        add(cli, app, self)

    def states(self) -> list[dict[str, Any]]:
        """Each server as it is now."""
        open_ = {one.server.name: one for one in self.connections.all}
        return [
            {
                "name": one.name,
                "transport": one.transport,
                "where": one.where,
                "enabled": one.enabled,
                "approval": one.approval,
                "state": open_[one.name].state if one.name in open_ else "stopped",
                "error": open_[one.name].error if one.name in open_ else "",
                "tools": [tool.name for tool in open_[one.name].tools] if one.name in open_ else [],
            }
            for one in self.config.servers
        ]

    def again(self, name: str) -> None:
        """Connect a server anew, at once."""
        for one in self.connections.all:
            if one.server.name == name:
                self.connections.loop().start_task_soon(one.again)

    def _follow(self) -> None:
        secrets = parsed_secrets(self.config.secrets.get_secret_value())
        self.connections.follow(self.config.servers, secrets)

    def _tool(self, connection: Connection, tool: RemoteTool, taken: set[str]) -> Tool:
        """A tool of a server as the model is offered it."""
        server = connection.server

        async def run(arguments: dict[str, Any]) -> str:
            import asyncio  # too slow to be imported before it is needed

            called = self.connections.loop().start_task_soon(connection.call, tool.name, arguments)
            return await asyncio.wrap_future(called)

        return Tool(
            name=_unique(f"{server.name}__{tool.name}", taken),
            title=f"{tool.title} ({server.name})",
            description=tool.description,
            parameters=tool.parameters,
            run=run,
            approval=server.approval,
            seconds=server.seconds + 30,  # its own time limit tells more
        )


def _unique(name: str, taken: set[str]) -> str:
    """A name as models may be given it, unlike those that are taken."""
    plain = re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64]
    chosen, number = plain, 2
    while chosen in taken:
        chosen = f"{plain[:60]}_{number}"
        number += 1
    taken.add(chosen)
    return chosen
