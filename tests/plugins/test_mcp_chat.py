"""An MCP server used in a chat: with approval, refused once, crashed once, silent once."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jackfield import ToolCallPart, message
from jackfield.application import Application
from jackfield.messages import ToolCallEvent, ToolResultEvent
from jackfield.paths import Paths
from jackfield.pipeline import Turn
from jackfield.testing import FakePlugin, fake_model
from jackfield_plugins.mcp import Mcp
from toolshed import SEES_TOOLS, Toolshed, call

SERVER = str(Path(__file__).parent.parent / "mcp_server.py")
USED = ("tests__add", "tests__crash", "tests__hang")
SUM = [call("tests__add", a=40, b=2), "The sum is there."]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    app = Application(Paths(tmp_path_factory.mktemp("home")), entry_points=[])
    app.paths.make()
    fake_model(app.paths.models, "adder", replies=SUM, chat_template=SEES_TOOLS)
    crashes = [call("tests__crash"), "It went away.", *SUM]
    fake_model(app.paths.models, "crasher", replies=crashes, chat_template=SEES_TOOLS)
    waits = [call("tests__hang"), "It said nothing."]
    fake_model(app.paths.models, "waiter", replies=waits, chat_template=SEES_TOOLS)
    app.plugins.register("fake", FakePlugin)
    app.plugins.register("toolshed", Toolshed)
    server = {"name": "tests", "command": sys.executable, "args": [SERVER], "seconds": 5}
    app.plugins.register("mcp", Mcp, config={"servers": [server]})
    with app.in_thread():
        until = time.monotonic() + 60
        while "tests__add" not in {tool.name for _, tool in app.plugins.tools()}:
            assert time.monotonic() < until
            time.sleep(0.05)
        yield app


def chat(app: Application, model: str, *answers: str) -> tuple[str, list[Any], list[Any]]:
    """The reply, the questions that were asked, and the results; answers are given in turn."""
    job = app.jobs.start(Turn(model=model, messages=[message("user", "go")], use_tools=USED))
    left = list(answers)
    asked: list[ToolCallPart] = []
    for event in job.follow():
        if isinstance(event, ToolCallEvent):
            assert event.asks
            asked.append(event.call)
            job.answer(event.call.id, left.pop(0))
    results = [one.result for one in job.events if isinstance(one, ToolResultEvent)]
    return job.text, asked, results


def test_it_is_asked_for_and_runs_once_allowed(app: Application) -> None:
    text, asked, results = chat(app, "adder", "once")
    assert text == "The sum is there."
    assert asked[0].name == "tests__add"
    assert [(one.text, one.error) for one in results] == [("42", False)]


def test_it_is_refused_and_the_chat_goes_on(app: Application) -> None:
    text, _, results = chat(app, "adder", "refused")
    assert text == "The sum is there."
    assert results[0].error
    assert "did not allow" in results[0].text


def test_it_crashes_and_works_again_the_next_time(app: Application) -> None:
    text, _, results = chat(app, "crasher", "once")
    assert text == "It went away."
    assert results[0].error
    assert "tests" in results[0].text
    text, _, results = chat(app, "crasher", "once")
    assert (text, results[0].text) == ("The sum is there.", "42")


def test_one_that_never_answers_is_given_up_and_the_chat_goes_on(app: Application) -> None:
    began = time.monotonic()
    text, _, results = chat(app, "waiter", "once")
    assert text == "It said nothing."
    assert results[0].error
    assert "5 seconds" in results[0].text
    assert time.monotonic() - began < 40
