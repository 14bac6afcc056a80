"""Speech in a real browser: reading aloud, hands-free talk, and the Speech page."""

from __future__ import annotations

import subprocess
import wave
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from jackfield.testing import fake_model
from parts_speech import whisper_tiny

if TYPE_CHECKING:
    from conftest import ChatTab, OpenTab, Server

STORY = "The lighthouse stood on a rock. Nobody had lived there for years. Then a light came on. "
LISTENING = """
window.heard = [];
window.addEventListener("jackfield-speaking", (event) => window.heard.push(event.detail));
"""
SAID = "Tell me about the lighthouse."


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence between two silences, spoken by an engine of ours."""

    folder = tmp_path_factory.mktemp("recording")
    spoken, path = folder / "spoken.wav", folder / "said.wav"
    subprocess.run(["espeak-ng", "-v", "en-us", "-s", "150", "-w", str(spoken), SAID], check=True)
    with wave.open(str(spoken)) as source, wave.open(str(path), "wb") as target:
        target.setparams(source.getparams())
        silence = bytes(2 * source.getframerate() * 3 // 2)
        target.writeframes(silence + source.readframes(source.getnframes()) + silence)
    return path


@pytest.fixture(scope="module")
def browser(recording: Path) -> Iterator[Browser]:
    """Chromium with a microphone into which the recording is spoken, over and over."""
    flags = (
        *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={recording}",
        "--autoplay-policy=no-user-gesture-required",
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(flags))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    serving: Callable[..., AbstractContextManager[Server]],
) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("speech-home")
    (home / "models").mkdir()
    fake_model(home / "models", "teller", replies=[STORY * 2], delay=0.05)
    models = tmp_path_factory.mktemp("whisper")
    (models / "tiny.en").symlink_to(whisper_tiny())
    script = str(Path(__file__).with_name("serve_speech.py"))
    with serving(home, script, str(models)) as server:
        yield server


def test_a_reply_is_heard_while_it_is_written_and_stop_silences_it(
    chat: ChatTab,
) -> None:
    page = chat.page
    page.evaluate(LISTENING)
    chat.choose_model("teller")
    chat.send("Tell me a story")
    page.wait_for_function("window.heard.includes(true)")
    assert chat.stop_button.count() == 1, "the reply had ended before it was heard"
    chat.stop_button.click()
    page.wait_for_function("window.jackfieldPlayer.speaking === false")


def test_sounds_go_on_in_their_order_after_the_reply_has_ended(
    chat: ChatTab,
) -> None:
    page = chat.page
    page.evaluate(LISTENING)
    chat.choose_model("teller")
    chat.send("Tell me a story")
    chat.ended()
    assert page.evaluate("window.jackfieldPlayer.speaking") is True
    page.wait_for_function("window.jackfieldPlayer.known.size === 6")
    numbers = page.evaluate("window.jackfieldPlayer.queue.map((one) => one.number)")
    assert numbers == sorted(numbers)
    page.keyboard.press("Escape")
    page.wait_for_function("window.jackfieldPlayer.speaking === false")


def test_escape_silences_the_rest_of_a_reply_and_not_the_next(chat: ChatTab) -> None:
    page = chat.page
    page.evaluate(LISTENING)
    chat.choose_model("teller")
    chat.send("Tell me a story")
    page.wait_for_function("window.heard.includes(true)")
    page.locator("body").press("Escape")  # which also stops the reply
    chat.ended()
    assert page.evaluate("window.jackfieldPlayer.speaking") is False
    page.evaluate("window.heard = []")
    chat.send("Tell me another")
    page.wait_for_function("window.heard.includes(true)")
    page.evaluate("window.jackfieldPlayer.hush()")
    chat.ended()
    assert page.evaluate("window.jackfieldPlayer.known.size") > 1
    assert page.evaluate("window.jackfieldPlayer.speaking") is False


def test_what_is_said_hands_free_is_sent(server: Server, open_tab: OpenTab) -> None:
    page = open_tab(f"{server.url}/stage")
    page.get_by_text("Hands-free").click()
    expect(page.get_by_text("Listening", exact=True)).to_be_visible()
    expect(page.get_by_text("lighthouse", exact=False).first).to_be_visible()
    page.wait_for_function("document.body.innerText.match(/lighthouse/g)?.length > 1")
    expect(page.get_by_text("Listening").or_(page.get_by_text("Hearing you"))).to_be_visible()
    expect(page.get_by_text("'read_aloud': True")).to_be_visible()
    page.get_by_text("Hands-free").click()
    expect(page.get_by_text("Listening", exact=True)).to_have_count(0)


def test_a_voice_is_tried_out_on_the_page(server: Server, open_tab: OpenTab) -> None:
    page = open_tab(f"{server.url}/speech")
    page.get_by_role("button", name="Speak", exact=True).click()
    expect(page.locator("audio[src]")).to_have_count(1)
    expect(page.get_by_text("Try the microphone")).to_be_visible()
