"""An MCP server for tests, made with the official SDK.

Runs over its standard input and output, or with a port as its argument over streamable HTTP on
loopback.
"""

import base64
import os
import sys
import time
from typing import Literal

from mcp.server.mcpserver import MCPServer
from mcp.types import (
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)

server = MCPServer("tests")


@server.tool(title="Add up")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def hang() -> str:
    """Gives no answer for a minute."""
    time.sleep(60)
    return "too late"


@server.tool()
def fail(what: str) -> str:
    """Raises."""
    raise ValueError(f"no {what} here")


@server.tool()
def chatter() -> str:
    """Writes where only messages may stand, and to the log."""
    print("hello from behind")  # noqa: T201 - what a careless tool does
    sys.stdout.flush()
    sys.stderr.write("a word for the log\n")
    sys.stderr.flush()
    return "said"


@server.tool()
def flood() -> str:
    """Five million characters."""
    return "é" * 5_000_000


@server.tool()
def crash() -> str:
    """Ends the server at once."""
    os._exit(3)


@server.tool()
def pid() -> int:
    """The server's process."""
    return os.getpid()


@server.tool()
def secret(kind: Literal["environment"] = "environment") -> str:
    """What the server was given."""
    return os.environ.get("TEST_SECRET", f"none in the {kind}")


@server.tool()
def mixed() -> CallToolResult:
    """Text, an image and a file."""
    picture = base64.b64encode(b"0" * 30).decode()
    note = TextResourceContents(uri="memo://one", text="from a file")
    return CallToolResult(
        content=[
            TextContent(text="first"),
            ImageContent(data=picture, mime_type="image/png"),
            EmbeddedResource(resource=note),
        ]
    )


@server.tool()
def structured() -> CallToolResult:
    """Only an object."""
    return CallToolResult(content=[], structured_content={"naïve": [1, 2]})


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
    else:
        server.run()
