"""Translation over the API, on the command line, and on the Chat page."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import typer
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from jackfield.api.errors import add_error_handlers
from jackfield.application import Application
from jackfield.conversations import Node
from jackfield.errors import InvalidRequest
from jackfield.messages import Message, message
from jackfield.page import Routes
from jackfield.plugin import Plugin, hookimpl
from jackfield.testing import Workbench
from jackfield.translation import Translator
from jackfield_plugins.translation.plugin import Translation


class Shouting(Translator):
    """From English into French by shouting; another engine is not installed."""

    name = "shouting"
    title = "Shouting"

    def missing(self) -> str:
        return ""

    def pairs(self) -> Sequence[tuple[str, str]]:
        return [("en", "fr"), ("en", "es"), ("fr", "en")]

    def translate(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        if (source, target) not in self.pairs():
            raise InvalidRequest("No.", hint="shout louder")
        return [text.upper() for text in texts]


class Absent(Shouting):
    """Not there."""

    name = "absent"
    title = "Absent"

    def missing(self) -> str:
        return "apt install absent"

    def pairs(self) -> Sequence[tuple[str, str]]:
        return []


class Engines(Plugin):
    """Supplies both."""

    @hookimpl
    def jackfield_translators(self) -> list[Translator]:
        return [Shouting(), Absent()]


@contextmanager
def with_engines() -> Iterator[Workbench]:
    with Workbench(Translation) as bench:
        bench.app.plugins.register("engines", Engines)
        bench.app.plugins.enable("engines")
        yield bench


@pytest.fixture
def client() -> Iterator[TestClient]:
    with with_engines() as bench:
        routes = dict(bench.app.plugins.routes())["under-test"]
        assert isinstance(routes, Routes) and isinstance(routes.router, APIRouter)
        assert routes.paths == ("/api/translate",)
        api = FastAPI()
        api.include_router(routes.router)
        add_error_handlers(api)
        with TestClient(api) as client:
            yield client


def post(client: TestClient, **body: Any) -> Any:
    return client.post("/api/translate", json=body).json()


def test_a_text_is_translated_and_its_language_found_out(client: TestClient) -> None:
    made = post(client, text="How are you this morning, my friend?", target="fr")
    assert made == {
        "text": "HOW ARE YOU THIS MORNING, MY FRIEND?",
        "source": "en",
        "target": "fr",
        "engine": "shouting",
    }


def test_several_texts_come_back_in_order(client: TestClient) -> None:
    made = post(client, texts=["one", "", "two. three"], source="eng", target="fra")
    assert made["texts"] == ["ONE", "", "TWO. THREE"]


def test_code_blocks_stay_as_they_are_in_markdown_only(client: TestClient) -> None:
    text = "# see\n```\ncode\n```\n"
    markdown = post(client, text=text, source="en", target="fr", format="markdown")
    assert markdown["text"] == "# SEE\n```\ncode\n```\n"
    assert post(client, text=text, source="en", target="fr")["text"] == text.upper()


def test_two_languages_without_a_pair_go_through_english(client: TestClient) -> None:
    made = post(client, text="bonjour", source="fr", target="es")
    assert made["engine"] == "shouting through en"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"text": "a", "texts": ["b"], "target": "fr"}, "either 'text' or 'texts'"),
        ({"target": "fr"}, "either 'text' or 'texts'"),
        ({"text": "a", "target": "klingon"}, "'klingon' is not the code of a language"),
        ({"text": "12345", "target": "fr"}, "language of the text cannot be told"),
        ({"text": "ciao", "source": "it", "target": "fr"}, "Nothing here translates Italian to"),
        ({"text": "a", "target": "fr", "format": "pdf"}, "format"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_reason(
    client: TestClient, body: dict[str, Any], words: str
) -> None:
    answer = client.post("/api/translate", json=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text_stays_empty(client: TestClient, text: str) -> None:
    made = post(client, text=text, target="fr")
    assert (made["text"], made["engine"]) == (text, "")


def test_a_text_that_is_in_the_language_already_stays_as_it_is(client: TestClient) -> None:
    made = post(client, text="How are you this morning, my friend?", target="en")
    assert (made["text"], made["engine"]) == ("How are you this morning, my friend?", "")


def test_pairs_are_listed_with_what_is_missing(client: TestClient) -> None:
    listed = client.get("/api/translate/pairs").json()
    assert {"engine": "shouting", "source": "en", "target": "fr"} in listed["pairs"]
    assert listed["missing"] == [{"engine": "absent", "install": "apt install absent"}]


def command(*words: str, given: str = "") -> Any:
    """What ``jackfield translate`` does with these words."""
    made = Application.create(entry_points=[])
    made.plugins.register("translation", Translation)
    made.plugins.register("engines", Engines)
    cli = typer.Typer()
    cli.callback()(lambda: None)
    made.plugins.commands(cli, made)
    return CliRunner().invoke(cli, ["translate", *words], input=given)


def test_the_command_line_translates_a_text_and_its_input() -> None:
    assert command("Good morning", "--to", "fr", "--from", "en").output == "GOOD MORNING\n"
    assert command("-", "--to", "fr", "--from", "en", given="a\n\nb\n").output == "A\n\nB\n"


def test_the_command_line_prints_json() -> None:
    told = json.loads(command("Good morning", "--to", "fr", "--from", "en", "--json").output)
    assert (told["texts"], told["engine"]) == (["GOOD MORNING"], "shouting")
    listed = json.loads(command("--pairs", "--json").output)
    assert {"engine": "shouting", "source": "en", "target": "fr"} in listed["pairs"]


def test_the_command_line_lists_pairs_in_words() -> None:
    shown = command("--pairs")
    assert "en fr  shouting   English to French" in shown.output
    assert "absent is not installed: apt install absent" in shown.output


def test_the_command_line_wants_a_text_and_a_language() -> None:
    failed = command("Good morning")
    assert isinstance(failed.exception, InvalidRequest)


def chat_page() -> None:
    """The part beside the input of a chat, as the Chat page draws it."""
    from collections.abc import Callable
    from typing import Any

    import streamlit as st

    view: Any = st.session_state["view"]
    parts: list[Callable[[Any], None]] = st.session_state["parts"]
    for draw in parts:
        draw(view)


class View:
    """A chat."""

    id = "chat"
    model = "fake-model"
    running = False

    def __init__(self, **options: Any) -> None:
        self.options = options

    def set(self, **options: Any) -> None:
        self.options |= options


def drawn(bench: Workbench, view: View) -> AppTest:
    at = AppTest.from_function(chat_page)
    at.session_state["view"] = view
    at.session_state["parts"] = [part.draw for _, part in bench.app.plugins.composer()]
    at.run()
    assert not at.exception
    return at


def test_a_chat_is_switched_on_and_its_languages_chosen() -> None:
    with with_engines() as bench:
        view = View()
        at = drawn(bench, view)
        at.toggle[0].set_value(True).run()
        at.selectbox[0].set_value("fr").run()
        assert view.options == {"on": True, "user": "fr"}
        assert any("French to English: shouting" in one.value for one in at.caption)
        at.selectbox[0].set_value("auto").run()
        assert view.options["user"] == "auto"


def test_the_chat_page_says_what_is_missing_for_a_pair() -> None:
    with with_engines() as bench:
        at = drawn(bench, View(on=True, user="es", model="en"))
    assert any("Nothing here translates Spanish to English" in one.value for one in at.caption)
    assert any("shout louder" in one.value for one in at.caption)


def node(said: Message) -> Node:
    return Node(id="n", conversation="chat", parent=None, message=said, created=0.0)


def test_the_original_of_a_translated_reply_is_a_click_away() -> None:
    kept = {"original": "Hello **there**", "source": "en", "target": "fr", "digest": ""}
    reply = node(Message("assistant", extras={"under-test": kept}))
    with with_engines() as bench:
        ((_, action),) = bench.app.plugins.chat_actions()
        assert action.label == "Show original"
        assert action.applies(reply)
        assert not action.applies(node(message("assistant", "as it was written")))
        at = AppTest.from_function(chat_page)
        at.session_state["view"] = View()
        at.session_state["parts"] = [lambda chat: action.draw(chat, reply)]
        at.run()
    assert at.markdown[0].value == "Hello **there**"
    assert "in English" in at.caption[0].value
