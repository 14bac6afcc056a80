"""The Models page in a real browser: the load form, progress, and the proof of an unload."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from playwright.sync_api import Page, expect

from jackfield.testing import fake_adapter, fake_model

if TYPE_CHECKING:
    from conftest import OpenTab, Server

MEMORY = 120_000_000


@pytest.fixture(scope="module")
def models_server(
    tmp_path_factory: pytest.TempPathFactory,
    serving: Callable[[Path], AbstractContextManager[Server]],
) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("models-home")
    models = home / "models"
    models.mkdir()
    fake_model(models, "parrot", memory=MEMORY)
    fake_model(models, "sleeper", load_delay=120)
    fake_model(models, "actor", lora=True)
    fake_adapter(home / "adapters", "pirate", says="Arr! ")
    fake_model(models, "loud", crash_on_load="exit", prints="the engine gave up")
    with serving(home) as server:
        yield server


@pytest.fixture
def page(models_server: Server, open_tab: OpenTab) -> Page:
    page: Page = open_tab(f"{models_server.url}/models")
    expect(page.get_by_role("heading", name="Models")).to_be_visible()
    return page


@pytest.mark.parametrize("context", [1024, 2048, 3072, 512, 4096])
def test_a_changed_option_is_that_of_the_loaded_model_and_unloading_frees_its_memory(
    page: Page, models_server: Server, context: int
) -> None:
    card = page.locator(".st-key-model-parrot")
    card.get_by_role("button", name="Settings").click()
    option = card.get_by_label("N ctx", exact=True)
    option.fill(str(context))  # and straight to the button, without leaving the field first
    card.get_by_role("button", name="Save as this model's defaults").click()
    expect(card.locator(".st-key-saved-parrot")).to_contain_text(f"n_ctx = {context}")
    card.get_by_role("button", name="Load", exact=True).click()
    resident = page.locator(".st-key-resident-parrot")
    expect(resident).to_contain_text("Ready")
    expect(resident).to_contain_text(f"context {context:,} tokens")
    expect(card).to_contain_text("In memory")
    assert len(models_server.workers()) == 1
    worker = models_server.workers()[0]
    assert worker.memory_info().rss > MEMORY

    resident.get_by_role("button", name="Unload").click()
    proof = page.locator("[class*='st-key-unloaded-parrot']")
    expect(proof).to_contain_text("parrot is unloaded")
    expect(proof).to_contain_text("MB freed")  # its parts come one after the other
    freed = re.search(r"([\d.]+) MB freed", proof.inner_text())
    assert freed is not None
    assert float(freed[1]) * 1e6 > MEMORY
    assert not psutil.pid_exists(worker.pid)
    expect(resident).to_have_count(0)
    page.reload()
    card.get_by_role("button", name="Settings").click()
    expect(option).to_have_value(str(context))


def test_loading_shows_its_progress_and_is_cancelled(page: Page, models_server: Server) -> None:
    page.locator(".st-key-model-sleeper").get_by_role("button", name="Load").click()
    resident = page.locator(".st-key-resident-sleeper")
    expect(resident.get_by_role("progressbar")).to_be_visible()
    expect(resident).to_contain_text("Reading the weights, 2.")  # it counts by itself
    page.get_by_role("tab", name="Folders").click()  # the page is not blocked meanwhile
    expect(page.get_by_label("Add a folder", exact=True)).to_be_visible()
    resident.get_by_role("button", name="Cancel").click()
    expect(resident).to_have_count(0)
    assert models_server.workers() == []


def test_a_model_loaded_elsewhere_appears_by_itself(page: Page, open_tab: OpenTab) -> None:
    other = open_tab(page.url)
    other.locator(".st-key-model-parrot").get_by_role("button", name="Load").click()
    expect(page.locator(".st-key-resident-parrot")).to_contain_text("Ready")
    page.locator(".st-key-resident-parrot").get_by_role("button", name="Unload").click()
    expect(other.locator(".st-key-resident-parrot")).to_have_count(0)


def test_a_model_whose_process_ends_shows_its_log(page: Page) -> None:
    page.locator(".st-key-model-loud").get_by_role("button", name="Load").click()
    resident = page.locator(".st-key-resident-loud")
    expect(resident).to_contain_text("Failed")
    resident.get_by_text("Log", exact=True).click()
    expect(resident).to_contain_text("the engine gave up")
    resident.get_by_role("button", name="Dismiss").click()
    expect(resident).to_have_count(0)


def test_the_page_fits_a_phone(models_server: Server, open_tab: OpenTab) -> None:
    page = open_tab(f"{models_server.url}/models", width=390, height=2400)
    page.locator(".st-key-model-parrot").get_by_role("button", name="Settings").click()
    expect(page.locator(".st-key-model-parrot").get_by_label("N ctx", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= 390")


def test_settings_are_saved_seen_forgotten_and_brought_back(
    models_server: Server, open_tab: OpenTab
) -> None:
    page = open_tab(f"{models_server.url}/models", height=2200)
    card = page.locator(".st-key-model-actor")
    card.get_by_role("button", name="Settings").click()
    saved = card.locator(".st-key-saved-actor")
    expect(saved).to_contain_text("Nothing is saved")
    card.get_by_label("Another name", exact=True).fill("polly")
    card.get_by_label("Agent description", exact=True).fill("You are a parrot.")
    card.get_by_role("button", name="Save", exact=True).click()
    expect(saved).to_contain_text("another name: polly")
    expect(card).to_contain_text("also polly")
    card.get_by_role("slider", name="Temperature").press("ArrowLeft")
    expect(saved).to_contain_text("temperature = 0.7")
    for parameter in ("Max tokens", "Stop sequences", "Top p", "Frequency", "Presence"):
        expect(card.get_by_label(re.compile(parameter)).first).to_be_visible()
    card.get_by_role("button", name="Forget settings").click()
    expect(saved).to_contain_text("Nothing is saved")
    saved.get_by_role("button", name="Undo").click()
    expect(saved).to_contain_text("another name: polly")
    # The form of before may stand beside the new one until that is whole.
    names = "[...document.querySelectorAll('.st-key-model-actor input')]"
    names += ".filter(one => one.ariaLabel === 'Another name').map(one => one.value).join()"
    page.wait_for_function(f"{names} === 'polly'")


def test_an_adapter_is_attached_and_its_strength_is_dragged(
    models_server: Server, open_tab: OpenTab
) -> None:
    page = open_tab(f"{models_server.url}/models")
    page.locator(".st-key-model-actor").get_by_role("button", name="Load").click()
    resident = page.locator(".st-key-resident-actor")
    resident.get_by_role("button", name="LoRA adapters").click()
    page.get_by_label("Attach", exact=True).click()
    page.get_by_role("option", name="pirate").click()
    page.get_by_role("button", name="Attach", exact=True).click()
    expect(resident.get_by_role("button", name="LoRA adapters (1)")).to_be_visible()
    strength = page.get_by_role("slider", name="pirate")
    expect(strength).to_be_visible()  # it stays open
    strength.press("ArrowRight")
    expect(page.get_by_text("1.05")).to_be_visible()
    page.get_by_role("button", name="Detach").click()
    expect(resident.get_by_role("button", name="LoRA adapters", exact=True)).to_be_visible()
