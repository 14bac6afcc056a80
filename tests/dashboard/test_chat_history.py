"""A long chat: only its latest messages are drawn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from jackfield.application import Application
from jackfield.dashboard import current
from jackfield.messages import UsageEvent, message
from jackfield.paths import Paths
from jackfield.testing import FakePlugin, fake_model
from jackfield.trace import Trace

LONG = 200


@pytest.fixture
def app(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    fake_model(paths.models, "parrot")
    made = Application.create(paths, entry_points=[])
    made.plugins.register("fake", FakePlugin)
    monkeypatch.setattr(current, "_attached", [made])
    with made.in_thread():
        yield made


def long_chat(app: Application) -> str:
    chat = app.conversations.create(title="long", model="parrot")
    parent = None
    for number in range(LONG):
        role = "user" if number % 2 == 0 else "assistant"
        text = f"Message {number} has **some** words in it.\n\n```python\nprint({number})\n```"
        parent = app.conversations.add(chat.id, parent, message(role, text), model="parrot").id
        if role == "assistant":
            app.conversations.write(
                parent,
                trace=Trace(f"turn{number}", model="parrot", prompt="what the model read " * 200),
                usage=UsageEvent(100, 20, 0, 0.1, 1.0, 4096),
            )
    return chat.id


def script() -> None:
    from jackfield.dashboard import chat
    from jackfield.dashboard.current import application

    chat.draw(application())


def opened(chat: str) -> AppTest:
    page = AppTest.from_function(script, default_timeout=60)
    page.query_params["c"] = chat
    page.run()
    assert not page.exception
    return page


def test_a_long_chat_shows_its_latest_messages_and_earlier_ones_when_asked(
    app: Application,
) -> None:
    page = opened(long_chat(app))
    assert len(page.chat_message) == 40
    page.button(key="chat.show_earlier").click().run()
    assert len(page.chat_message) == 80
    assert not page.exception


def test_a_message_is_saved_answered_and_shown_in_one_run(
    app: Application,
) -> None:
    page = opened("")
    page.chat_input(key="chat.input").set_value("hello there")
    page.run()
    assert not page.exception
    assert [one.markdown[0].value for one in page.chat_message] == ["hello there", "hello there"]


def test_an_empty_message_is_refused_in_words(app: Application) -> None:
    page = opened("")
    page.chat_input(key="chat.input").set_value("   ")
    page.run()
    assert [error.value.split("\n")[0] for error in page.error] == ["The message is empty."]
    assert app.conversations.list() == []
