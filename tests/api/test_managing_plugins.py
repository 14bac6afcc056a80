"""Conflicts between plugins, and plugins that were set aside, over HTTP."""

import pytest

from jackfield import Plugin, SamplingPreset, hookimpl


class One(Plugin):
    """Brings a preset."""

    @hookimpl
    def jackfield_sampling_presets(self) -> list[SamplingPreset]:
        return [SamplingPreset("fancy", type(self).__name__, {"top_k": 1})]


class Two(One):
    """Brings the same preset."""


class Fragile(Plugin):
    """Fails in every turn."""

    @hookimpl
    def jackfield_transform_reply(self, reply: str) -> str:
        raise RuntimeError("it is fragile")


@pytest.fixture
def server(start_server):
    with start_server(One, Two, Fragile, parrot={}) as server:
        yield server


def test_a_conflict_is_told_answered_and_answered_anew(server):
    assert server.http.get("/api/plugin-conflicts").json() == [
        {"what": "preset:fancy", "owners": ["one", "two"], "chosen": None}
    ]
    for owner in ("two", "one"):
        sent = {"what": "preset:fancy", "owner": owner}
        (answered,) = server.http.post("/api/plugin-conflicts", json=sent).json()
        assert answered["chosen"] == owner
        assert server.app.plugins.sampling_presets()["fancy"].description.lower() == owner
    assert server.app.settings.value.choices == {"preset:fancy": "one"}


@pytest.mark.parametrize(
    ("what", "owner"), [("preset:fancy", "fragile"), ("preset:nothing", "one"), ("", "")]
)
def test_a_choice_that_nobody_offers_is_refused(server, what, owner):
    answer = server.http.post("/api/plugin-conflicts", json={"what": what, "owner": owner})
    assert answer.status_code == 400
    assert "does not offer it" in answer.json()["error"]["message"]
    assert server.http.get("/api/plugin-conflicts").json()[0]["chosen"] is None


def test_a_plugin_that_was_set_aside_for_its_failures_runs_again_when_they_are_forgotten(server):
    for _ in range(5):
        assert server.chat("hello").choices[0].message.content == "hello"
    aside = server.http.get("/api/plugins/fragile").json()
    assert aside["state"] == "set aside"
    again = server.http.post("/api/plugins/fragile/clear-failures").json()
    assert (again["state"], again["failures"], again["error"]) == ("enabled", 0, "")
    server.chat("hello")
    assert server.http.get("/api/plugins/fragile").json()["failures"] == 1
    cleared = server.http.post("/api/plugins/fragile/clear-failures").json()
    assert (cleared["state"], cleared["failures"]) == ("enabled", 0)
    assert server.http.post("/api/plugins/nobody/clear-failures").status_code == 404
