"""Getting models in a real browser: searched, fetched, paused, gone on with, loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from hub_downloads import FILE, HERE, NAME, SIZE
from hub_server import HubServer, Misbehaviour, Repository

if TYPE_CHECKING:
    from conftest import OpenTab, Server

Serving = Callable[..., AbstractContextManager["Server"]]
PROGRAM = str(Path(__file__).with_name("serve_hub.py"))
MANY = "owner/Many-7B-GGUF"
KINDS = ("Q2_K", "Q4_K_M", "Q8_0")


@pytest.fixture
def hub(smollm2: Path) -> Iterator[HubServer]:
    with HubServer() as hub:
        hub.repositories[NAME] = Repository({FILE: smollm2}, downloads=2_500_000)
        hub.repositories[MANY] = Repository(
            {f"Many-7B.{kind}.gguf": smollm2 for kind in KINDS}, gated="manual", downloads=1200
        )
        yield hub


@pytest.fixture
def hub_page(tmp_path: Path, hub: HubServer, serving: Serving, open_tab: OpenTab) -> Iterator[Page]:
    home = tmp_path / "home"
    home.mkdir()
    with serving(home, PROGRAM, hub.url) as server:
        page = open_tab(f"{server.url}/models")
        expect(page.get_by_role("heading", name="Models")).to_be_visible()
        yield page
        leave(page)


def leave(page: Page) -> None:
    """Go away before the server ends, which a page would complain of."""
    page.goto("about:blank")


def search(page: Page, words: str) -> None:
    field = page.get_by_label("Search, or paste an address", exact=True)
    field.fill(words)
    field.press("Enter")


def test_a_model_is_searched_fetched_paused_gone_on_with_and_chatted_with(
    hub_page: Page, hub: HubServer
) -> None:
    page = hub_page
    hub.wrong = Misbehaviour(hold_at=60_000_000)
    search(page, "smollm2")
    found = page.locator(f".st-key-found-hub-{HERE.removesuffix('-q4_1')}")
    expect(found).to_contain_text("2.5M times lately")
    found.get_by_role("button", name="Choose a version").click()
    expect(found).to_contain_text("Fits")
    found.get_by_role("button", name="Download (98.4 MB)").click()

    card = page.locator(f".st-key-download-{HERE}")
    expect(card.get_by_role("progressbar")).to_be_visible()
    expect(card).to_contain_text("60.0 MB of 98.4 MB")  # it counts by itself up to there
    card.get_by_role("button", name="Pause").click()
    hub.release.set()
    expect(card).to_contain_text("what has arrived is kept")
    card.locator("button:visible", has_text="Cancel").click()
    expect(page.get_by_text("would have to be fetched anew")).to_be_visible()
    page.keyboard.press("Escape")
    hub.wrong = Misbehaviour()
    card.get_by_role("button", name="Resume").click()
    expect(card).to_contain_text("is here and checked")
    assert hub.served < SIZE + 40_000_000

    card.get_by_role("button", name="Chat").click()
    expect(page.get_by_placeholder("Message", exact=True)).to_be_visible()
    loaded = page.locator(f"[aria-label='Model'][value='{HERE} · in memory']")
    expect(loaded).to_have_count(1)


def test_a_locked_model_leads_to_the_options_where_its_token_is_entered(
    hub_page: Page, hub: HubServer
) -> None:
    page = hub_page
    search(page, MANY)
    asked = page.locator(".st-key-models-asked")
    expect(asked).to_contain_text("has accepted the terms")
    expect(asked.get_by_role("combobox")).to_have_value("Q4_K_M · 98.4 MB · fits · suggested")
    asked.get_by_role("button", name="Options of hub").click()
    expect(page.get_by_label("Access token", exact=True)).to_be_visible()


def test_the_tab_stays_when_a_model_has_come(
    tmp_path: Path, hub: HubServer, serving: Serving, open_tab: OpenTab, smollm2: Path
) -> None:
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    (home / "models" / "mine.gguf").symlink_to(smollm2)
    with serving(home, PROGRAM, hub.url) as server:
        page = open_tab(f"{server.url}/models")
        page.get_by_role("tab", name="Get more").click()
        search(page, NAME)
        page.get_by_role("button", name="Download (98.4 MB)").click()
        expect(page.locator(f".st-key-download-{HERE}")).to_contain_text("is here and checked")
        expect(page.get_by_role("tab", name="Get more")).to_have_attribute("aria-selected", "true")
        expect(page.get_by_label("Search, or paste an address", exact=True)).to_be_visible()
        leave(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_search_fits_a_phone(
    tmp_path: Path, hub: HubServer, serving: Serving, open_tab: OpenTab, scheme: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with serving(home, PROGRAM, hub.url) as server:
        page = open_tab(f"{server.url}/models", width=390, scheme=scheme)
        search(page, "owner")
        many = page.locator(".st-key-found-hub-many-7b")
        many.get_by_role("button", name="Choose a version").click()
        expect(many).to_contain_text("Fits")
        assert page.evaluate("document.documentElement.scrollWidth <= 390")
        page.screenshot(path=tmp_path / "phone.png", full_page=True)
        leave(page)
