"""Chatting in the browser: sending, streaming, stopping, and coming back in the middle."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import ChatTab, OpenTab, Server


def whole(text: str) -> str:
    return " ".join(text.split())


STORY = whole("Once upon a time there was a town by the sea, and nobody in it could swim. " * 3)
BEGINNING = "Once"


def test_a_message_is_answered_as_a_stream_and_its_speed_is_told(chat: ChatTab) -> None:
    chat.choose_model("teller")
    chat.send("Tell me a story")
    expect(chat.replies.last).to_contain_text(BEGINNING)
    expect(chat.stop_button).to_be_visible()
    assert STORY not in whole(chat.replies.last.inner_text())
    chat.ended()
    assert whole(chat.reply()) == STORY
    expect(chat.replies.last).to_contain_text(
        re.compile(r"\d+ tokens · [\d.]+ tokens/s · first after \d+\.\d\d s · teller")
    )
    expect(chat.page.locator(".st-key-chat-bottom")).to_contain_text(
        re.compile(r"\d+ of 4,096 tokens")
    )
    assert re.search(r"\?c=[0-9a-f]{32}$", chat.page.url)


def test_a_reply_can_be_stopped_again_and_again_and_keeps_its_text(chat: ChatTab) -> None:
    chat.choose_model("novelist")
    chat.send("Tell me a long story")
    for _ in range(3):
        expect(chat.stop_button).to_be_visible()
        expect(chat.replies.last).to_contain_text(BEGINNING)
        chat.stop_button.click()
        chat.ended()
        expect(chat.replies.last).to_contain_text("Stopped")
        assert chat.reply().startswith(BEGINNING)
        chat.button("Regenerate").click()
    expect(chat.stop_button).to_be_visible()
    chat.page.keyboard.press("Escape")
    chat.ended()
    expect(chat.replies.last).to_contain_text("4/4")


def test_a_reply_goes_on_while_the_page_is_reloaded(chat: ChatTab) -> None:
    chat.choose_model("teller")
    chat.send("Tell it while I reload")
    expect(chat.replies.last).to_contain_text(BEGINNING)
    chat.page.reload()
    expect(chat.questions.last).to_contain_text("Tell it while I reload")
    chat.ended()
    assert whole(chat.reply()) == STORY
    expect(chat.replies).to_have_count(1)


def test_a_reply_goes_on_while_another_page_is_shown(chat: ChatTab) -> None:
    chat.choose_model("teller")
    chat.send("Tell it while I look elsewhere")
    expect(chat.replies.last).to_contain_text(BEGINNING)
    address = chat.page.url
    chat.page.get_by_role("link", name="Settings").click()
    expect(chat.page).to_have_url(re.compile("/settings"))
    expect(chat.replies).to_have_count(0)
    chat.page.get_by_role("link", name="Chat").click()
    expect(chat.questions.last).to_contain_text("Tell it while I look elsewhere")
    chat.ended()
    assert whole(chat.reply()) == STORY
    assert chat.page.url == address


def test_a_second_tab_shows_what_the_first_does(
    chat: ChatTab, server: Server, open_tab: OpenTab
) -> None:
    chat.choose_model("parrot")
    assert chat.ask("first words") == "first words"
    other = type(chat)(open_tab(chat.page.url), server)
    expect(other.replies.last).to_contain_text("first words")
    chat.choose_model("novelist")
    chat.send("second words")
    expect(other.questions.last).to_contain_text("second words")
    expect(other.stop_button).to_be_visible()
    other.stop_button.click()
    other.ended()
    chat.ended()
    expect(chat.replies.last).to_contain_text("Stopped")


def test_a_message_sent_during_a_reply_ends_that_reply(chat: ChatTab) -> None:
    chat.choose_model("novelist")
    chat.send("A long story please")
    expect(chat.replies.last).to_contain_text(BEGINNING)
    chat.send("No, stop, a short one")
    expect(chat.questions).to_have_count(2)
    expect(chat.replies.first).to_contain_text("Stopped")
    expect(chat.replies.last).to_contain_text(BEGINNING)
    chat.stop_button.click()
    chat.ended()
    expect(chat.replies).to_have_count(2)


def test_a_model_whose_process_dies_says_so_and_answers_the_next_time(chat: ChatTab) -> None:
    chat.choose_model("teller")
    chat.send("Tell me a story, and survive")
    expect(chat.replies.last).to_contain_text(BEGINNING)
    workers = chat.server.workers()
    assert workers
    for worker in workers:
        worker.kill()
    chat.ended()
    expect(chat.replies.last.get_by_role("alert")).to_contain_text("ended")
    assert chat.reply().startswith(BEGINNING)
    chat.button("Try again").click()
    expect(chat.stop_button).to_be_visible()
    chat.ended()
    assert whole(chat.reply()) == STORY
    expect(chat.replies.last).to_contain_text("2/2")


def test_a_crash_in_native_code_is_told_in_the_message(chat: ChatTab) -> None:
    chat.choose_model("doomed")
    chat.send("Hello")
    chat.ended()
    expect(chat.replies.last.get_by_role("alert")).to_contain_text("doomed")
    expect(chat.page.get_by_text("Traceback")).to_have_count(0)
    chat.new("parrot")
    assert chat.ask("still alive?") == "still alive?"


def test_thoughts_are_folded_and_pictures_are_not_fetched(chat: ChatTab) -> None:
    chat.choose_model("thinker")
    answer = chat.ask("What is it?")
    assert chat.replies.last.get_by_text("Thoughts").is_visible()
    assert not chat.page.get_by_text("Is it forty-two?").is_visible()
    assert "$5, $10" in chat.replies.last.inner_text(), answer
    expect(chat.replies.last.locator("img[src*='192.0.2.1']")).to_have_count(0)
    chat.replies.last.get_by_text("Thoughts").click()
    expect(chat.page.get_by_text("Is it forty-two?")).to_be_visible()


def test_the_first_model_is_one_click_away(empty_server: Server, open_tab: OpenTab) -> None:
    page = open_tab(empty_server.url)
    expect(page.get_by_text("No model yet")).to_be_visible()
    page.get_by_role("button", name="Get it").locator("visible=true").click()
    expect(page.get_by_text("downloading")).to_be_visible()
    expect(page.get_by_label("Model", exact=True)).to_have_value("smollm2 · in memory")
    page.get_by_placeholder("Message", exact=True).fill("hello")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Chat message from assistant").last).to_contain_text("hello")


def test_a_phone_has_room_for_all_of_it(server: Server, open_tab: OpenTab, chat: ChatTab) -> None:
    phone = type(chat)(open_tab(server.url, width=390, height=844), server)
    phone.choose_model("parrot")
    assert phone.ask("A message that is long enough to be broken over lines " * 3)
    wide = "document.documentElement.scrollWidth > window.innerWidth"
    assert not phone.page.evaluate(wide)
    box = phone.page.locator(".st-key-chat-next").bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390


def test_a_chat_that_is_gone_is_said_to_be(server: Server, open_tab: OpenTab) -> None:
    page = open_tab(f"{server.url}/?c=0123456789abcdef0123456789abcdef")
    expect(page.get_by_text("That chat does not exist any more")).to_be_visible()
    expect(page.get_by_placeholder("Message", exact=True)).to_be_visible()


def test_a_plugin_page_that_fails_takes_nothing_else_down(
    server: Server, open_tab: OpenTab
) -> None:
    page = open_tab(f"{server.url}/broken")
    expect(page.get_by_text("the heart of the page")).to_be_visible()
    expect(page.get_by_text("Traceback")).to_have_count(0)
    page.get_by_role("button", name="Open plugins").locator("visible=true").click()
    expect(page).to_have_url(re.compile("/plugins"))
    page.get_by_role("link", name="Chat").click()
    expect(page.get_by_placeholder("Message", exact=True)).to_be_visible()
