"""Tools in a chat in the browser, and what plugins add to the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from jackfield.testing import fake_model
from toolshed import SEES_TOOLS, call

if TYPE_CHECKING:
    from conftest import ChatTab, OpenTab, Server


@pytest.fixture(scope="module")
def server(
    serving: Callable[..., AbstractContextManager[Server]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    models = home / "models"
    models.mkdir()
    shouts = ["Let me see. " + call("shout", text="hey"), "That was it [1]."]
    fake_model(models, "shouter", replies=shouts, chat_template=SEES_TOOLS, delay=0.01)
    adds = [call("add", a=20, b=22), "It is 42."]
    fake_model(models, "adder", replies=adds, chat_template=SEES_TOOLS, delay=0.01)
    with serving(home, str(Path(__file__).with_name("serve_tools.py"))) as made:
        yield made


def allow(chat: ChatTab, *names: str) -> None:
    """Switch tools on for this chat."""
    chat.page.locator(".st-key-chat-tools button:visible").click()
    for name in names:
        chat.page.get_by_text(name, exact=True).click()
    chat.page.keyboard.press("Escape")
    expect(chat.page.locator(".st-key-chat-tools button:visible")).to_contain_text(
        f"({len(names)})"
    )


def test_a_harmless_tool_runs_and_its_step_is_shown(chat: ChatTab) -> None:
    chat.choose_model("adder")
    allow(chat, "add")
    chat.send("What is 20 and 22?")
    chat.ended()
    expect(chat.replies.last).to_contain_text("It is 42.")
    step = chat.replies.last.get_by_text(re.compile("^add"))
    expect(step.first).to_be_visible()
    step.first.click()
    expect(chat.replies.last.locator("code").filter(has_text="42").first).to_be_visible()
    chat.menu(chat.replies.last, "What plugins did")
    expect(chat.page.get_by_role("dialog")).to_contain_text("Call of a tool")


def test_a_tool_that_asks_waits_through_a_reload_and_runs_once_allowed(chat: ChatTab) -> None:
    chat.choose_model("shouter")
    allow(chat, "Shout")
    chat.send("Say it")
    expect(chat.replies.last).to_contain_text("The model wants to use Shout")
    chat.page.reload()
    expect(chat.replies.last).to_contain_text("The model wants to use Shout")
    expect(chat.replies.last).to_contain_text("Let me see.")
    chat.button("Allow once").click()
    chat.ended()
    expect(chat.replies.last).to_contain_text("That was it")
    link = chat.replies.last.get_by_role("link", name="[1]")
    assert (link.get_attribute("href") or "").endswith("/decorated?page=1")


def test_a_refused_call_is_told_and_the_chat_goes_on(chat: ChatTab) -> None:
    chat.choose_model("shouter")
    allow(chat, "Shout")
    chat.send("Say it")
    chat.button("Refuse").click()
    chat.ended()
    expect(chat.replies.last).to_contain_text("That was it")
    step = chat.replies.last.get_by_text(re.compile("^Shout")).first
    step.click()
    expect(chat.replies.last).to_contain_text("The user did not allow this call")


def test_a_reply_that_waits_for_an_answer_can_be_stopped(chat: ChatTab) -> None:
    chat.choose_model("shouter")
    allow(chat, "Shout")
    chat.send("Say it")
    expect(chat.replies.last).to_contain_text("The model wants to use Shout")
    chat.stop_button.click()
    chat.ended()
    expect(chat.replies.last).to_contain_text("Stopped")


def test_plugins_add_to_the_composer_the_menu_and_the_look(chat: ChatTab) -> None:
    chat.choose_model("adder")
    chat.button("Pressed 0").click()
    expect(chat.button("Pressed 1")).to_be_visible()
    expect(chat.page.locator(".st-key-chat-bottom")).to_contain_text("decorated")
    chat.send("Hello")
    chat.ended()
    expect(chat.button("Pressed 1")).to_be_visible()
    expect(chat.replies.last).to_contain_text("Ada")
    expect(chat.replies.last).to_contain_text("One passage was found.")
    chat.menu(chat.replies.last, "Count letters")
    expect(chat.replies.last).to_contain_text(re.compile(r"It has \d+ letters"))
    chat.button("Close").click()
    expect(chat.replies.last).not_to_contain_text("letters")
    chat.menu(chat.replies.last, "What plugins did")
    dialog = chat.page.get_by_role("dialog")
    expect(dialog).to_contain_text("decorated")
    expect(dialog).to_contain_text("What it found and did")


def test_the_bottom_of_the_page_fits_a_phone(server: Server, open_tab: OpenTab) -> None:
    page = open_tab(server.url, width=390, height=800)
    bottom = page.locator(".st-key-chat-bottom")
    expect(bottom).to_be_visible()
    box = bottom.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
