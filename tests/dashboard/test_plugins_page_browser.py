"""The Plugins page in a real browser: the form of a plugin, and what it does to a reply."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from jackfield.testing import fake_model

if TYPE_CHECKING:
    from conftest import OpenTab, Server

SHOUT = '''
from typing import Literal
from pydantic import BaseModel, SecretStr
from jackfield import Field, Plugin, hookimpl

class Circle(BaseModel):
    kind: Literal["circle"] = "circle"
    radius: int = Field(3, ge=0, le=10)

class Square(BaseModel):
    kind: Literal["square"] = "square"
    side: int = Field(4, ge=0, le=10)

class Shout(Plugin):
    """Answers in capitals."""

    class Config(Plugin.Config):
        marks: int = Field(1, ge=0, le=5, description="Exclamation marks to add")
        words: str = Field("", pattern="^[a-z ]*$", description="Words before the reply")
        key: SecretStr = Field(SecretStr(""), description="A key")
        shape: Circle | Square = Field(Circle(), discriminator="kind")

    @hookimpl
    def jackfield_transform_reply(self, reply):
        return self.config.words + reply.upper() + "!" * self.config.marks
'''


@pytest.fixture(scope="module")
def plugins_server(
    tmp_path_factory: pytest.TempPathFactory,
    serving: Callable[[Path], AbstractContextManager[Server]],
) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("plugins-home")
    (home / "models").mkdir()
    (home / "plugins").mkdir()
    fake_model(home / "models", "parrot")
    (home / "plugins" / "shout.py").write_text(SHOUT)
    (home / "plugins" / "damaged.py").write_text("import nothing_of_that_name")
    with serving(home) as server:
        yield server


@pytest.fixture
def page(plugins_server: Server, open_tab: OpenTab) -> Page:
    page: Page = open_tab(f"{plugins_server.url}/plugins")
    expect(page.get_by_role("heading", name="Plugins")).to_be_visible()
    return page


def answer(page: Page, server: Server) -> str:
    """What the API answers to hello, all plugins taking part."""
    reply = page.request.post(
        f"{server.url}/v1/chat/completions",
        data={"model": "parrot", "messages": [{"role": "user", "content": "hello"}]},
    )
    assert reply.ok, reply.text()
    return str(reply.json()["choices"][0]["message"]["content"])


@pytest.mark.parametrize("turn", range(1, 6))
def test_a_changed_option_is_saved_and_changes_the_reply(
    page: Page, plugins_server: Server, turn: int
) -> None:
    word = "abcdef"[turn]
    card = page.locator(".st-key-plugin-shout")
    card.get_by_role("button", name="Options").click()
    slider = card.get_by_role("slider", name="Marks")
    slider.press("Home")
    for _ in range(turn):
        slider.press("ArrowRight")
    card.get_by_label("Words", exact=True).fill(f"{word} ")  # and straight to the button
    card.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. shout uses it")).to_be_visible()
    assert answer(page, plugins_server) == f"{word} HELLO" + "!" * turn
    assert f"marks = {turn}" in (plugins_server.home / "settings.toml").read_text() or turn == 1
    page.reload()
    card.get_by_role("button", name="Options").click()
    expect(card.get_by_label("Words", exact=True)).to_have_value(f"{word} ")


def test_a_value_that_is_refused_stays_with_the_reason_beside_it(page: Page) -> None:
    card = page.locator(".st-key-plugin-shout")
    card.get_by_role("button", name="Options").click()
    card.get_by_label("Words", exact=True).fill("LOUD")
    card.get_by_role("button", name="Save").click()
    expect(card).to_contain_text("should match pattern")
    expect(card.get_by_label("Words", exact=True)).to_have_value("LOUD")


def test_a_secret_is_saved_and_never_sent_back(page: Page, plugins_server: Server) -> None:
    received: list[bytes] = []

    def listen(frame: str | bytes) -> None:
        received.append(frame if isinstance(frame, bytes) else frame.encode())

    page.on("websocket", lambda socket: socket.on("framereceived", listen))
    page.reload()
    card = page.locator(".st-key-plugin-shout")
    card.get_by_role("button", name="Options").click()
    card.get_by_label("Key", exact=True).fill("hush-hush-hush")
    card.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. shout uses it")).to_be_visible()
    expect(card.get_by_label("Key", exact=True)).to_have_value("")
    assert "hush-hush-hush" in (plugins_server.home / "secrets.toml").read_text()
    page.reload()
    card.get_by_role("button", name="Options").click()
    expect(card.get_by_label("Key", exact=True)).to_have_attribute(
        "placeholder", "Saved. Leave empty to keep it"
    )
    assert received
    assert not any(b"hush-hush-hush" in frame for frame in received)


def test_another_variant_shows_its_own_fields(page: Page) -> None:
    card = page.locator(".st-key-plugin-shout")
    card.get_by_role("button", name="Options").click()
    expect(card.get_by_role("slider", name="Radius")).to_be_visible()
    shape = card.get_by_label("Shape", exact=True)
    page.mouse.move(640, 600)
    page.mouse.wheel(0, 4000)  # a list that is open closes when the page scrolls under it
    expect(shape).to_be_in_viewport()
    shape.click()
    page.get_by_role("option", name="square").click()
    expect(card.get_by_role("slider", name="Side")).to_be_visible()
    expect(card.get_by_role("slider", name="Radius")).to_have_count(0)


def test_a_plugin_that_is_switched_off_leaves_replies_alone(
    page: Page, plugins_server: Server
) -> None:
    card = page.locator(".st-key-plugin-shout")
    card.get_by_text("On", exact=True).click()
    expect(card.get_by_text("Off", exact=True)).to_be_visible()
    assert answer(page, plugins_server) == "hello"
    card.get_by_text("Off", exact=True).click()
    expect(card.get_by_text("On", exact=True)).to_be_visible()
    assert "HELLO" in answer(page, plugins_server)


def test_a_broken_plugin_is_shown_first_and_the_page_works(page: Page) -> None:
    cards = page.locator("[class*='st-key-plugin-']")
    expect(cards.first).to_contain_text("nothing_of_that_name")
    expect(cards.first).to_contain_text("Set aside")


def test_search_narrows_the_list_while_it_is_typed(page: Page) -> None:
    page.get_by_placeholder("Search").press_sequentially("capitals")
    expect(page.locator(".st-key-plugin-damaged")).to_have_count(0)
    expect(page.locator(".st-key-plugin-shout")).to_be_visible()


def test_the_page_fits_a_phone(plugins_server: Server, open_tab: OpenTab) -> None:
    page = open_tab(f"{plugins_server.url}/plugins", width=390)
    page.locator(".st-key-plugin-shout").get_by_role("button", name="Options").click()
    expect(page.locator(".st-key-plugin-shout").get_by_label("Words", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= 390")
