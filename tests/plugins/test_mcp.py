"""MCP servers: their tools are used, whatever the servers do."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer
from pydantic import ValidationError
from streamlit.testing.v1 import AppTest

from jackfield import InvalidRequest, JackfieldError, NotFound, NotPermitted, Tool
from jackfield.testing import PluginConformance, Workbench
from jackfield_plugins.mcp import Mcp, changes
from jackfield_plugins.mcp.page import _values, draw
from jackfield_plugins.mcp.server import Server, parsed_secrets

SERVER = str(Path(__file__).parent.parent / "mcp_server.py")
STDIO = {"name": "tests", "command": sys.executable, "args": [SERVER], "seconds": 20}
PATIENCE = 40


class TestMcp(PluginConformance):
    plugin = Mcp


@contextmanager
def workbench(*servers: dict[str, Any], **config: Any) -> Iterator[tuple[Workbench, Mcp]]:
    with Workbench(Mcp, config={"servers": list(servers), **config}) as bench:
        plugin = bench.app.plugins.plugin("under-test")
        assert isinstance(plugin, Mcp)
        yield bench, plugin


def tools_of(bench: Workbench) -> dict[str, Tool]:
    return {one.name: one for _, one in bench.app.plugins.tools()}


def settled(plugin: Mcp, state: str = "connected", name: str = "tests") -> dict[str, Any]:
    """A server, once it is in a state."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = next((one for one in plugin.states() if one["name"] == name), {})
        if found.get("state") == state:
            return found
        time.sleep(0.02)
    raise AssertionError(f"still {found}")


def call(bench: Workbench, name: str, **arguments: Any) -> str:
    """Call a tool as the pipeline does."""
    run: Any = tools_of(bench)[name].run
    return asyncio.run(run(arguments))


@contextmanager
def over_http() -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The server at an address; the processes in the list are ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes: list[subprocess.Popen[bytes]] = [started(port)]
    try:
        yield f"http://127.0.0.1:{port}/mcp", processes
    finally:
        for one in processes:
            one.kill()
            one.wait(10)


def started(port: int) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([sys.executable, SERVER, str(port)], stdout=quiet, stderr=quiet)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process
        except OSError:
            time.sleep(0.05)
    process.kill()
    raise AssertionError("the server does not start")


@pytest.fixture(scope="module")
def stdio() -> Iterator[tuple[Workbench, Mcp]]:
    with workbench(STDIO) as made:
        settled(made[1])
        yield made


def test_its_tools_are_offered_under_the_servers_name(stdio) -> None:
    bench, plugin = stdio
    tools = tools_of(bench)
    assert "tests__add" in tools
    one = tools["tests__add"]
    assert one.title == "Add up (tests)"
    assert one.description == "Add two numbers."
    assert one.parameters["properties"]["a"]["type"] == "integer"
    assert one.approval == "ask"
    assert plugin.states()[0]["tools"][0] == "add"


def test_a_tool_answers(stdio) -> None:
    assert call(stdio[0], "tests__add", a=20, b=22) == "42"


def test_a_tool_that_fails_raises_with_what_the_server_says(stdio) -> None:
    with pytest.raises(JackfieldError, match="fail"):
        call(stdio[0], "tests__fail", what="pears")
    with pytest.raises(JackfieldError, match="validation error"):
        call(stdio[0], "tests__add", a="x", b=1)


def test_a_tool_may_print_where_only_messages_may_stand(stdio) -> None:
    bench, plugin = stdio
    assert call(bench, "tests__chatter") == "said"
    log = plugin.context.data / "logs" / "tests.log"
    assert "a word for the log" in log.read_text()
    assert call(bench, "tests__add", a=1, b=1) == "2"


def test_five_million_characters_are_cut_with_a_note(stdio) -> None:
    text = call(stdio[0], "tests__flood")
    assert text.startswith("é" * 20_000 + "\n[cut: the first 20,000 of 5,000,000")
    assert len(text) < 20_100


def test_images_files_and_objects_become_text(stdio) -> None:
    text = call(stdio[0], "tests__mixed")
    assert text == "first\n[an image (image/png, 30 bytes) is not shown]\nfrom a file"
    assert json.loads(call(stdio[0], "tests__structured")) == {"naïve": [1, 2]}


def test_a_server_that_crashes_is_started_anew(stdio) -> None:
    bench, plugin = stdio
    before = call(bench, "tests__pid")
    with pytest.raises(JackfieldError, match="broke while it was at work"):
        call(bench, "tests__crash")
    assert "tests__add" in tools_of(bench), "its tools are still known"
    after = call(bench, "tests__pid")
    assert before != after
    os.kill(int(after), signal.SIGKILL)  # this time while nothing is asked of it
    settled(plugin, "failed")
    assert call(bench, "tests__add", a=1, b=2) == "3"
    assert settled(plugin)["error"] == ""


def test_a_call_that_is_given_up_leaves_the_server_as_it_was(stdio) -> None:
    bench, _ = stdio

    async def given_up() -> None:
        run: Any = tools_of(bench)["tests__hang"].run
        await asyncio.wait_for(run({}), 0.2)

    with pytest.raises(TimeoutError):
        asyncio.run(given_up())
    assert call(bench, "tests__add", a=2, b=2) == "4"


def test_a_tool_that_hangs_is_given_up_in_time() -> None:
    with workbench({**STDIO, "seconds": 1}) as (bench, plugin):
        settled(plugin)
        begun = time.monotonic()
        with pytest.raises(JackfieldError, match="no answer within 1 seconds"):
            call(bench, "tests__hang")
        assert time.monotonic() - begun < 5
        process = psutil.Process(int(call(bench, "tests__pid")))
        begun = time.monotonic()
    assert time.monotonic() - begun < 15
    assert not process.is_running(), "the server was left behind, still at work"


def test_a_server_over_http_is_used_lost_and_found_again() -> None:
    with over_http() as (url, processes):
        server = {"name": "web", "transport": "http", "url": url, "seconds": 20}
        with workbench(server) as (bench, plugin):
            bench.app.settings.set("offline", True)  # it is on this computer
            settled(plugin, name="web")
            assert call(bench, "web__add", a=1, b=2) == "3"
            assert call(bench, "web__flood").endswith("of 5,000,000 characters]")
            with pytest.raises(JackfieldError):
                call(bench, "web__crash")
            processes.append(started(int(url.split(":")[2].split("/")[0])))
            until = time.monotonic() + PATIENCE
            answer = ""
            while not answer and time.monotonic() < until:
                try:
                    answer = call(bench, "web__add", a=2, b=2)
                except JackfieldError:
                    time.sleep(0.1)
            assert answer == "4"


def test_a_server_elsewhere_is_refused_offline() -> None:
    server = {"name": "far", "transport": "http", "url": "https://mcp.example.org/mcp"}
    with Workbench(Mcp) as bench:
        bench.app.settings.set("offline", True)
        bench.app.plugins.configure("under-test", {"servers": [server]})
        plugin: Any = bench.app.plugins.plugin("under-test")
        assert "offline" in settled(plugin, "failed", "far")["error"]
        connection = plugin.connections.all[0]
        with pytest.raises(NotPermitted, match="offline"):
            plugin.connections.loop().start_task_soon(connection.call, "x", {}).result(10)


@pytest.mark.parametrize(
    ("command", "args", "why"),
    [
        ("no-such-program-anywhere", [], "There is no program 'no-such-program-anywhere'"),
        (sys.executable, ["-c", "raise SystemExit('I cannot go on')"], "I cannot go on"),
        (sys.executable, ["-c", "import time; time.sleep(30)"], "did not answer within 1 seconds"),
    ],
)
def test_a_server_that_does_not_start_says_why(command, args, why) -> None:
    server = {"name": "tests", "command": command, "args": args}
    with workbench(server, connect_seconds=1) as (bench, plugin):
        assert why in settled(plugin, "failed")["error"]
        assert tools_of(bench) == {}
        assert bench.chat("hello").text == "hello"


def test_a_changed_config_connects_anew_without_a_restart() -> None:
    with workbench(STDIO) as (bench, plugin):
        settled(plugin)
        process = psutil.Process(int(call(bench, "tests__pid")))
        env = {**STDIO, "env": {"TEST_SECRET": "a ${TOKEN}"}, "approval": "always"}
        bench.app.plugins.configure(
            "under-test", {"servers": [env], "secrets": "'TOKEN=b c'", "longest": 500}
        )
        assert tools_of(bench)["tests__add"].approval == "always", "it is known from last time"
        assert call(bench, "tests__secret") == "a b c"
        assert "b c" not in json.dumps(plugin.states())
        assert call(bench, "tests__flood").startswith("é" * 500 + "\n[cut")
        process.wait(20)
        bench.app.plugins.configure("under-test", {"servers": []})
        assert tools_of(bench) == {}


def test_tools_are_known_at_once_the_next_time() -> None:
    with workbench(STDIO) as (bench, plugin):
        settled(plugin)
        bench.app.plugins.disable("under-test")
        assert tools_of(bench) == {}
        bench.app.plugins.enable("under-test")
        assert "tests__add" in tools_of(bench)
        assert call(bench, "tests__add", a=3, b=4) == "7"


def test_a_missing_secret_is_named_with_what_to_do() -> None:
    with workbench({**STDIO, "env": {"KEY": "${NOWHERE}"}}) as (_, plugin):
        error = settled(plugin, "failed")["error"]
    assert "'NOWHERE'" in error
    assert "jackfield mcp secret NOWHERE" in error


def test_a_secret_that_a_program_writes_is_not_told() -> None:
    program = "import os; raise SystemExit('The key ' + os.environ['KEY'] + ' has expired')"
    server = {"name": "tests", "command": sys.executable, "args": ["-c", program]}
    server["env"] = {"KEY": "${TOKEN}"}
    with workbench(server, secrets="TOKEN=sesame42") as (_, plugin):
        error = settled(plugin, "failed")["error"]
    assert "The key ${TOKEN} has expired" in error
    assert "sesame42" not in error


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with workbench(STDIO) as (_, plugin):
        assert "pip install 'jackfield[mcp]'" in settled(plugin, "failed")["error"]


def test_odd_names_of_tools_become_ones_that_models_may_be_given() -> None:
    from jackfield_plugins.mcp import _unique

    taken: set[str] = set()
    names = [_unique(one, taken) for one in ("a__b.c", "a__b/c", "x" * 90, "x" * 80)]
    assert names == ["a__b_c", "a__b_c_2", "x" * 64, "x" * 60 + "_2"]


@pytest.mark.parametrize(
    "values",
    [
        {"name": "two words", "command": "x"},
        {"name": "a"},
        {"name": "a", "transport": "http", "url": "ftp://x"},
        {"name": "a", "command": "x", "colour": "red"},
    ],
)
def test_a_server_that_cannot_be_reached_is_no_server(values) -> None:
    with pytest.raises(ValidationError):
        Server.model_validate(values)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:1/mcp", True),
        ("http://127.0.0.2/mcp", True),
        ("http://[::1]:8000/mcp", True),
        ("http://192.168.1.4/mcp", False),
        ("http://localhost.example.org/mcp", False),
    ],
)
def test_only_this_computer_is_local(url, local) -> None:
    assert Server(name="a", transport="http", url=url).is_local is local


def test_secrets_may_hold_blanks_and_what_is_none_is_refused() -> None:
    assert parsed_secrets("A=1 'B=two words' C=x=y") == {"A": "1", "B": "two words", "C": "x=y"}
    with pytest.raises(ValueError, match="NAME=value"):
        parsed_secrets("only a value")


def test_the_command_adds_lists_and_removes(capsys) -> None:
    bench = Workbench(Mcp)
    with bench:
        pass
    app = bench.app

    def command(*words: str) -> str:
        cli = typer.Typer()
        cli.callback()(lambda: None)
        app.plugins.commands(cli, app)
        cli(["mcp", *words], standalone_mode=False)
        return capsys.readouterr().out

    assert "Added tests" in command("add", "tests", "--env", "A=b", "--", sys.executable, SERVER)
    (listed,) = json.loads(command("list", "--json"))
    assert listed["state"] == "connected"
    assert "add" in listed["tools"]
    with pytest.raises(InvalidRequest, match="already"):
        command("add", "tests", "--url", "http://localhost/mcp")
    with pytest.raises(InvalidRequest, match="either a program or an address"):
        command("add", "other")
    with pytest.raises(InvalidRequest, match="cannot be added"):
        command("add", "no good", "--url", "http://localhost/mcp")
    with pytest.raises(NotFound, match="Did you mean 'tests'"):
        command("remove", "test")
    command("remove", "tests")
    assert json.loads(command("list", "--json")) == []


def test_secrets_are_kept_apart_and_forgotten() -> None:
    with Workbench(Mcp) as bench:
        plugin: Any = bench.app.plugins.plugin("under-test")
        changes.set_secret(bench.app, plugin, "TOKEN", "it's a 'secret' one")
        changes.set_secret(bench.app, plugin, "OTHER", "x")
        kept = parsed_secrets(plugin.config.secrets.get_secret_value())
        assert kept == {"TOKEN": "it's a 'secret' one", "OTHER": "x"}
        assert bench.app.plugins.record("under-test").config["secrets"] == "set"
        changes.set_secret(bench.app, plugin, "TOKEN", "")
        changes.set_secret(bench.app, plugin, "OTHER", "")
        assert plugin.config.secrets.get_secret_value() == ""


def test_what_is_typed_on_the_page_becomes_a_server() -> None:
    values = _values("a", 'run "with blank" --x', "A=1\n\nB = 2 ", always=False)
    one = Server.model_validate(values)
    assert (one.command, one.args) == ("run", ["with blank", "--x"])
    assert one.env == {"A": "1", "B": " 2"}
    web = Server.model_validate(_values("b", "https://x.org/mcp", "Authorization=k", always=True))
    assert (web.transport, web.headers, web.approval) == ("http", {"Authorization": "k"}, "always")
    with pytest.raises(ValueError, match="NAME=value"):
        _values("a", "run", "no equals sign", always=False)


def test_the_page_shows_how_servers_are(stdio) -> None:
    bench, plugin = stdio

    def script(draw, app, plugin) -> None:
        draw(app, plugin)

    given = {"draw": draw, "app": bench.app, "plugin": plugin}
    page = AppTest.from_function(script, kwargs=given, default_timeout=30).run()
    assert not page.exception
    text = " ".join(str(one.value) for one in page.markdown)
    assert "tests" in text
    assert "`add`" in text
