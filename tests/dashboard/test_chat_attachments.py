"""Files in the chat, in the browser: sent, shown, read, kept when the message is edited."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

import document_files as files
from jackfield.testing import fake_model

if TYPE_CHECKING:
    from conftest import ChatTab, Server

PROGRAM = Path(__file__).with_name("serve_attachments.py")


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    serving: Callable[..., AbstractContextManager[Server]],
) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("reading")
    (home / "models").mkdir()
    fake_model(home / "models", "mirror", replies=["prompt"])
    with serving(home, str(PROGRAM)) as server:
        yield server


def attach(chat: ChatTab, *paths: Path) -> None:
    """Choose a model, and files for the message, as the button beside the input does."""
    chat.choose_model("mirror")
    chooser = chat.page.locator(".st-key-chat-input input[type=file]").first
    for path in paths:
        with chat.page.expect_response(re.compile("/upload_file/")):
            chooser.set_input_files(path)
        expect(chat.page.locator(".st-key-chat-input")).to_contain_text(path.name)


def test_a_pdf_is_sent_shown_and_read(chat: ChatTab, tmp_path: Path) -> None:
    path = files.pdf(tmp_path / "report.pdf", [["The code is 4711"]])
    attach(chat, path)
    chat.send("What is the code?")
    chat.ended()
    expect(chat.replies.last).to_contain_text("The code is 4711")
    chip = chat.questions.last.get_by_role("button", name="report.pdf · 1 kB")
    expect(chip.locator("visible=true").first).to_be_visible()
    with chat.page.expect_download() as started:
        chip.locator("visible=true").first.click()
    assert Path(started.value.path()).read_bytes() == path.read_bytes()


def test_a_picture_is_shown_as_one_and_what_reads_it_is_told(chat: ChatTab, tmp_path: Path) -> None:
    attach(chat, files.picture(tmp_path / "photo.png", ["Hello"]))
    chat.send("What is on it?")
    chat.ended()
    picture = chat.questions.last.locator("img")
    expect(picture).to_be_visible()
    assert picture.bounding_box()["width"] <= 320
    expect(chat.replies.last).to_contain_text("no enabled plugin reads .png files")
    chat.page.reload()
    expect(chat.questions.last.locator("img")).to_be_visible()


def test_files_alone_make_a_message_and_name_the_chat(chat: ChatTab, tmp_path: Path) -> None:
    note, broken = tmp_path / "note.txt", tmp_path / "broken.png"
    note.write_text("Buy milk")
    broken.write_bytes(b"no picture")
    attach(chat, note, broken)
    chat.input.press("Enter")
    chat.ended()
    expect(chat.replies.last).to_contain_text("Buy milk")
    expect(chat.questions.last).to_contain_text("broken.png · 10 bytes")
    assert chat.chats()[0] == "note.txt"


def test_an_edited_message_keeps_its_files(chat: ChatTab, tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_text("Buy milk")
    attach(chat, note)
    chat.send("What shall I buy?")
    chat.ended()
    chat.menu(chat.questions.first, "Edit")
    chat.page.get_by_label("Edit the message").fill("What is on the list?")
    chat.button("Send").click()
    expect(chat.questions.first).to_contain_text("What is on the list?")
    chat.ended()
    expect(chat.replies.last).to_contain_text("Buy milk")
    expect(chat.questions.first).to_contain_text("note.txt · 8 bytes")
