"""The dashboard in a real browser: a server in a process of its own, and Debian's Chromium."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)

from jackfield.testing import fake_model

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SERVER = Path(__file__).with_name("serve_fake.py")
PATIENCE = 20.0  # seconds for anything that is to happen
READY = re.compile(r"is ready: (http://\S+)")


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]
    output: Path

    def workers(self) -> list[psutil.Process]:
        """The processes that hold models."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in children if "jackfield.worker" in " ".join(one.cmdline())]


def serve(home: Path, *program: str) -> Iterator[Server]:
    """Serve a data folder, and end the server by its process id afterwards.

    Args:
        program: the script that serves it, if not the usual one, and what it is told besides.
    """
    script, *told = program or (str(SERVER),)
    output = home.with_name(f"{home.name}.out")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, script, str(home), *told],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    try:
        yield Server(_address(process, output), home, process, output)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE)
    assert process.returncode == 0, output.read_text()


def _address(process: subprocess.Popen[bytes], output: Path) -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        if found := READY.search(output.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{output.read_text()}")


STORY = "Once upon a time there was a town by the sea, and nobody in it could swim. " * 3
LONG_STORY = STORY * 10


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with several fake models, shared by the tests of a module."""
    home = tmp_path_factory.mktemp("home")
    models = home / "models"
    models.mkdir()
    fake_model(models, "parrot", replies=["echo"], delay=0.01)
    fake_model(models, "teller", replies=[STORY], delay=0.04)
    fake_model(models, "novelist", replies=[LONG_STORY], delay=0.04)
    fake_model(models, "dice", replies=["one", "two", "three", "four"], delay=0.01)
    fake_model(models, "mirror", replies=["prompt"])
    fake_model(models, "blank", replies=["\n\n"])
    fake_model(models, "doomed", replies=[STORY], delay=0.04, crash_after_tokens=15)
    fake_model(
        models,
        "thinker",
        replies=["<think>Is it forty-two?</think>It is 42. ![p](http://192.0.2.1/p.png) $5, $10"],
        delay=0.02,
    )
    yield from serve(home)


@pytest.fixture(scope="session")
def serving() -> Callable[..., AbstractContextManager[Server]]:
    """Serves a data folder that a test module has filled itself, for as long as a ``with``."""
    return contextmanager(serve)


@pytest.fixture
def empty_server(tmp_path: Path) -> Iterator[Server]:
    """A server without a model."""
    home = tmp_path / "home"
    home.mkdir()
    yield from serve(home)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window.

    For a module only: while Playwright is open its event loop runs, and no test can have one.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


OpenTab = Callable[..., Page]


@pytest.fixture
def open_tab(browser: Browser, tmp_path: Path) -> Iterator[OpenTab]:
    """Opens a tab; the test fails if the page logs an error or asks anybody but the server.

    How each tab looked in the end is kept in the test's folder.
    """
    wrong: list[str] = []
    contexts = []

    def outside(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("data", "blob") or address.hostname in ("127.0.0.1", "localhost"):
            return
        wrong.append(f"request to {request.url}")

    def said(message: ConsoleMessage) -> None:
        # Streamlit looks for its server below the address of a page before it asks at the root.
        probe = re.search(r"/[a-z-]+/_stcore/", message.location["url"])
        if message.type == "error" and not probe:
            wrong.append(f"console: {message.text} {message.location['url']}")

    def opened(url: str, *, width: int = 1280, height: int = 800, scheme: str = "light") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        page.on("request", outside)
        page.on("pageerror", lambda error: wrong.append(f"script error {error}"))
        page.on("console", said)
        page.goto(url)
        return page

    expect.set_options(timeout=PATIENCE * 1000)
    yield opened
    for number, context in enumerate(contexts):
        context.pages[0].screenshot(path=tmp_path / f"tab{number}.png")
        context.close()
    assert not wrong, "\n".join(wrong)


class ChatTab:
    """What a person does on the Chat page."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.input = page.get_by_placeholder("Message", exact=True)
        self.stop_button = page.locator(".st-key-chat-stop button:visible")
        self.questions = page.get_by_label("Chat message from user")
        self.replies = page.get_by_label("Chat message from assistant")
        expect(self.input).to_be_visible()

    def choose_model(self, name: str) -> None:
        """Choose a model and wait until it is in memory."""
        chooser = self.page.get_by_label("Model", exact=True)
        expect(chooser).to_have_count(1)
        if chooser.input_value() == name:
            self.button("Load now").click()
        else:
            chooser.click()
            self.page.get_by_role("option", name=name).first.click()
        self.shows("Model", f"{name} · in memory")

    def send(self, text: str) -> None:
        """Type a message and press Enter."""
        self.input.fill(text)
        self.page.keyboard.press("Enter")
        expect(self.questions.last).to_contain_text(text[:40])

    def ended(self) -> None:
        """Wait until the reply has ended and can be worked with."""
        expect(self.page.locator(".st-key-chat-next")).to_be_visible()
        expect(self.stop_button).to_have_count(0)

    def ask(self, text: str) -> str:
        """Send a message, wait for the whole reply, and return it."""
        self.send(text)
        self.ended()
        return self.reply()

    def reply(self) -> str:
        """The text of the last reply, without what stands below it."""
        return str(self.replies.last.locator("p").first.inner_text())

    def button(self, name: str) -> Locator:
        """A button of the page by its words."""
        return self.page.get_by_role("button", name=name).locator("visible=true").first

    def menu(self, message: Locator, choice: str) -> None:
        """Choose from a message's menu."""
        message.locator("[class*='st-key-chat-menu-'] button:visible").click()
        self.page.get_by_role("menuitem", name=choice).click()

    def chats(self) -> list[str]:
        """Titles of the listed chats."""
        return self.page.locator("[class*='st-key-chat-open-'] p").all_inner_texts()

    def chat_menu(self, choice: str) -> None:
        """Choose from the menu of the chat that is shown."""
        self.page.locator("[class*='st-key-chat-chat_menu-'] button:visible").click()
        self.page.get_by_role("menuitem", name=choice).click()

    def shows(self, label: str, value: str) -> None:
        """Wait until a field shows a value; a field of before may be there for a moment."""
        field = self.page.locator(f"[aria-label='{label}'][value='{value}']")
        expect(field).to_have_count(1)
        expect(self.field(label)).to_have_count(1)

    def parameters(self) -> None:
        """Show the parameters in the sidebar."""
        self.page.locator(".st-key-chat-panel").get_by_text("Parameters").click()
        expect(self.field("Agent description")).to_be_visible()

    def field(self, label: str) -> Locator:
        """A field by its label; the help beside it has a similar one."""
        return self.page.get_by_label(label, exact=True)

    def new(self, model: str) -> None:
        """Begin a new chat with a model."""
        self.button("New chat").click()
        expect(self.page.locator(".st-key-chat-beginning")).to_be_visible()
        self.choose_model(model)


@pytest.fixture
def chat(server: Server, open_tab: OpenTab) -> ChatTab:
    """The Chat page in a fresh tab."""
    return ChatTab(open_tab(server.url), server)
