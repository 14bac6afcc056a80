"""The tools of one turn: which there are, how the model is told of them and calls them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from jackfield.errors import InvalidRequest
from jackfield.loader import ModelInfo
from jackfield.messages import Message, ToolCallPart, message
from jackfield.pipeline.turn import ToolName, Turn
from jackfield.tool_schema import read_as
from jackfield.tools import Tool, ToolCallParser, ToolDefinition

if TYPE_CHECKING:
    from jackfield.manager import PluginManager

NO_TOOL = ToolDefinition(
    name="no_tool", description="Answer the user in words, without calling a tool."
)
"""What a model chooses that is asked first whether it wants to call a tool."""


class Toolbox:
    """The tools that a model may call in a turn.

    Attributes:
        definitions: what the model is told, the client's own first.
        parser: how it writes calls; None where a server makes the prompt itself.
    """

    def __init__(
        self,
        definitions: Sequence[ToolDefinition],
        own: Mapping[str, tuple[str, Tool]],
        parser: ToolCallParser | None,
        *,
        in_template: bool,
    ) -> None:
        self.definitions = tuple(definitions)
        self.parser = parser
        self._own = own
        self._in_template = in_template

    @classmethod
    def of(
        cls, turn: Turn, plugins: PluginManager, info: ModelInfo, template: str
    ) -> Toolbox | None:
        """The tools of a turn; None if there are none.

        Args:
            template: the chat template that is used.

        Raises:
            InvalidRequest: no plugin knows how models call tools, or a tool that must be called
                is not among them.
        """
        if turn.mode != "chat" or turn.tool_choice == "none":
            return None
        own = _own_tools(turn, plugins)
        definitions = [*turn.tools, *(tool for _, tool in own.values())]
        if not definitions:
            if turn.tool_choice != "auto":
                raise InvalidRequest(
                    "A tool must be called ('tool_choice'), but there are no tools.",
                    hint="Give 'tools', or leave 'tool_choice' out.",
                    param="tool_choice",
                )
            return None
        if isinstance(turn.tool_choice, ToolName):
            _check_choice(turn.tool_choice.name, definitions)
        if info.renders:
            return cls(definitions, own, None, in_template=True)
        parsers = plugins.tool_call_parsers().values()
        fitting = [(one.fits(template, info.architecture), one) for one in parsers]
        score, parser = max(fitting, key=lambda pair: pair[0], default=(0, None))
        if parser is None or score <= 0:
            raise InvalidRequest(
                "No plugin knows how this model calls tools.",
                hint="Enable the plugin that does: jackfield plugins enable tool_calls",
                param="tools",
            )
        return cls(definitions, own, parser, in_template="tools" in template)

    @property
    def for_template(self) -> list[dict[str, Any]] | None:
        """The tools as the model's own template is told of them; None if it has no place."""
        return [one.as_function() for one in self.definitions] if self._in_template else None

    def told(self, messages: Sequence[Message]) -> list[Message]:
        """The messages, with the tools described where the template does not do that."""
        words = self.parser.describe(self.definitions) if self.parser is not None else ""
        if not words or self._in_template:
            return list(messages)
        first, *rest = messages
        if first.role != "system":
            return [message("system", words), *messages]
        return [first.with_text(f"{first.text}\n\n{words}"), *rest]

    def must(self, turn: Turn) -> Sequence[ToolDefinition]:
        """The tools one of which has to be called now; none if the model may decide."""
        if isinstance(turn.tool_choice, ToolName):
            name = turn.tool_choice.name
            return [one for one in self.definitions if one.name == name]
        return self.definitions if turn.tool_choice == "required" else ()

    def typed(self, call: ToolCallPart) -> ToolCallPart:
        """A call whose arguments have the types that its tool wants, where texts were written."""
        wanted = next((one for one in self.definitions if one.name == call.name), None)
        if wanted is None or self.parser is None or not self.parser.untyped:
            return call
        try:
            arguments = read_as(arguments_of(call), wanted.parameters)
        except ValueError:
            return call  # it is told to the model
        return msgspec.structs.replace(call, arguments=json.dumps(arguments, ensure_ascii=False))

    def is_clients(self, call: ToolCallPart) -> bool:
        """Whether the client has to run a call."""
        return call.name not in self._own and any(one.name == call.name for one in self.definitions)

    def tool(self, call: ToolCallPart) -> tuple[str, Tool] | None:
        """The tool of a call with its plugin's name; None if there is none."""
        return self._own.get(call.name)

    def title(self, call: ToolCallPart) -> str:
        """What the user reads as the name of the tool."""
        found = self._own.get(call.name)
        return (found[1].title if found else "") or call.name


def arguments_of(call: ToolCallPart) -> dict[str, Any]:
    """The arguments that a model wrote.

    Raises:
        ValueError: they are not a JSON object.
    """
    try:
        given = json.loads(call.arguments or "{}")
    except ValueError as error:
        raise ValueError(f"the arguments are not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ValueError(f"the arguments are {type(given).__name__}, not an object")
    return given


def _own_tools(turn: Turn, plugins: PluginManager) -> dict[str, tuple[str, Tool]]:
    """The tools of plugins that this turn names, less those that the client has of that name."""
    if not turn.use_tools:
        return {}
    there = {tool.name: (owner, tool) for owner, tool in plugins.tools() if owner not in turn.off}
    clients = {one.name for one in turn.tools}
    gone = [name for name in turn.use_tools if name not in there]
    if gone:
        turn.tell(
            f"Not there at the moment: {', '.join(repr(name) for name in gone)} "
            f"({'tools' if len(gone) > 1 else 'a tool'} that this chat may use).",
            "warning",
        )
    return {name: there[name] for name in turn.use_tools if name in there and name not in clients}


def _check_choice(name: str, definitions: Sequence[ToolDefinition]) -> None:
    names = [one.name for one in definitions]
    if name not in names:
        raise InvalidRequest(
            f"'tool_choice' names the tool {name!r}, which is not among the tools.",
            hint=f"There is: {', '.join(names)}.",
            param="tool_choice",
        )


def forced(
    parser: ToolCallParser, tools: Sequence[ToolDefinition], info: ModelInfo, loader: str
) -> tuple[str, dict[str, Any]]:
    """How a reply is made to be a call: its beginning, and the JSON schema of what follows.

    Raises:
        InvalidRequest: the loader cannot keep a reply to a schema.
    """
    if "json_schema" not in info.sampling_fields:
        raise InvalidRequest(
            f"A tool must be called, but the loader {loader!r} cannot make a model call one.",
            hint="Leave 'tool_choice' at 'auto', or load the model with another loader.",
            param="tool_choice",
        )
    opening, schema = parser.forced(tools)
    return opening, msgspec.to_builtins(schema)
