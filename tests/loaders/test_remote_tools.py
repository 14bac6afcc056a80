"""Tools of models that other servers run."""

from pathlib import Path

import pytest

from api_server import Server, fake_server
from jackfield import Message, TextPart, ToolCallPart, ToolResultPart
from jackfield.application import Application
from jackfield.paths import Paths
from jackfield_loaders.remote import Remote
from jackfield_loaders.remote.chat import CallCollector, as_sent
from toolshed import SEES_TOOLS, Toolshed, call

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


@pytest.fixture
def far(tmp_path: Path):
    two = call("weather", city="Rome") + call("weather", city="Oslo")
    models = {
        "caller": {"replies": [two], "chat_template": SEES_TOOLS},
        "adder": {"replies": [call("add", a=2, b=3), "Five."], "chat_template": SEES_TOOLS},
        "mirror": {"replies": ["prompt"], "chat_template": SEES_TOOLS},
    }
    with fake_server(tmp_path / "far", Toolshed, models=models) as made:
        yield made


@pytest.fixture
def near(tmp_path: Path, far: Server):
    app = Application(Paths(tmp_path / "near"), entry_points=[])
    app.paths.make()
    for name, plugin in (("remote", Remote), ("toolshed", Toolshed)):
        app.plugins.register(name, plugin)
    app.plugins.configure("remote", {"servers": [f"far={far.url}"]})
    with Server(app) as made:
        yield made


def test_calls_pass_through_two_jackfields(near: Server) -> None:
    answer = near.chat("Well?", "far.caller", tools=[TOOL])
    assert answer.choices[0].finish_reason == "tool_calls"
    names = [one.function.arguments for one in answer.choices[0].message.tool_calls]
    assert names == ['{"city": "Rome"}', '{"city": "Oslo"}']


def test_tools_run_here_for_a_model_that_is_elsewhere(near: Server) -> None:
    answer = near.chat("Well?", "far.adder", extra_body={"use_tools": ["add"]})
    assert answer.choices[0].message.content == "Five."
    assert answer.jackfield["tools"][0]["result"] == "5"


def test_a_reply_with_calls_is_sent_as_the_messages_that_it_was() -> None:
    reply = Message(
        "assistant",
        (
            TextPart("Look."),
            ToolCallPart("1", "add", '{"a": 1}'),
            ToolResultPart("1", "2", "add"),
            TextPart("Two."),
        ),
    )
    first, result, last = as_sent([reply])
    assert first["content"] == "Look."
    assert first["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": 1}'}
    assert result == {"role": "tool", "tool_call_id": "1", "content": "2"}
    assert last == {"role": "assistant", "content": "Two."}


def test_a_call_is_put_together_from_its_pieces() -> None:
    collector = CallCollector()
    pieces = [
        {"index": 0, "id": "a", "function": {"name": "add", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a"'}},
        {"index": 1, "id": "b", "function": {"name": "sub", "arguments": "{}"}},
        {"index": 0, "function": {"arguments": ": 1}"}},
    ]
    for piece in pieces:
        collector.take({"delta": {"tool_calls": [piece]}})
    assert collector.calls == (
        ToolCallPart("a", "add", '{"a": 1}'),
        ToolCallPart("b", "sub", "{}"),
    )
