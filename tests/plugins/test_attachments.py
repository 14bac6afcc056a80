"""Attached files: what the model reads of them, and what the user is told."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

import pytest

import document_files as files
from jackfield import (
    Document,
    DocumentReader,
    InvalidRequest,
    MediaPart,
    Message,
    Plugin,
    Section,
    TextPart,
    hookimpl,
)
from jackfield.messages import NoticeEvent, message
from jackfield.pipeline import Turn
from jackfield.testing import PluginConformance, Workbench
from jackfield.testing.workbench import MODEL, PLUGIN, Reply
from jackfield_plugins.attachments import Attachments
from jackfield_plugins.documents import Documents
from jackfield_plugins.ocr import Ocr


class TestAttachments(PluginConformance):
    plugin = Attachments


class PageReader(DocumentReader):
    """Reads each line as a page, and counts how often it is asked."""

    name = "pages"
    title = "Pages"
    extensions = ("pages",)
    media_types = ("text/",)
    asked: ClassVar[list[str]] = []
    install: ClassVar[str] = ""

    def missing(self) -> str:
        return self.install

    def read(self, path: Path, *, name: str = "") -> Document:
        self.asked.append(name)
        text = path.read_text()
        if "broken" in text:
            raise InvalidRequest(f"The file {name!r} is damaged.", hint="Get it anew.")
        if "defect" in text:
            raise KeyError("oops")
        sections = [
            Section(text=line, page=number)
            for number, line in enumerate(text.splitlines(), start=1)
        ]
        return Document(title=name, sections=tuple(sections))


class Pages(Plugin):
    """Has that reader."""

    @hookimpl
    def jackfield_document_readers(self) -> list[DocumentReader]:
        return [PageReader()]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PageReader, "asked", [])
    monkeypatch.setattr(PageReader, "install", "")


@contextmanager
def bench(*plugins: type[Plugin], context: int = 4096, share: float = 0.5) -> Iterator[Workbench]:
    model = {"context_length": context}
    config = {"share": share}
    with Workbench(Attachments, config=config, replies=["prompt"], model=model) as made:
        for plugin in plugins:
            name = plugin.__name__.lower()
            made.app.plugins.register(name, plugin)
            made.app.plugins.enable(name)
        yield made


def file(name: str, text: str | bytes, kind: str = "text/plain") -> MediaPart:
    return MediaPart(kind, text.encode() if isinstance(text, str) else text, name)


def ask(bench: Workbench, text: str, *media: MediaPart, before: Sequence[Message] = ()) -> Reply:
    said = Message("user", (*([TextPart(text)] if text else []), *media))
    turn = Turn(id=uuid4().hex, model=MODEL, messages=[*before, said])
    events = bench.app.portal.call(bench._collect, turn)
    reply = Reply(events, bench.app.traces.get(turn.id))
    assert reply.error is None, reply.error
    return reply


def told(reply: Reply) -> list[str]:
    return [event.text for event in reply.events if isinstance(event, NoticeEvent)]


def rows(reply: Reply) -> list[dict[str, object]]:
    return reply.trace.accounts[PLUGIN]


def test_the_model_reads_a_file_before_the_question_with_page_marks() -> None:
    with bench(Pages) as made:
        reply = ask(made, "Who wrote it?", file("a.pages", "By Ann\nIn May"))
    assert (
        "Attached file 'a.pages' (2 pages):\n[Page 1]\nBy Ann\n\n[Page 2]\nIn May\n"
        "[End of 'a.pages']\n\nWho wrote it?"
    ) in reply.trace.prompt
    (row,) = rows(reply)
    assert (row["file"], row["reader"], row["pages"], row["characters"]) == (
        "a.pages",
        "pages",
        2,
        32,
    )
    assert told(reply) == []


def test_a_file_without_a_word_of_the_user_is_read() -> None:
    with bench(Pages) as made:
        assert "[Page 1]\nBy Ann" in ask(made, "", file("a.pages", "By Ann")).trace.prompt


def test_a_file_of_an_earlier_message_is_still_read_but_only_once() -> None:
    before = [
        Message("user", (TextPart("Read this"), file("a.pages", "By Ann"))),
        message("assistant", "I have."),
    ]
    with bench(Pages) as made:
        first = ask(made, "Who?", before=before)
        second = ask(made, "And when?", before=before)
    assert "By Ann" in first.trace.prompt
    assert "By Ann" in second.trace.prompt
    assert PageReader.asked == ["a.pages"]


def test_what_does_not_fit_is_cut_at_a_line_and_told() -> None:
    text = "\n".join(f"line {number} of a long story" for number in range(2000))
    with bench(Pages, context=1000, share=0.3) as made:
        reply = ask(made, "Tell me", file("a.txt", text))
    assert "line 0 of a long story" in reply.trace.prompt
    assert "[The rest is left out.]" in reply.trace.prompt
    assert "line 1999" not in reply.trace.prompt
    (row,) = rows(reply)
    assert 150 < int(str(row["tokens"])) <= 300
    assert "Only the first" in told(reply)[0]


def test_a_file_that_there_is_no_room_for_is_not_said_to_have_no_text() -> None:
    long = "\n".join(f"word{number}" for number in range(3000))
    before = [Message("user", (file(f"{name}.pages", long),)) for name in "abcdef"]
    with bench(Pages, context=1000, share=0.3) as made:
        reply = ask(made, "Tell me", file("z.pages", long), before=before)
    assert "There is no room for the text of the attached file 'a.pages'" in reply.trace.prompt
    assert "has no text" not in reply.trace.prompt


def test_several_files_share_the_room_and_short_ones_are_whole() -> None:
    long = "\n".join(f"word{number}" for number in range(3000))
    with bench(Pages, context=1000, share=0.5) as made:
        media = [file("a.pages", long), file("b.pages", "a short one"), file("c.pages", long)]
        reply = ask(made, "Tell me", *media)
    tokens = {str(row["file"]): int(str(row["tokens"])) for row in rows(reply)}
    assert "a short one" in reply.trace.prompt
    assert sum(tokens.values()) <= 500
    assert abs(tokens["a.pages"] - tokens["c.pages"]) < 60


def test_the_chat_goes_on_with_a_file_that_cannot_be_read() -> None:
    with bench(Pages) as made:
        for text, words in (("broken", "is damaged. Get it anew."), ("defect", "KeyError")):
            reply = ask(made, "Go on", file("a.pages", text))
            assert "(The attached file 'a.pages' could not be read.)" in reply.trace.prompt
            assert words in told(reply)[0]
            assert made.app.plugins.record(PLUGIN).failures == 0


def test_a_file_that_cannot_be_read_is_told_once() -> None:
    before = [Message("user", (file("a.pages", "broken"),)), message("assistant", "Sorry.")]
    with bench(Pages) as made:
        assert told(ask(made, "Go on", before=before)) == []


def test_what_has_to_be_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PageReader, "install", "pip install 'jackfield[pages]'")
    with bench(Pages) as made:
        reply = ask(made, "Go on", file("a.pages", "By Ann"))
        assert "Install it: pip install 'jackfield[pages]'" in told(reply)[0]
        monkeypatch.setattr(PageReader, "install", "")
        assert "By Ann" in ask(made, "Now?", file("a.pages", "By Ann")).trace.prompt


def test_a_kind_that_nothing_reads_is_told() -> None:
    with bench() as made:
        reply = ask(made, "Go on", file("a.xyz", b"\0\1", "application/octet-stream"))
    assert "no enabled plugin reads .xyz files" in told(reply)[0]
    assert "(The attached file 'a.xyz' could not be read.)" in reply.trace.prompt


class Reading(Plugin):
    """Notes what the plugins before it made of the conversation."""

    seen: ClassVar[list[Message]] = []

    @hookimpl
    def jackfield_transform_messages(self, messages: Sequence[Message]) -> None:
        self.seen[:] = messages


def test_plugins_that_come_later_find_the_text_and_no_file() -> None:
    with bench(Pages, Reading) as made:
        made.app.plugins.set_order([PLUGIN, "reading"])
        ask(made, "Who wrote it?", file("a.pages", "By Ann"))
    (said,) = Reading.seen
    (part,) = said.parts
    assert isinstance(part, TextPart)
    assert "By Ann" in part.text


def test_a_picture_that_is_broken_is_not_read_as_text() -> None:
    with bench(Pages) as made:
        reply = ask(made, "Go on", file("a.png", "no picture", "image/png"))
    assert "Enable the plugin 'ocr'" in told(reply)[0]


def test_what_looks_like_text_is_read_as_text_whatever_it_is_called() -> None:
    with bench(Pages) as made:
        media = file("Makefile", "all: build", "application/octet-stream")
        assert "all: build" in ask(made, "What does it do?", media).trace.prompt


def test_a_real_pdf_a_word_document_and_a_picture_are_read(tmp_path: Path) -> None:
    pdf = files.pdf(tmp_path / "a.pdf", [["The code is 4711"]]).read_bytes()
    docx = files.docx(tmp_path / "a.docx", "Rent", ["It is 900 euros."]).read_bytes()
    picture = files.png(["Invoice number 48213"])
    with bench(Documents, Ocr) as made:
        reply = ask(
            made,
            "What do you see?",
            file("a.pdf", pdf, "application/pdf"),
            file("a.docx", docx, ""),
            file("", picture, "image/png"),
        )
    for words in ("The code is 4711", "It is 900 euros.", "Invoice number 48213", "'image-4.png'"):
        assert words in reply.trace.prompt


def test_bad_files_do_not_stop_the_chat(tmp_path: Path) -> None:
    bomb = files.docx(tmp_path / "bomb.docx", "x", [], padding=40).read_bytes()
    locked = files.pdf(tmp_path / "a.pdf", [["x"]], password="secret").read_bytes()
    long = files.pdf(tmp_path / "long.pdf", [[f"page {n} of many"] for n in range(500)])
    with bench(Documents) as made:
        began = time.monotonic()
        media = [
            file("bomb.docx", bomb),
            file("locked.pdf", locked),
            file("long.pdf", long.read_bytes()),
            file("empty.txt", ""),
        ]
        reply = ask(made, "Go on", *media)
        assert time.monotonic() - began < 30
    assert "page 1 of many" in reply.trace.prompt
    words = "\n".join(told(reply))
    for part in ("would unpack to", "protected by a password", "is empty", "Only the first"):
        assert part in words
