"""A plugin that pip installed: seen, configured, at work behind every door, and left out."""

import json

import pytest

from installation import Installation
from jackfield.testing import fake_model


@pytest.fixture(scope="module")
def installation(tmp_path_factory, site):
    made = Installation(tmp_path_factory.mktemp("home"), site)
    made.add_fake_loader()
    fake_model(made.paths.models, "parrot")
    offered = ("import-error", "invalid-config", "kills-process", "misspelled-hook")
    made.disable(*offered, "raises-everywhere", "wrong-argument")
    return made


@pytest.fixture(scope="module")
def server(installation):
    with installation.serving() as server:
        yield server


def test_it_appears_with_its_form_and_its_package(server):
    record = server.plugin("shout")
    assert record["state"] == "enabled"
    assert record["distribution"] == "jackfield-shout"
    assert record["version"] == "0.1.0"
    assert record["description"] == "Answers in capitals."
    marks = record["config_schema"]["properties"]["marks"]
    assert (marks["minimum"], marks["maximum"], marks["default"]) == (0, 5, 1)


def test_it_changes_answers_of_the_api_and_is_left_out_when_a_request_says_so(server):
    assert server.answer("parrot", "well") == "WELL!"
    assert server.answer("parrot", "well", extra_body={"plugins": {"off": ["shout"]}}) == "well"
    assert server.openai.completions.create(model="parrot", prompt="well").choices[0].text == (
        "WELL!"
    )


def test_it_changes_answers_of_the_command_line_and_is_left_out_there_too(installation):
    assert installation.run("run", "parrot", "well").stdout == "WELL!\n"
    assert installation.run("run", "parrot", "well", "--plugins-off", "shout").stdout == "well\n"
    told = installation.run("run", "parrot", "well", "--json")
    assert "shout" in json.loads(told.stdout)["plugins"]


def test_options_take_effect_without_a_restart_wherever_they_are_set(installation, server):
    try:
        changed = server.http.patch("/api/plugins/shout/config", json={"marks": 3})
        assert changed.json()["config"] == {"marks": 3}
        assert server.answer("parrot", "well") == "WELL!!!"
        assert installation.run("run", "parrot", "well").stdout == "WELL!!!\n"
        assert installation.run("plugins", "configure", "shout", "marks=0").returncode == 0
        assert server.answer("parrot", "well") == "WELL"
    finally:
        installation.run("plugins", "configure", "shout", "--reset")
    assert server.answer("parrot", "well") == "WELL!"


@pytest.mark.parametrize("value", [9, -1, "many", None])
def test_an_option_out_of_its_bounds_is_refused_and_nothing_changes(server, value):
    refused = server.http.patch("/api/plugins/shout/config", json={"marks": value})
    assert refused.status_code == 400
    assert "marks" in refused.json()["error"]["message"]
    assert server.answer("parrot", "well") == "WELL!"


def test_it_is_switched_off_and_on_without_a_restart(installation, server):
    assert installation.run("plugins", "disable", "shout").returncode == 0
    try:
        assert server.answer("parrot", "well") == "well"
        lent = {"plugins": {"on": ["shout"]}}
        assert server.answer("parrot", "well", extra_body=lent) == "WELL!"
        assert server.answer("parrot", "well") == "well"
    finally:
        assert installation.run("plugins", "enable", "shout").returncode == 0
    assert server.answer("parrot", "well") == "WELL!"
