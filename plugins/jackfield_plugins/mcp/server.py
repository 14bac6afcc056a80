"""An MCP server as the user describes it."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import shlex
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, model_validator

from jackfield import Field, InvalidRequest

PLACE = re.compile(r"\$\{(\w+)\}")
SHORT = 4
"""Characters of a secret below which it is no secret: such a value is part of many words."""


class Server(BaseModel):
    """One MCP server: a program that is started, or an address."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        pattern=r"^[a-zA-Z0-9_-]{1,32}$", description="Short name; its tools' names begin with it"
    )
    transport: Literal["stdio", "http"] = Field(
        "stdio", description="Started here (stdio), or reached by its address (http)"
    )
    command: str = Field("", description="Program to start, for stdio")
    args: list[str] = Field([], description="Its arguments")
    env: dict[str, str] = Field({}, description="Environment variables for it")
    url: str = Field("", description="Address, for http")
    headers: dict[str, str] = Field({}, description="HTTP headers to send")
    enabled: bool = Field(True, description="Use this server")
    approval: Literal["ask", "always"] = Field(
        "ask", description="Ask before each call of its tools, or always run them"
    )
    seconds: float = Field(60, ge=1, le=3600, description="Seconds that a call may take")

    @model_validator(mode="after")
    def _reachable(self) -> Server:
        if self.transport == "stdio" and not self.command.strip():
            raise ValueError(f"the server {self.name!r} needs a command to start")
        if self.transport == "http" and not re.match(r"https?://[^/]", self.url):
            raise ValueError(f"the server {self.name!r} needs a url that begins with http(s)://")
        return self

    @property
    def is_local(self) -> bool:
        """Whether it runs on this computer."""
        if self.transport == "stdio":
            return True
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def where(self) -> str:
        """What the user reads of where it is."""
        return self.url if self.transport == "http" else shlex.join([self.command, *self.args])

    @property
    def fingerprint(self) -> str:
        """Changes with what it is, not with what is asked of it."""
        known = self.model_dump_json(include={"name", "transport", "command", "args", "url"})
        return hashlib.sha256(known.encode()).hexdigest()


def parsed_secrets(text: str) -> dict[str, str]:
    """Secrets by name from ``NAME=value OTHER="a value with blanks"``.

    Raises:
        ValueError: a piece is not of this form.
    """
    secrets = {}
    for piece in shlex.split(text):
        name, found, value = piece.partition("=")
        if not found or not re.fullmatch(r"\w+", name):
            raise ValueError(
                'secrets are written NAME=value, with blanks between them or within "..."'
            )
        secrets[name] = value
    return secrets


def filled(values: Mapping[str, str], secrets: Mapping[str, str], server: str) -> dict[str, str]:
    """Values with the secrets in place of ``${NAME}``.

    Raises:
        InvalidRequest: there is no secret of that name.
    """

    def secret(place: re.Match[str]) -> str:
        if place[1] not in secrets:
            raise InvalidRequest(
                f"The MCP server {server!r} names the secret {place[1]!r}, which is not set.",
                hint=f"Set it: jackfield mcp secret {place[1]}",
            )
        return secrets[place[1]]

    return {name: PLACE.sub(secret, value) for name, value in values.items()}


def without(text: str, secrets: Mapping[str, str]) -> str:
    """A text with ``${NAME}`` in place of each secret."""
    for name, value in sorted(secrets.items(), key=lambda one: -len(one[1])):
        if len(value) >= SHORT:
            text = text.replace(value, f"${{{name}}}")
    return text
