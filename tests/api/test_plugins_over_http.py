"""Plugins behind the API: what they change, leaving them out, and their own routes."""

from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter
from pydantic import Field

from jackfield import Event, InvalidRequest, Plugin, TextEvent, hookimpl


class Shout(Plugin):
    """Answers in capitals."""

    class Config(Plugin.Config):
        marks: int = Field(1, ge=0, le=5, description="Exclamation marks to add")

    @hookimpl
    def jackfield_transform_reply(self, reply: str) -> str:
        return reply.upper() + "!" * self.config.marks


class Dots(Plugin):
    """Puts a dot after each piece of the reply."""

    @hookimpl
    async def jackfield_filter_stream(self, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        async for event in events:
            yield TextEvent(event.text + ".") if isinstance(event, TextEvent) else event


class Routes(Plugin):
    """Has routes of its own."""

    @hookimpl
    def jackfield_routes(self) -> APIRouter:
        router = APIRouter()

        @router.get("/double/{number}")
        async def double(number: int) -> int:
            if number > 1000:
                raise InvalidRequest("That is too much.", hint="Take less.", param="number")
            return number * 2

        return router


@pytest.fixture
def server(start_server):
    with start_server(Shout, Dots, Routes, parrot={}) as server:
        server.app.plugins.disable("dots")
        yield server


def asked(server, **plugins):
    reply = server.chat("one two", extra_body={"plugins": plugins})
    return reply.choices[0].message.content, reply.jackfield["plugins"]


def test_a_plugin_changes_the_answer_and_is_named_in_it(server):
    assert asked(server) == ("ONE TWO!", ["shout"])


def test_a_request_may_leave_a_plugin_out(server):
    assert asked(server, off=["shout"]) == ("one two", [])


def test_a_request_may_add_a_plugin_that_is_off(server):
    assert asked(server, off=["shout"]) == ("one two", [])
    text, names = asked(server, on=["dots"], off=["shout"])
    assert text.count(".") >= 2 and text.replace(".", "") == "one two"
    assert names == ["dots"]
    assert asked(server, off=["shout"]) == ("one two", [])


def test_a_streamed_reply_is_held_back_while_a_plugin_changes_the_whole(server):
    pieces = [
        chunk.choices[0].delta.content
        for chunk in server.chat("one two three", stream=True)
        if chunk.choices[0].delta.content
    ]
    assert pieces == ["ONE TWO THREE!"]
    free = server.chat("one two three", stream=True, extra_body={"plugins": {"off": ["shout"]}})
    assert len([one for one in free if one.choices[0].delta.content]) == 3


def test_a_held_completion_is_sent_whole_too(server):
    chunks = server.openai.completions.create(model="parrot", prompt="one two", stream=True)
    assert [one.choices[0].text for one in chunks if one.choices[0].text] == ["ONE TWO!"]


def test_what_a_plugin_did_stands_in_the_trace(server):
    turn = server.chat("one").jackfield["turn"]
    trace = server.http.get(f"/api/traces/{turn}").json()
    line = next(one for one in trace["lines"] if one["plugin"] == "shout")
    assert (line["before"], line["after"], line["changed"]) == ("one", "ONE!", True)


def test_a_plugin_is_configured_and_switched_off_and_on_without_a_restart(server):
    changed = server.http.patch("/api/plugins/shout/config", json={"marks": 3})
    assert changed.json()["config"]["marks"] == 3
    assert asked(server)[0] == "ONE TWO!!!"
    assert server.http.post("/api/plugins/shout/disable").json()["state"] == "disabled"
    assert asked(server) == ("one two", [])
    assert server.http.post("/api/plugins/shout/enable").json()["state"] == "enabled"
    assert asked(server)[0] == "ONE TWO!!!"


def test_a_value_that_a_plugin_does_not_take_is_refused_by_field(server):
    answer = server.http.patch("/api/plugins/shout/config", json={"marks": 99})
    assert answer.status_code == 400
    assert "marks" in answer.json()["error"]["details"]["errors"]


def test_the_list_shows_state_schema_and_order(server):
    found = {one["name"]: one for one in server.http.get("/api/plugins").json()}
    assert set(found) == {"fake", "shout", "dots", "routes"}
    assert found["shout"]["description"] == "Answers in capitals."
    assert found["shout"]["config_schema"]["properties"]["marks"]["maximum"] == 5
    ordered = server.http.put("/api/plugin-order", json={"names": ["shout", "fake"]}).json()
    assert [one["name"] for one in ordered][:2] == ["shout", "fake"]


def test_an_unknown_plugin_is_404_and_names_the_nearest(server):
    answer = server.http.post("/api/plugins/shoot/enable")
    assert answer.status_code == 404
    assert "'shout'" in answer.json()["error"]["message"]


def test_routes_of_a_plugin_are_there_while_it_is_enabled(server):
    path = "/api/plugins/routes/double/21"
    assert server.http.get(path).json() == 42
    server.http.post("/api/plugins/routes/disable")
    gone = server.http.get(path)
    assert gone.status_code == 404
    assert "disabled" in gone.json()["error"]["message"]
    server.http.post("/api/plugins/routes/enable")
    assert server.http.get(path).json() == 42


def test_errors_of_a_plugins_routes_have_the_one_shape(server):
    refused = server.http.get("/api/plugins/routes/double/5000")
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "number"
    invalid = server.http.get("/api/plugins/routes/double/many")
    assert invalid.status_code == 400 and invalid.json()["error"]["param"] == "number"
    nothing = server.http.get("/api/plugins/routes/half/3")
    assert nothing.status_code == 404 and "error" in nothing.json()
    assert server.http.get("/api/plugins/shout/double/3").status_code == 404
    assert server.http.get("/api/plugins/nobody/double/3").status_code == 404
