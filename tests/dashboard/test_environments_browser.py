"""Environments in a real browser: one is made before one's eyes, and removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from old_loader import BRITTLE, LOADER, brittle, old_loader

if TYPE_CHECKING:
    from conftest import OpenTab, Server

PATIENCE = 90_000  # milliseconds


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    serving: Callable[[Path], AbstractContextManager[Server]],
) -> Iterator[Server]:
    """A server with a loose plugin whose loader has an environment of its own."""
    home = tmp_path_factory.mktemp("environments-home")
    (home / "plugins").mkdir()
    wheel = brittle(home, "1.0")
    source = LOADER.format(name="antique").replace('importlib.metadata.version("antique")', '"1.0"')
    needs = f"    environment = Environment(({str(wheel)!r},))\n"
    source = source.replace('    name = "antique"\n', f'    name = "antique"\n{needs}')
    source = source.replace("import (\n", "import (\n    Environment,\n")
    (home / "plugins" / "antique.py").write_text(source)
    with serving(home) as server:
        yield server


@pytest.fixture
def page(server: Server, open_tab: OpenTab) -> Page:
    page: Page = open_tab(f"{server.url}/plugins")
    expect(page.get_by_role("heading", name="Plugins")).to_be_visible()
    return page


def test_one_is_made_with_its_progress_shown_and_removed(
    page: Page, server: Server, tmp_path: Path
) -> None:
    page.get_by_role("tab", name="Environments").click()
    card = page.locator(".st-key-environment-antique")
    expect(card.get_by_text("Not made yet")).to_be_visible()
    card.get_by_role("button", name="Make now").click()
    expect(card.get_by_text("Being made")).to_be_visible()
    expect(card.get_by_text("Making it,")).to_be_visible()
    page.screenshot(path=tmp_path / "being-made.png")
    expect(card.get_by_text("Ready")).to_be_visible(timeout=PATIENCE)
    expect(card.get_by_text("MB on disk")).to_be_visible()
    page.screenshot(path=tmp_path / "ready.png")
    assert (server.home / "environments" / "antique" / "jackfield.json").exists()
    card.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Remove antique").click()
    expect(card.get_by_text("Not made yet")).to_be_visible()
    assert not (server.home / "environments" / "antique").exists()


def test_the_box_makes_an_installation_isolated(page: Page, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Install", exact=True).click()
    page.get_by_label("Package or path").fill(str(old_loader(tmp_path)))
    page.get_by_text("Install in an environment of its own", exact=True).click()
    page.get_by_role("button", name="Check").click()
    plan = page.locator(".st-key-plugins-plan")
    expect(plan.get_by_text("New: antique 1.0")).to_be_visible(timeout=PATIENCE)
    expect(plan.get_by_text("In an environment of its own")).to_be_visible()
    expect(plan.get_by_text(f"{BRITTLE}==1.0")).to_be_visible()
    page.screenshot(path=tmp_path / "plan.png")
