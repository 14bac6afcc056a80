"""Speech in the dashboard, without a browser."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs
from streamlit.testing.v1 import AppTest

from jackfield import JackfieldError, message
from jackfield.application import Application
from jackfield.dashboard.chat import microphone, page
from jackfield.dashboard.chat.tab import Tab
from jackfield_plugins.speech.plugin import Speech
from page_test import running_app
from speech_engines import Parrot, Voices


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    with running_app(tmp_path, speech=Speech, voices=Voices) as made:
        made.plugins.speech_synthesizers()
        made.plugins.speech_recognizers()
        yield made


def opened(app: Application) -> AppTest:
    def script(draw, app) -> None:
        draw(app)

    ((_, page),) = app.plugins.pages()
    test = AppTest.from_function(script, args=(page.draw, app), default_timeout=30).run()
    assert not test.exception
    return test


def test_the_page_speaks_with_the_voice_that_is_chosen(app: Application) -> None:
    test = opened(app)
    test.selectbox[0].select("fr").run()
    test.text_area[0].set_value("Bonjour.").run()
    test.button[0].click().run()
    assert not test.exception
    assert Voices.engine.said == [("Bonjour.", "high", 1.0)]
    assert len(test.get("audio")) == 1


def test_the_page_says_what_is_missing(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    Voices.engine.lacks = "apt install humming"
    monkeypatch.setattr(Parrot, "lacks", "apt install parrot")
    test = opened(app)
    assert len(test.info) == 2
    table = test.markdown[-1].value
    assert "| speaks | Humming | :material/download: `apt install humming` |" in table
    assert "| understands | Parrot | :material/download: `apt install parrot` |" in table


def test_without_any_engine_the_page_leads_to_the_plugins(tmp_path: Path) -> None:
    with running_app(tmp_path, speech=Speech) as app:
        test = opened(app)
    assert "Plugins page" in test.info[-1].value


def test_a_failing_voice_is_told_on_the_page(app: Application) -> None:
    Voices.engine.failures = 1
    test = opened(app)
    test.button[0].click().run()
    assert "The voice broke." in test.error[0].value


def chat_view(app: Application, kept: dict[str, Any]) -> Any:
    return SimpleNamespace(
        app=app,
        id="a",
        model="",
        options=kept,
        running=False,
        set=lambda **more: kept.update(more),
        send=lambda text: None,
        say=lambda text: None,
    )


def test_reading_aloud_is_switched_for_one_chat(app: Application) -> None:
    def script(part, view) -> None:
        part.draw(view)

    kept: dict[str, Any] = {}
    ((_, part),) = app.plugins.composer()
    view = chat_view(app, kept)
    test = AppTest.from_function(script, args=(part, view), default_timeout=30).run()
    assert [one.value for one in test.toggle] == [False, False]
    test.toggle[0].set_value(True).run()
    assert not test.exception
    assert kept == {"read_aloud": True}
    assert test.toggle[0].value is True
    test.toggle[0].set_value(False).run()
    assert kept == {"read_aloud": False}


def test_a_reply_is_read_aloud_once_however_often_the_page_is_drawn(app: Application) -> None:
    def script(action, view, node) -> None:
        action.draw(view, node)

    ((_, action),) = app.plugins.chat_actions()
    node: Any = SimpleNamespace(id="n", message=message("assistant", "One. Two."))
    question: Any = SimpleNamespace(id="q", message=message("user", "One?"))
    assert action.applies(node)
    assert not action.applies(question)
    view = chat_view(app, {"voice": "humming/high"})
    test = AppTest.from_function(script, args=(action, view, node), default_timeout=30).run()
    test.run()
    assert not test.exception
    assert len(test.get("audio")) == 1
    assert Voices.engine.said == [("One.", "high", 1.0), ("Two.", "high", 1.0)]


def test_a_reply_is_read_aloud_in_the_voice_of_whoever_gave_it(app: Application) -> None:
    def script(action, view, node) -> None:
        action.draw(view, node)

    ((_, action),) = app.plugins.chat_actions()
    given = structs.replace(
        message("assistant", "Aye."), extras={"speech": {"voice": "humming/high"}}
    )
    node: Any = SimpleNamespace(id="c", message=given)
    args = (action, chat_view(app, {}), node)
    test = AppTest.from_function(script, args=args, default_timeout=30).run()
    assert not test.exception
    assert Voices.engine.said == [("Aye.", "high", 1.0)]


def test_a_reply_without_a_word_to_speak_is_said_to_be_one(app: Application) -> None:
    def script(action, view, node) -> None:
        action.draw(view, node)

    ((_, action),) = app.plugins.chat_actions()
    node: Any = SimpleNamespace(id="n", message=message("assistant", "```\nls\n```"))
    args = (action, chat_view(app, {}), node)
    test = AppTest.from_function(script, args=args, default_timeout=30).run()
    assert not test.exception
    assert not test.get("audio")
    assert "nothing in this reply" in test.info[0].value


def test_what_is_said_into_the_microphone_becomes_text(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert microphone.can_listen(app)
    assert microphone.heard(app, b" Good morning. ") == "Good morning."
    with pytest.raises(JackfieldError, match="Nothing was understood"):
        microphone.heard(app, b"  ")
    with pytest.raises(JackfieldError, match="no recording"):
        microphone.heard(app, b"\xff\xff")
    monkeypatch.setattr(Parrot, "lacks", "apt install parrot")
    assert not microphone.can_listen(app)
    with pytest.raises(JackfieldError, match="apt install parrot"):
        microphone.heard(app, b"Good morning.")


def test_the_microphone_is_heard_with_the_model_and_language_of_the_options(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    transcribe = Parrot.transcribe

    def spied(parrot: Parrot, audio: bytes, **options: Any):
        asked.append((options.get("model", ""), options.get("language", "")))
        return transcribe(parrot, audio, **options)

    monkeypatch.setattr(Parrot, "transcribe", spied)
    for option, value in (("recognizer", "parrot/green"), ("language", "fr")):
        app.plugins.configure("speech", {option: value})
    assert microphone.heard(app, b"Bonjour.") == "Bonjour."
    app.plugins.disable("speech")
    assert microphone.heard(app, b"Bonjour.") == "Bonjour."
    assert asked == [("green", "fr"), ("", "")]


def test_what_was_typed_is_sent_although_speech_beside_it_is_not_understood(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, int]] = []
    monkeypatch.setattr(
        page.turns, "send", lambda _, __, text, files: sent.append((text, len(files)))
    )
    picture = SimpleNamespace(type="image/png", name="a.png", getvalue=lambda: b"png")
    silence = SimpleNamespace(getvalue=lambda: b"  ")
    tab = Tab()
    page._send(app, tab, SimpleNamespace(text="What is this?", files=[picture], audio=silence))
    assert sent == [("What is this?", 1)]
    assert "What you said was left out. Nothing was understood." in tab.error
    with pytest.raises(JackfieldError, match="Nothing was understood"):
        page._send(app, tab, SimpleNamespace(text="", files=[], audio=silence))
    loud = SimpleNamespace(getvalue=lambda: b"Tell me.")
    page._send(app, tab, SimpleNamespace(text="What is this?", files=[], audio=loud))
    assert sent[1:] == [("What is this? Tell me.", 0)]
