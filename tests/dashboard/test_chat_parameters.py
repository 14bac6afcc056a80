"""The parameters in the sidebar: kept with the chat, and what the reply really follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from conftest import ChatTab


def test_the_longest_reply_and_the_stop_sequences_reach_the_model(chat: ChatTab) -> None:
    chat.choose_model("teller")
    chat.parameters()
    chat.field("Max tokens").fill("4")
    chat.field("Max tokens").press("Enter")
    assert chat.ask("Only a little") == "Once upon a time"
    expect(chat.replies.last).to_contain_text("Cut off at the longest reply allowed")
    chat.field("Max tokens").fill("")
    chat.field("Max tokens").press("Enter")
    chat.field("Stop sequences").fill("swim\nby the")
    chat.field("Stop sequences").press("Control+Enter")
    assert chat.ask("Until there") == "Once upon a time there was a town"


def test_the_agent_description_and_the_template_reach_the_model(chat: ChatTab) -> None:
    chat.choose_model("mirror")
    chat.parameters()
    description = chat.field("Agent description")
    description.fill("You are a lighthouse keeper.")
    description.press("Control+Enter")
    chat.send("Who are you?")
    chat.ended()
    expect(chat.replies.last).to_contain_text("You are a lighthouse keeper.")
    chat.page.reload()
    chat.parameters()
    expect(description).to_have_value("You are a lighthouse keeper.")


def test_the_parameters_of_the_turn_are_those_of_the_inspector(chat: ChatTab) -> None:
    chat.choose_model("parrot")
    chat.parameters()
    chat.page.get_by_role("slider", name="Temperature").press("ArrowRight")
    chat.page.get_by_text("More", exact=True).click()
    chat.field("Seed").fill("7")
    chat.field("Seed").press("Enter")
    chat.ask("how are you set?")
    chat.menu(chat.replies.last, "What plugins did")
    dialog = chat.page.get_by_role("dialog")
    expect(dialog).to_contain_text("temperature")
    expect(dialog).to_contain_text("0.85")
    expect(dialog).to_contain_text("seed")


def test_only_parameters_that_the_model_honours_stand_behind_more(chat: ChatTab) -> None:
    chat.choose_model("parrot")
    chat.parameters()
    chat.page.get_by_text("More", exact=True).click()
    expect(chat.field("Top k")).to_be_visible()
    expect(chat.field("Logprobs")).to_be_visible()
    expect(chat.field("Mirostat")).to_have_count(0)
    expect(chat.field("Grammar")).to_have_count(0)


def test_each_chat_has_its_own_parameters_and_they_survive_a_page_switch(chat: ChatTab) -> None:
    chat.choose_model("parrot")
    chat.ask("first chat")
    chat.parameters()
    limit = chat.field("Max tokens")
    limit.fill("33")
    limit.press("Enter")
    chat.page.get_by_role("link", name="Models").click()
    expect(chat.replies).to_have_count(0)
    chat.page.get_by_role("link", name="Chat").click()
    chat.shows("Max tokens", "33")
    chat.button("New chat").click()
    chat.shows("Max tokens", "")
    chat.page.locator(".st-key-chat-panel").get_by_text("Chats").click()
    chat.page.get_by_role("button", name="first chat").locator("visible=true").first.click()
    chat.parameters()
    chat.shows("Max tokens", "33")
    chat.page.locator(".st-key-chat-reset button:visible").click()
    chat.shows("Max tokens", "")


def test_a_value_that_is_not_valid_is_explained_beside_its_field(chat: ChatTab) -> None:
    chat.choose_model("parrot")
    chat.parameters()
    chat.field("Stop sequences").fill("\n".join(str(line) for line in range(70)))
    chat.field("Stop sequences").press("Control+Enter")
    expect(chat.page.get_by_text("at most 64 items")).to_be_visible()
    assert chat.ask("12 and 13") == "12 and 13"
