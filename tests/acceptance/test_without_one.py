"""Any extension may be missing: the rest starts, answers, and misses nothing."""

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from jackfield.application import Application
from jackfield.messages import DoneEvent, Event, message
from jackfield.paths import Paths
from jackfield.pipeline import Turn
from jackfield.testing import FakePlugin, fake_model

POINTS: list[EntryPoint] = sorted(
    (one for one in entry_points(group="jackfield") if one.value.startswith("jackfield_plugins.")),
    key=lambda one: one.name,
)


def answered(app: Application) -> list[Event]:
    async def collect() -> list[Event]:
        turn = Turn(model="parrot", messages=[message("user", "hello")])
        return [event async for event in app.pipeline.run(turn)]

    return app.portal.call(collect)


@pytest.mark.parametrize("gone", ["", *(one.name for one in POINTS)])
def test_the_rest_works_without_it(gone: str, tmp_path: Path) -> None:
    paths = Paths(tmp_path / "home")
    paths.make()
    fake_model(paths.models, "parrot")
    app = Application.create(paths, entry_points=[one for one in POINTS if one.name != gone])
    app.plugins.register("fake", FakePlugin)
    records = {one.name: one for one in app.plugins.records()}
    assert gone not in records
    assert [one.name for one in records.values() if one.state == "set aside"] == []
    assert app.plugins.conflicts() == []
    with app.in_thread():
        *_, last = answered(app)
        assert isinstance(last, DoneEvent)
        assert last.finish_reason == "stop"
        app.plugins.pages()
        app.plugins.composer()
        app.plugins.chat_actions()
        app.plugins.routes()
        app.plugins.document_readers()
        assert {one.name for one in app.plugins.records() if one.error} == set()
