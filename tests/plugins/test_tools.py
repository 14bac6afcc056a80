"""Built-in tools: exact sums, the time, pages of the web; all tools listed and tried out."""

import json
import sys
import threading
import time
from types import ModuleType
from typing import Any

import pytest
import typer
from fastapi import FastAPI
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest

from jackfield import Document, InvalidRequest, NotPermitted, Plugin, Section, Tool, hookimpl, tool
from jackfield.testing import PluginConformance, Workbench
from jackfield_plugins.tools import Tools, current_time
from jackfield_plugins.tools.calculation import calculate
from jackfield_plugins.tools.page import draw


class TestTools(PluginConformance):
    plugin = Tools


def tools_of(bench: Workbench) -> dict[str, Tool]:
    return {one.name: one for _, one in bench.app.plugins.tools()}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("0.1 + 0.2", "0.3"),
        ("1/3", "0.3333333333333333 (exactly 1/3)"),
        ("1/7*7", "1"),
        ("2^10 + 1", "1025"),
        ("−3 × 4 ÷ 2", "-6"),
        ("sqrt(16/9) * 3", "4"),
        ("sqrt(2)", "1.4142135623730951"),
        ("round(2.675, 2)", "2.68"),
        ("round(-2.5)", "-3"),
        ("sin(pi / 2)", "1"),
        ("log(1000, 10)", "3"),
        ("factorial(25)", "15511210043330985984000000"),
        ("123456789123456789 * 987654321987654321", "121932631356500531347203169112635269"),
        ("0.1 ** 20", "0.00000000000000000001"),
        ("-7 % 3", "2"),
    ],
)
def test_sums_are_exact_where_they_can_be(expression, value) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("9**9**9", "too large"),
        ("(2**9999) * (2**9999)", "too large"),
        ("factorial(100000)", "up to|from 0 to"),
        ("1e999", "too large"),
        ("1e-99999999", "too large"),
        ("2 + 0.0e-9_999_999", "too large"),
        ("exp(1000)", "too large"),
        ("1/0", "divides by zero"),
        ("sqrt(-1)", "cannot be calculated"),
        ("(-8) ** 0.5", "no real number"),
        ("__import__('os').getcwd()", "cannot be calculated"),
        ("().__class__", "cannot be calculated"),
        ("'a' * 9", "no number"),
        ("[0] * 9", "cannot be calculated"),
        ("(lambda: 1)()", "cannot be calculated"),
        ("sin", "no number"),
        ("x + 1", "not defined"),
        ("1; 2", "no arithmetic"),
        ("", "no arithmetic"),
        ("1+" * 300 + "1", "longer than 500"),
        ("(" * 240 + "1" + ")" * 240, "nested|no arithmetic"),
        ("-" * 490 + "1", "nested"),
    ],
)
def test_what_is_no_sum_or_too_large_is_refused_at_once(expression, why) -> None:
    begun = time.monotonic()
    with pytest.raises(InvalidRequest, match=why):
        calculate(expression)
    assert time.monotonic() - begun < 1


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "simpleeval", None)
    with pytest.raises(Exception, match=r"pip install 'jackfield\[tools\]'"):
        calculate("1+1")


def test_the_time_is_told_for_a_zone_and_a_wrong_one_is_helped_on() -> None:
    assert "UTC+05:45" in current_time("Asia/Kathmandu")
    assert "UTC" in current_time()
    with pytest.raises(InvalidRequest, match="Europe/Paris"):
        current_time("Paris")


def test_the_calculator_and_the_clock_need_no_approval_and_pages_do() -> None:
    with Workbench(Tools) as bench:
        approvals = {name: one.approval for name, one in tools_of(bench).items()}
    assert approvals == {"calculator": "always", "current_time": "always", "read_web_page": "ask"}


def test_the_calculator_runs_as_a_model_calls_it() -> None:
    with Workbench(Tools) as bench:
        assert tools_of(bench)["calculator"].run({"expression": "6*7"}) == "42"


def test_pages_are_not_offered_offline_and_tools_can_be_switched_off() -> None:
    with Workbench(Tools) as bench:
        bench.app.settings.set("offline", True)
        assert list(tools_of(bench)) == ["calculator", "current_time"]
        bench.app.settings.set("offline", False)
        bench.app.plugins.configure("under-test", {"web_pages": False, "clock": False})
        assert list(tools_of(bench)) == ["calculator"]


def test_a_long_page_is_cut_with_a_note(monkeypatch) -> None:
    asked: dict[str, Any] = {}

    def fetch(url, **options):
        asked.update(options, url=url)
        return Document(title="Long", sections=(Section(text="a" * 900),))

    module = ModuleType("jackfield_plugins.web_page")
    module.fetch = fetch  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "jackfield_plugins.web_page", module)
    with Workbench(Tools, config={"page_length": 500, "page_seconds": 3}) as bench:
        text = tools_of(bench)["read_web_page"].run({"url": "https://example.org"})
    assert text == f"Long\n\n{'a' * 500}\n[cut: the first 500 of 900 characters]"
    assert asked["url"] == "https://example.org"
    assert asked["seconds"] == 3
    assert asked["offline"]() is False


class Misbehaving(Plugin):
    """Tools that go wrong."""

    @hookimpl
    def jackfield_tools(self):
        def breaks() -> str:
            """Raises."""
            raise KeyError("gone")

        def waits() -> str:
            """Gives no answer."""
            threading.Event().wait(5)
            return "too late"

        async def greets(name: str = "you") -> str:
            """Greets."""
            return f"Hello {name}"

        return [tool(breaks), tool(waits, seconds=0.1), tool(greets)]


@pytest.fixture
def api():
    with Workbench(Tools) as bench:
        bench.app.plugins.register("misbehaving", Misbehaving)
        bench.app.plugins.enable("misbehaving")
        ((_, routes),) = bench.app.plugins.routes()
        app = FastAPI()
        app.include_router(routes.router)
        assert routes.paths == ("/api/tools",)
        yield TestClient(app, raise_server_exceptions=False)


def test_the_api_lists_all_tools_with_their_plugins(api) -> None:
    listed = {one["name"]: one for one in api.get("/api/tools").json()}
    assert listed["calculator"]["plugin"] == "under-test"
    assert listed["greets"]["plugin"] == "misbehaving"
    assert listed["calculator"]["parameters"]["required"] == ["expression"]


def test_the_api_runs_a_tool_and_tells_of_failures(api) -> None:
    def run(name, **body):
        return api.post(f"/api/tools/{name}/run", json=body).json()

    assert run("calculator", arguments={"expression": "2+3"})["text"] == "5"
    assert run("greets")["text"] == "Hello you"
    assert run("greets", arguments={"name": "Zoë"}) == {
        "text": "Hello Zoë",
        "error": False,
        "seconds": pytest.approx(0, abs=5),
    }
    assert run("breaks")["error"]
    assert "KeyError" in run("breaks")["text"]
    assert "no answer within 0.1 seconds" in run("waits")["text"]
    assert run("calculator", arguments={"expression": "1/0"})["text"] == "'1/0' divides by zero."
    assert "expression" in run("calculator", arguments={})["text"]


def test_the_command_lists_and_runs(capsys) -> None:
    bench = Workbench(Tools)
    with bench:
        pass
    app = bench.app

    def command(*words: str) -> tuple[int, str, str]:
        cli = typer.Typer()
        cli.callback()(lambda: None)
        app.plugins.commands(cli, app)
        code = cli(list(words), standalone_mode=False) or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    names = [one["name"] for one in json.loads(command("tools", "list", "--json")[1])]
    assert names == ["calculator", "current_time", "read_web_page"]
    assert command("tools", "run", "calculator", '{"expression": "1/4"}')[1] == "0.25\n"
    code, out, err = command("tools", "run", "calculator", '{"expression": "1/0"}')
    assert (code, out) == (1, "")
    assert "divides by zero" in err
    with pytest.raises(InvalidRequest, match="no JSON"):
        command("tools", "run", "calculator", "{")
    with pytest.raises(Exception, match="Did you mean 'calculator'"):
        command("tools", "run", "calculater")


def test_the_page_lists_tools_and_runs_one() -> None:
    with Workbench(Tools) as bench:

        def script(draw, app) -> None:
            draw(app)

        page = AppTest.from_function(
            script, kwargs={"draw": draw, "app": bench.app}, default_timeout=30
        ).run()
        assert not page.exception
        labels = [one.label for one in page.expander]
        assert "Calculator · runs by itself" in labels
        assert "Read a web page · asks" in labels


def test_the_page_says_what_to_do_where_there_are_no_tools() -> None:
    off = {"calculator": False, "clock": False, "web_pages": False}
    with Workbench(Tools, config=off) as bench:

        def script(draw, app) -> None:
            draw(app)

        page = AppTest.from_function(
            script, kwargs={"draw": draw, "app": bench.app}, default_timeout=30
        ).run()
        assert "enable the plugin" in page.info[0].value


@pytest.mark.parametrize("url", ["http://127.0.0.1:7860/api/tools", "http://169.254.169.254/x"])
def test_a_page_of_this_computer_or_network_is_not_read(url) -> None:
    with Workbench(Tools) as bench, pytest.raises(NotPermitted):
        tools_of(bench)["read_web_page"].run({"url": url})
