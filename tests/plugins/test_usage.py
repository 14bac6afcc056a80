"""The usage plugin: counts turns, shows them on a page, the command line and the API."""

import json
import time
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest

from jackfield.testing import PluginConformance, Workbench
from jackfield_plugins.usage import Usage


class TestUsage(PluginConformance):
    plugin = Usage


def usage_of(bench: Workbench) -> Usage:
    plugin = bench.app.plugins.plugin("under-test")
    assert isinstance(plugin, Usage)
    return plugin


def test_turns_are_counted_by_model_and_caller() -> None:
    with Workbench(Usage, replies=["a b c"]) as bench:
        bench.chat("one")
        bench.chat("two")
        (row,) = usage_of(bench).rows(1)
        assert (row.model, row.origin, row.turns, row.failed) == ("fake-model", "api", 2, 0)
        assert row.completion_tokens > 0


def test_a_failed_turn_is_counted_as_one() -> None:
    with Workbench(Usage, model={"raise_after_tokens": 0}) as bench:
        assert bench.chat("one").error is not None
        (row,) = usage_of(bench).rows(1)
        assert (row.turns, row.failed) == (1, 1)


def test_how_long_a_model_was_in_memory_is_noted_when_it_is_unloaded() -> None:
    with Workbench(Usage) as bench:
        bench.chat("one")
        bench.app.portal.call(bench.app.engine.unload, "fake-model")
        until = time.monotonic() + 10
        loads = seconds = 0
        while not seconds and time.monotonic() < until:  # plugins are told soon, not at once
            time.sleep(0.05)
            with usage_of(bench)._database() as database:
                loads, seconds = database.execute("select loads, seconds from loads").fetchone()
    assert loads == 1
    assert seconds > 0


def test_counts_older_than_the_user_wants_are_forgotten_at_once() -> None:
    with Workbench(Usage) as bench:
        plugin = usage_of(bench)
        with plugin._database() as database:
            database.execute("insert into turns values ('2020-01-01', 'm', 'api', 1, 1, 1, 1, 0)")
        assert len(plugin.rows(3650)) == 1
        bench.app.plugins.configure("under-test", {"keep_days": 30})
        assert plugin.rows(3650) == []


def test_the_route_gives_the_counts() -> None:
    with Workbench(Usage) as bench:
        bench.chat("one")
        ((name, router),) = bench.app.plugins.routes()
        api = FastAPI()
        api.include_router(router, prefix=f"/api/plugins/{name}")
        answer = TestClient(api).get("/api/plugins/under-test/summary")
        assert answer.json()[0]["turns"] == 1


def test_the_command_prints_the_counts(capsys: pytest.CaptureFixture[str]) -> None:
    import typer

    with Workbench(Usage) as bench:
        bench.chat("one")
        cli = typer.Typer()
        cli.callback()(lambda: None)
        bench.app.plugins.commands(cli, bench.app)
        cli(["usage", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)[0]["model"] == "fake-model"


def drawn(plugin: Usage) -> Any:
    def script(plugin) -> None:
        plugin._draw()

    return AppTest.from_function(script, kwargs={"plugin": plugin}, default_timeout=30).run()


def test_the_page_says_what_to_do_and_then_shows_counts() -> None:
    with Workbench(Usage) as bench:
        empty = drawn(usage_of(bench))
        assert "Chat page" in empty.info[0].value
        bench.chat("one")
        full = drawn(usage_of(bench))
        assert not full.exception
        assert [metric.value for metric in full.metric][:1] == ["1"]
