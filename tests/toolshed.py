"""Tools for tests, and a way of calling them."""

import json
from collections.abc import Sequence
from typing import Annotated, ClassVar

import anyio
from pydantic import Field

from jackfield import JackfieldError, Plugin, ToolCallParser, ToolCallPart, hookimpl, tool
from jackfield.testing.fake import CHATML

SEES_TOOLS = "{% if tools %}{{ tools | tojson }}{% endif %}" + CHATML.replace(
    "{{ message['content'] }}",
    "{{ message['content'] }}{{ (message.tool_calls | tojson) if message.tool_calls }}",
)


def call(name: str, **arguments) -> str:
    return f"<call>{json.dumps({'name': name, 'arguments': arguments})}</call>"


class Parser(ToolCallParser):
    name = "call"
    title = "Call"
    opens = ("<call>",)

    def fits(self, chat_template, architecture):
        return 50

    def parse(self, text):
        found = []
        for piece in text.split("<call>")[1:]:
            try:
                given = json.loads(piece.partition("</call>")[0])
            except ValueError:
                continue
            found.append(ToolCallPart("", given["name"], json.dumps(given["arguments"])))
        return found

    def describe(self, tools):
        return "Tools: " + ", ".join(one.name for one in tools)


def add(a: int, b: Annotated[int, Field(description="The second one")] = 1) -> int:
    """Add two numbers."""
    return a + b


def shout(text: str) -> str:
    """Say it aloud."""
    print("behind the back")  # noqa: T201 - a tool that prints
    return text.upper()


async def slow() -> str:
    """Never ends."""
    await anyio.sleep(60)
    return "too late"


def fails() -> str:
    """Raises."""
    raise KeyError("no such thing")


def breaks() -> str:
    """Fails with a reason for the user."""
    raise JackfieldError("The bell has no rope.")


def long() -> str:
    """Five million characters."""
    return "x" * 5_000_000


class Toolshed(Plugin):
    """Tools for tests."""

    parsers: ClassVar[Sequence[ToolCallParser]] = (Parser(),)

    @hookimpl
    def jackfield_tool_call_parsers(self):
        return list(self.parsers)

    @hookimpl
    def jackfield_tools(self):
        always = [tool(one, approval="always") for one in (add, fails, breaks, long)]
        return [*always, tool(slow, approval="always", seconds=0.2), tool(shout, title="Shout")]
