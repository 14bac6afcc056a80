"""Characters over the API, on the command line and on their page."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from fastapi import FastAPI
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest

from character_cards import V2, V3, card_in, encoded, pixels, png
from jackfield import Character, InvalidRequest, NotFound
from jackfield.api.errors import add_error_handlers
from jackfield.page import Routes
from jackfield.testing import Workbench
from jackfield.testing.workbench import PLUGIN
from jackfield_plugins.characters import Characters, cards, editor
from jackfield_plugins.characters.page import begin


@pytest.fixture
def bench() -> Iterator[Workbench]:
    with Workbench(Characters) as made:
        yield made


@pytest.fixture
def plugin(bench: Workbench) -> Characters:
    made = bench.app.plugins.plugin(PLUGIN)
    assert isinstance(made, Characters)
    return made


# Over the API


@pytest.fixture
def api(bench: Workbench) -> TestClient:
    ((_, routes),) = bench.app.plugins.routes()
    assert isinstance(routes, Routes)
    app = FastAPI()
    app.include_router(routes.router)
    add_error_handlers(app)
    return TestClient(app)


def test_a_card_goes_in_and_out_over_the_api_unchanged(api: TestClient) -> None:
    original = png(("chara", encoded(V2)))
    sent = api.post("/api/characters/import", files={"file": ("x.png", original)})
    assert sent.status_code == 201
    id_ = sent.json()["id"]
    assert sent.json()["card"] == V2
    out = api.get(f"/api/characters/{id_}/export")
    assert out.headers["content-type"] == "image/png"
    assert card_in(out.content, b"chara") == V2
    assert pixels(out.content) == pixels(original)
    assert api.get(f"/api/characters/{id_}/export?format=json").json() == V2
    third = api.get(f"/api/characters/{id_}/export?format=json&version=3").json()
    assert third["spec"] == "chara_card_v3"


def test_characters_are_made_changed_deleted_and_restored_over_the_api(api: TestClient) -> None:
    made = api.post("/api/characters", json=V3)
    assert made.status_code == 201
    id_ = made.json()["id"]
    card = {**V3, "data": {**V3["data"], "name": "Julia"}}
    assert api.put(f"/api/characters/{id_}", json=card).json()["name"] == "Julia"
    assert api.get(f"/api/characters/{id_}").json()["card"] == card
    assert api.delete(f"/api/characters/{id_}").status_code == 204
    assert api.get(f"/api/characters/{id_}").status_code == 404
    assert api.post(f"/api/characters/{id_}/restore").json()["name"] == "Julia"
    listed = {one["id"]: one for one in api.get("/api/characters").json()}
    assert listed[id_]["lore"] == 2
    assert listed["travel-advisor"]["read_only"]


def test_what_cannot_be_done_over_the_api_is_said(api: TestClient) -> None:
    sent = api.post("/api/characters/import", files={"file": ("x.png", png())})
    assert sent.status_code == 400
    assert "no card in it" in sent.json()["error"]["message"]
    wrong = api.post("/api/characters", json={"spec": "chara_card_v2", "data": {"name": 3}})
    assert wrong.json()["error"]["param"] == "data.name"
    assert api.put("/api/characters/travel-advisor", json=V3).status_code == 400
    assert api.delete("/api/characters/nobody").status_code == 404
    assert api.get("/api/characters/travel-advisor/picture").content.startswith(b"\x89PNG")


# On the command line


@pytest.fixture
def cli(bench: Workbench) -> typer.Typer:
    made = typer.Typer()
    made.callback()(lambda: None)
    bench.app.plugins.commands(made, bench.app)
    return made


def said(cli: typer.Typer, capsys: pytest.CaptureFixture[str], *words: object) -> str:
    cli(["characters", *map(str, words)], standalone_mode=False)
    return capsys.readouterr().out


def test_a_card_goes_in_and_out_on_the_command_line_unchanged(
    cli: typer.Typer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source, target = tmp_path / "in.png", tmp_path / "out.json"
    source.write_bytes(png(("ccv3", encoded(V3))))
    (made,) = json.loads(said(cli, capsys, "import", source, "--json"))
    assert made["id"] in said(cli, capsys, "list")
    assert "Made by hand." in said(cli, capsys, "show", made["id"])
    said(cli, capsys, "export", made["id"], "--to", target)
    assert json.loads(target.read_text()) == V3
    with pytest.raises(InvalidRequest, match="there already"):
        said(cli, capsys, "export", made["id"], "--to", target)
    said(cli, capsys, "export", made["id"], "--to", target, "--force", "--version", "2")
    assert json.loads(target.read_text())["spec"] == "chara_card_v2"
    assert json.loads(said(cli, capsys, "delete", made["id"], "--json"))["deleted"]
    with pytest.raises(NotFound):
        said(cli, capsys, "show", made["id"])
    assert "is back" in said(cli, capsys, "restore", made["id"])


def test_our_own_characters_cannot_be_deleted(
    cli: typer.Typer, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InvalidRequest, match="comes with Jackfield"):
        said(cli, capsys, "delete", "travel-advisor")


# On the page


def drawn(bench: Workbench, plugin: Characters) -> Any:
    def script(app, plugin) -> None:
        from jackfield_plugins.characters.page import draw

        draw(app, plugin)

    kwargs = {"app": bench.app, "plugin": plugin}
    return AppTest.from_function(script, kwargs=kwargs, default_timeout=30).run()


def test_the_page_says_what_to_do_and_shows_our_own(bench: Workbench, plugin: Characters) -> None:
    page = drawn(bench, plugin)
    assert not page.exception
    assert "None is yours yet" in page.info[0].value
    assert any("Mara" in one.value for one in page.markdown)


def test_a_character_is_made_and_edited_in_the_form(bench: Workbench, plugin: Characters) -> None:
    page = drawn(bench, plugin)
    page.button(key="characters.new").click().run()
    save = next(one for one in page.button if one.label == "Save")
    save.click().run()
    assert "needs a name" in page.error[0].value
    by_label = {one.label: one for one in [*page.text_input, *page.text_area, *page.number_input]}
    by_label["Name"].set_value("Otto")
    by_label["Greeting"].set_value("Good day, {{user}}.")
    by_label["Temperature"].set_value(0.4)
    next(one for one in page.button if one.label == "Save").click().run()
    assert not page.exception
    made = plugin.store.get("otto")
    assert made.greeting == "Good day, {{user}}."
    assert made.sampling == {"temperature": 0.4}
    assert made.lore == ()
    assert any("Good day, User." in one.value for one in page.text)
    next(one for one in page.text_area if one.label == "Description").set_value("A baker.")
    next(one for one in page.button if one.label == "Save").click().run()
    assert plugin.store.get("otto").description == "A baker."


def test_saving_a_card_of_another_editor_without_a_change_leaves_it_as_it_was(
    bench: Workbench, plugin: Characters, api: TestClient
) -> None:
    sent = api.post("/api/characters/import", files={"file": ("x", png(("ccv3", encoded(V3))))})
    id_ = sent.json()["id"]
    page = drawn(bench, plugin)
    page.button(key=f"characters.change.{id_}").click().run()
    next(one for one in page.button if one.label == "Save").click().run()
    assert not page.exception
    assert api.get(f"/api/characters/{id_}").json()["card"] == V3


def test_texts_that_end_a_reply_keep_their_line_breaks(
    bench: Workbench, plugin: Characters
) -> None:
    stop = ["\nUser:", "\n", "a\\nb", " "]
    made = plugin.store.create(Character(id="", name="Otto", sampling={"stop": stop}))
    page = drawn(bench, plugin)
    page.button(key=f"characters.change.{made.id}").click().run()
    next(one for one in page.button if one.label == "Save").click().run()
    assert plugin.store.get(made.id).sampling == {"stop": stop}
    texts = next(one for one in page.text_area if one.label == "Stop sequences")
    texts.set_value("END\n\\nUser:")
    next(one for one in page.button if one.label == "Save").click().run()
    assert plugin.store.get(made.id).sampling == {"stop": ["END", "\nUser:"]}


def test_a_row_of_the_lore_table_changes_its_entry_and_no_other_field_of_it() -> None:
    old = cards.read(V2)
    rows = [editor._row(number, entry) for number, entry in enumerate(old.lore)]
    assert editor._entries(rows, old) == old.lore
    new: dict[str, Any] = {"#": None, "on": True, "keys": ["cat"], "text": "It is a cat."}
    first = {**rows[1], "#": 1.0, "text": "Day."}  # as a table with an empty cell has numbers
    changed, added = editor._entries([first, new, {**new, "text": None}], old)
    assert changed.card == old.lore[1].card
    assert (changed.text, changed.constant) == ("Day.", True)
    assert (added.keys, added.text, added.card) == (("cat",), "It is a cat.", {})


def test_a_chat_begins_with_the_greetings_as_versions(
    bench: Workbench, plugin: Characters, api: TestClient
) -> None:
    id_ = api.post("/api/characters", json=V2).json()["id"]
    chat = begin(bench.app, plugin, plugin.store.get(id_))
    made = bench.app.conversations.get(chat)
    assert made.options == {PLUGIN: {"character": id_}}
    assert made.model == "fake-model"
    (first,) = bench.app.conversations.path(chat)
    versions = [one.message.text for one in bench.app.conversations.siblings(first.id)]
    assert first.message.text == "Hello User, I am Юля 🚀 (星子)."
    assert versions == [first.message.text, "Again you, User?", "…"]
    assert first.message.role == "assistant"


def test_without_a_model_no_chat_begins() -> None:
    with Workbench(Characters) as bench:
        for path in list(bench.app.paths.models.iterdir()):
            path.rename(bench.app.paths.home / path.name)
        plugin: Any = bench.app.plugins.plugin(PLUGIN)
        with pytest.raises(InvalidRequest, match="no model"):
            begin(bench.app, plugin, plugin.store.own()["storyteller"])
