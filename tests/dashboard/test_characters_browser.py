"""Characters in a real browser: imported, edited, talked to, deleted and back again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, TimeoutError, expect

from character_cards import V2, encoded, png
from jackfield.testing import fake_model

if TYPE_CHECKING:
    from conftest import OpenTab, Server

PROGRAM = str(Path(__file__).with_name("serve_characters.py"))


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    serving: Callable[..., AbstractContextManager[Server]],
) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("characters-home")
    (home / "models").mkdir()
    fake_model(home / "models", "parrot", replies=["echo"])
    with serving(home, PROGRAM) as server:
        yield server


@pytest.fixture
def page(server: Server, open_tab: OpenTab) -> Page:
    page: Page = open_tab(f"{server.url}/characters")
    expect(page.get_by_role("heading", name="Ready-made")).to_be_visible()
    return page


def back(page: Page) -> None:
    page.get_by_text("From plugins").click()
    page.get_by_text("Characters", exact=True).last.click()
    expect(page.get_by_role("heading", name="Ready-made")).to_be_visible()


def press(page: Page, key: str) -> None:
    page.locator(f".st-key-characters-{key} button:visible").first.click()


def choose(page: Page, id_: str, choice: str) -> None:
    """Choose from a character's menu; opened again if the page was just being drawn and shut it."""
    item = page.get_by_role("menuitem", name=choice)
    press(page, f"more-{id_}")
    try:
        item.click(timeout=5_000)
    except TimeoutError:
        press(page, f"more-{id_}")
        item.click()


def test_a_character_is_talked_to_in_a_chat_that_it_begins(page: Page) -> None:
    for id_, words in (("storyteller", "Put another log on, User."), ("interviewer", "Welcome,")):
        press(page, f"chat-{id_}")
        first = page.get_by_label("Chat message from assistant").first
        expect(first).to_contain_text(words)
        expect(page.get_by_label("Chat message from user")).to_have_count(0)
        message = page.get_by_placeholder("Message", exact=True)
        message.fill("Good evening.")
        message.press("Enter")
        expect(page.get_by_label("Chat message from assistant")).to_have_count(2)
        expect(page.get_by_label("Chat message from assistant").last).to_contain_text("Good eve")
        back(page)


def test_a_chat_gets_a_character_beside_its_input(page: Page, server: Server) -> None:
    page.goto(server.url)
    chooser = page.locator(".st-key-characters-composer button:visible").first
    expect(chooser).to_contain_text("Character")
    chooser.click()
    page.get_by_label("Who answers", exact=True).click()
    page.get_by_role("option", name="Nonna Lia").click()
    expect(chooser).to_contain_text("Nonna Lia")
    message = page.get_by_placeholder("Message", exact=True)
    message.fill("Hello.")
    message.press("Enter")
    expect(page.get_by_label("Chat message from assistant").last).to_contain_text("Lia")


def test_cards_are_imported_edited_and_exported_and_deleting_is_undone(
    page: Page, server: Server, tmp_path: Path
) -> None:
    card = json.loads(json.dumps(V2))
    card["name"] = card["data"]["name"] = "Julia"
    good, bad = tmp_path / "good.png", tmp_path / "bad.json"
    good.write_bytes(png(("chara", encoded(card))))
    bad.write_text('{"spec": "chara_card_v2", "data": {"name": "x", "tags": "a"}}')
    page.locator("[class*=st-key-characters-importing] button:visible").first.click()
    page.set_input_files("input[type=file]", [good, bad])
    press(page, "import")
    expect(page.get_by_role("alert").filter(has_text="data.tags")).to_be_visible()
    expect(page.locator(".st-key-characters-card-julia")).to_contain_text("Made by hand. <b>not")

    press(page, "change-julia")
    page.get_by_role("tab", name="Voice and parameters").click()
    page.get_by_label("Temperature", exact=True).fill("0.4")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    with urlopen(f"{server.url}/api/characters/julia") as answer:
        saved = json.load(answer)["card"]
    ours = saved["data"]["extensions"].pop("jackfield")
    assert ours == {"sampling": {"temperature": 0.4}}
    assert saved == card
    page.get_by_role("button", name="All characters").click()

    choose(page, "julia", "Export")
    page.get_by_text("JSON", exact=True).click()
    expect(page.get_by_role("button", name="Download JSON").first).to_be_visible()
    with page.expect_download() as download:
        press(page, "export-download")
    assert json.loads(download.value.path().read_text())["data"]["name"] == "Julia"
    page.get_by_role("dialog").get_by_role("button", name="Close").click()

    choose(page, "julia", "Delete")
    expect(page.get_by_text("Julia was deleted.")).to_be_visible()
    press(page, "undo")
    expect(page.locator(".st-key-characters-card-julia")).to_be_visible()
