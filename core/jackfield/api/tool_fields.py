"""Tools in requests and replies, in OpenAI's form."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from jackfield.api.errors import invalid
from jackfield.messages import ToolCallPart
from jackfield.pipeline.turn import ToolName
from jackfield.tools import NAME, ToolChoice, ToolDefinition


class FunctionDefinition(BaseModel):
    """A function that the model may call."""

    name: str = Field(description="Letters, digits, _ and -, at most 64")
    description: str | None = None
    parameters: dict[str, Any] | None = Field(None, description="A JSON schema of an object")
    strict: bool | None = Field(None, description="Not used")


class ToolField(BaseModel):
    """A tool of the client."""

    type: Literal["function"] = "function"
    function: FunctionDefinition


class ChosenFunction(BaseModel):
    """The name of a function."""

    name: str


class ChosenTool(BaseModel):
    """The one tool that must be called."""

    type: Literal["function"] = "function"
    function: ChosenFunction


class CalledFunction(BaseModel):
    """A function with its arguments as JSON text."""

    model_config = ConfigDict(extra="ignore")

    name: str
    arguments: str = ""


class ToolCallField(BaseModel):
    """A call of a tool."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


def definitions(tools: Sequence[ToolField] | None) -> tuple[ToolDefinition, ...]:
    """The client's tools.

    Raises:
        InvalidRequest: a name or a schema that is none, or a name twice.
    """
    found: dict[str, ToolDefinition] = {}
    for index, one in enumerate(tools or ()):
        function, place = one.function, f"tools.{index}.function"
        if not re.fullmatch(NAME, function.name):
            raise invalid(
                f"{place}.name",
                f"{function.name!r} is no name of a tool: it takes letters, digits, _ and -, at "
                "most 64.",
            )
        if function.name in found:
            raise invalid(f"{place}.name", f"There are two tools {function.name!r}.")
        schema = function.parameters or {"type": "object", "properties": {}}
        if schema.get("type", "object") != "object":
            raise invalid(
                f"{place}.parameters",
                f"The parameters of {function.name!r} are of type {schema['type']!r}; they have "
                "to be a JSON schema of type 'object'.",
            )
        found[function.name] = ToolDefinition(
            name=function.name,
            description=function.description or "",
            parameters={"type": "object", "properties": {}, **schema},
        )
    return tuple(found.values())


def choice(sent: ToolChoice | ChosenTool | None) -> ToolChoice | ToolName:
    """Whether a tool has to be called."""
    if isinstance(sent, ChosenTool):
        return ToolName(sent.function.name)
    return sent or "auto"


def sent_calls(sent: Sequence[ToolCallField]) -> tuple[ToolCallPart, ...]:
    """Calls of an earlier reply, as the client sends them back."""
    return tuple(ToolCallPart(one.id, one.function.name, one.function.arguments) for one in sent)


def call_field(call: ToolCallPart) -> ToolCallField:
    """A call as the client is told of it."""
    arguments = call.arguments or "{}"
    with suppress(ValueError):  # then as the model wrote it: clients expect that this happens
        arguments = json.dumps(json.loads(arguments), ensure_ascii=False)
    return ToolCallField(id=call.id, function=CalledFunction(name=call.name, arguments=arguments))
