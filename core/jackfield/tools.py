"""Tools that a model may call: what a plugin offers, and how families of models write calls."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias, get_type_hints

import msgspec

from jackfield.messages import ToolCallPart

NAME = r"[a-zA-Z0-9_-]{1,64}"
"""What OpenAI's API takes as the name of a function."""

ToolChoice: TypeAlias = Literal["auto", "none", "required"]


class ToolDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is told of a tool.

    Attributes:
        name: letters, digits, ``_`` and ``-``, at most 64.
        parameters: a JSON schema of an object.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] = msgspec.field(
        default_factory=lambda: {"type": "object", "properties": {}}
    )

    def as_function(self) -> dict[str, Any]:
        """As chat templates and OpenAI's API know it."""
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }
        return {"type": "function", "function": function}


class Tool(ToolDefinition, frozen=True, kw_only=True):
    """A tool that a plugin runs.

    Attributes:
        run: given the arguments by name, returns what the model is to read; in a thread unless it
            is ``async``. What it raises is told to the model as a failure.
        title: what the user reads; the name if empty.
        approval: ``ask`` the user before each call until they say otherwise, or run it ``always``,
            for what can do no harm and reaches nothing.
        seconds: after which a call is given up.
    """

    run: Callable[[dict[str, Any]], str | Awaitable[str]]
    title: str = ""
    approval: Literal["ask", "always"] = "ask"
    seconds: float = 60.0


def tool(
    function: Callable[..., Any],
    *,
    name: str = "",
    title: str = "",
    approval: Literal["ask", "always"] = "ask",
    seconds: float = 60.0,
) -> Tool:
    """A tool of a typed function.

    Its docstring is the description; its parameters become a JSON schema by their annotations,
    which may be ``Annotated[..., Field(description=...)]``. Arguments are checked against them
    before the function is called. What it returns is given to the model as text or as JSON.
    """
    from pydantic import TypeAdapter, validate_call

    takes: Any = _unbound(function) if inspect.ismethod(function) else function
    schema = TypeAdapter(takes).json_schema()
    properties = schema.get("properties", {})
    for one in properties.values():
        one.pop("title", None)
    checked = validate_call(takes)

    def as_text(answer: Any) -> str:
        return answer if isinstance(answer, str) else msgspec.json.encode(answer).decode()

    if inspect.iscoroutinefunction(function):

        async def run(arguments: dict[str, Any]) -> str:
            return as_text(await checked(**arguments))
    else:

        def run(arguments: dict[str, Any]) -> str:  # type: ignore[misc] # the plain counterpart
            return as_text(checked(**arguments))

    return Tool(
        name=name or function.__name__,
        description=inspect.getdoc(function) or "",
        parameters={"type": "object", **schema, "properties": properties},
        run=run,
        title=title,
        approval=approval,
        seconds=seconds,
    )


def _unbound(method: Callable[..., Any]) -> Callable[..., Any]:
    """A function for a method, in whose annotations pydantic does not find the module's names."""
    hints = get_type_hints(method, include_extras=True)
    signature = inspect.signature(method)
    known = [
        one.replace(annotation=hints.get(name, one.annotation))
        for name, one in signature.parameters.items()
    ]

    def call(*values: Any, **named: Any) -> Any:
        return method(*values, **named)

    call.__annotations__ = hints
    call.__signature__ = signature.replace(parameters=known)  # type: ignore[attr-defined]
    return call


class ToolCallParser(ABC):
    """How a family of models writes calls of tools, and is told of tools.

    Attributes:
        name: lower-case, e.g. ``hermes``.
        title: what the user reads, with the families, e.g. ``Hermes, Qwen 2.5``.
        opens: texts with which a call begins; a reply is read as plain text up to the first.
        constrained: models of this kind were never taught to call tools. Where the loader can keep
            a reply to a schema, they are first made to choose a tool, or none.
        untyped: arguments are written as plain texts. They are handed over as such, and read as
            JSON where the tool's schema does not want a text.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    opens: ClassVar[tuple[str, ...]]
    constrained: ClassVar[bool] = False
    untyped: ClassVar[bool] = False

    @abstractmethod
    def fits(self, chat_template: str, architecture: str) -> int:
        """How surely a model with this template writes calls so: 0 not at all, 100 certainly."""

    @abstractmethod
    def parse(self, text: str) -> Sequence[ToolCallPart]:
        """The calls in a text that begins with one of ``opens``; none if it holds none.

        ``id`` may be empty; it is given one. The text may have been cut short: what is not whole
        is no call.
        """

    def describe(self, tools: Sequence[ToolDefinition]) -> str:
        """What a model is told of tools where its own template does not do that; "" if it does."""
        return ""

    def forced(self, tools: Sequence[ToolDefinition]) -> tuple[str, Mapping[str, Any]]:
        """How a call of one of these is made certain.

        Returns:
            What is put at the beginning of the reply, and the JSON schema that what follows obeys.
        """
        from jackfield.tool_schema import any_call

        return self.opens[0], any_call(tools)
