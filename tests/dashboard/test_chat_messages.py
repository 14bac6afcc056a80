"""What can be done with messages and with past chats, in the browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import ChatTab


def test_regenerating_makes_versions_to_turn_over(chat: ChatTab) -> None:
    chat.choose_model("dice")
    first = chat.ask("Throw")
    chat.button("Regenerate").click()
    expect(chat.replies.last).to_contain_text("2/2")
    second = chat.reply()
    assert second != first
    chat.replies.last.locator("[class*='st-key-chat-older'] button:visible").click()
    expect(chat.replies.last).to_contain_text("1/2")
    assert chat.reply() == first
    chat.replies.last.locator("[class*='st-key-chat-newer'] button:visible").click()
    expect(chat.replies.last).to_contain_text("2/2")
    assert chat.reply() == second


def test_a_reply_of_blanks_is_said_to_be_nothing(chat: ChatTab) -> None:
    chat.choose_model("blank")
    chat.send("Anything?")
    chat.ended()
    expect(chat.replies.last).to_contain_text("The model answered with nothing.")


def test_an_edited_question_is_answered_anew_and_the_old_one_is_kept(chat: ChatTab) -> None:
    chat.choose_model("parrot")
    chat.ask("the first question")
    chat.ask("the second question")
    chat.menu(chat.questions.first, "Edit")
    editor = chat.page.get_by_label("Edit the message")
    expect(editor).to_have_value("the first question")
    editor.fill("a better question")
    chat.button("Send").click()
    expect(chat.questions).to_have_count(1)
    expect(chat.questions.first).to_contain_text("a better question")
    chat.ended()
    assert chat.reply() == "a better question"
    expect(chat.questions.first).to_contain_text("2/2")
    chat.questions.first.locator("[class*='st-key-chat-older'] button:visible").click()
    expect(chat.questions).to_have_count(2)
    expect(chat.replies.last).to_contain_text("the second question")


def test_an_edited_reply_is_a_version_that_the_model_reads(chat: ChatTab) -> None:
    chat.choose_model("parrot")
    chat.ask("tell me something")
    chat.menu(chat.replies.last, "Edit")
    chat.page.get_by_label("Edit the message").fill("words put into its mouth")
    chat.button("Save").click()
    expect(chat.replies.last).to_contain_text("words put into its mouth")
    expect(chat.replies.last).to_contain_text("2/2")
    chat.choose_model("mirror")
    chat.send("and now?")
    chat.ended()
    expect(chat.replies.last).to_contain_text("words put into its mouth")


def test_an_abandoned_edit_changes_nothing(chat: ChatTab) -> None:
    chat.choose_model("parrot")
    chat.ask("leave me alone")
    chat.menu(chat.questions.first, "Edit")
    chat.page.get_by_label("Edit the message").fill("something else")
    chat.button("Cancel").click()
    expect(chat.page.get_by_label("Edit the message")).to_have_count(0)
    expect(chat.questions.first).to_contain_text("leave me alone")


def test_a_stopped_reply_can_be_continued_to_its_end(chat: ChatTab) -> None:
    chat.choose_model("teller")
    chat.send("Tell me all of it")
    expect(chat.replies.last).to_contain_text("Once upon")
    chat.stop_button.click()
    chat.ended()
    begun = chat.reply()
    chat.button("Continue").click()
    expect(chat.stop_button).to_be_visible()
    chat.ended()
    whole = chat.reply()
    assert whole.startswith(begun)
    assert whole.count("nobody in it could swim.") == 3


def test_a_branch_is_a_chat_of_its_own(chat: ChatTab) -> None:
    chat.choose_model("parrot")
    chat.ask("root of the tree")
    chat.ask("a twig")
    old = chat.page.url
    chat.menu(chat.replies.first, "Branch")
    expect(chat.questions).to_have_count(1)
    assert chat.page.url != old
    chat.ask("another twig")
    chat.page.goto(old)
    expect(chat.questions).to_have_count(2)
    expect(chat.replies.last).to_contain_text("a twig")
    expect(chat.page.get_by_text("another twig")).to_have_count(0)


def test_a_message_is_deleted_with_what_follows_after_a_question(chat: ChatTab) -> None:
    chat.choose_model("parrot")
    chat.ask("this stays")
    chat.ask("this goes")
    chat.menu(chat.questions.last, "Delete")
    dialog = chat.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Keep").click()
    expect(dialog).to_have_count(0)
    expect(chat.questions).to_have_count(2)
    chat.menu(chat.questions.last, "Delete")
    dialog.get_by_role("button", name="Delete").click()
    expect(chat.questions).to_have_count(1)
    expect(chat.replies.last).to_contain_text("this stays")


def test_a_message_is_copied_as_it_was_written(chat: ChatTab) -> None:
    chat.choose_model("parrot")
    chat.input.fill("costs **$5**\nin `cash`")
    chat.page.keyboard.press("Enter")
    chat.ended()
    chat.menu(chat.questions.last, "Copy")
    expect(chat.page.get_by_text("Copied")).to_be_visible()
    chat.page.wait_for_function(
        "navigator.clipboard.readText().then(text => text === 'costs **$5**\\nin `cash`')"
    )


def test_the_inspector_tells_what_plugins_did(chat: ChatTab) -> None:
    chat.choose_model("parrot")
    assert chat.ask("loud words") == "loud words!"
    chat.menu(chat.replies.last, "What plugins did")
    dialog = chat.page.get_by_role("dialog")
    expect(dialog).to_contain_text(re.compile(r"loud · Whole reply · [\d.]+ ms"))
    expect(dialog).to_contain_text("changed")
    dialog.get_by_text("Whole reply").click()
    expect(dialog.get_by_text("+loud words!")).to_be_visible()
    expect(dialog).to_contain_text("<|im_start|>user")
    chat.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_chats_are_found_renamed_deleted_and_brought_back(chat: ChatTab) -> None:
    chat.choose_model("parrot")
    chat.ask("about zebras and their stripes")
    chat.new("parrot")
    chat.ask("about whales")
    assert chat.chats()[0] == "about whales"

    chat.chat_menu("Rename")
    dialog = chat.page.get_by_role("dialog")
    dialog.get_by_label("Title").fill("Large animals")
    dialog.get_by_role("button", name="Rename").click()
    expect(dialog).to_have_count(0)
    expect(chat.page.locator(".st-key-chat-list")).to_contain_text("Large animals")

    search = chat.page.get_by_label("Search chats")
    search.fill("stripes")
    search.press("Enter")
    expect(chat.page.locator("[class*='st-key-chat-open-']")).to_have_count(1)
    assert chat.chats() == ["about zebras and their stripes"]
    search.fill("whales")  # a word of the message, not of the title
    search.press("Enter")
    expect(chat.page.locator(".st-key-chat-list")).to_contain_text("Large animals")
    search.fill("")
    search.press("Enter")

    chat.chat_menu("Delete")
    expect(chat.page.locator(".st-key-chat-list")).not_to_contain_text("Large animals")
    expect(chat.page.locator(".st-key-chat-beginning")).to_be_visible()
    chat.button("Undo").click()
    expect(chat.page.locator(".st-key-chat-list")).to_contain_text("Large animals")
    expect(chat.replies.last).to_contain_text("about whales")


def test_a_chat_is_saved_as_a_file(chat: ChatTab) -> None:
    chat.choose_model("parrot")
    chat.ask("for posterity")
    chat.chat_menu("Export")
    with chat.page.expect_download() as saved:
        chat.button("Save the file").click()
    assert saved.value.suggested_filename == "for-posterity.json"
    assert "for posterity" in saved.value.path().read_text()


def test_a_new_chat_is_a_key_away(chat: ChatTab) -> None:
    chat.choose_model("parrot")
    chat.ask("something old")
    chat.page.keyboard.press("Control+Shift+O")
    expect(chat.page.locator(".st-key-chat-beginning")).to_be_visible()
    expect(chat.questions).to_have_count(0)
    assert "c=" not in chat.page.url
