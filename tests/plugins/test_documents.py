"""Reading files of many kinds, and files that are broken, hostile or not what they say."""

from __future__ import annotations

import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import document_files as files
from jackfield import Document, InvalidRequest, reader_for
from jackfield.testing import PluginConformance, Workbench
from jackfield_plugins.documents import Documents, Reading, all_readers
from jackfield_plugins.reading.markdown import split, unescaped

Read = Callable[[Path], Document]


class TestDocuments(PluginConformance):
    plugin = Documents


@pytest.fixture(scope="module")
def reading() -> Iterator[Reading]:
    made = Reading()
    yield made
    made.close()


@pytest.fixture
def read(reading: Reading) -> Read:
    def read(path: Path) -> Document:
        reader = reader_for(all_readers(reading), path.name)
        assert reader is not None
        return reader.read(path)

    return read


def refusal(read: Read, path: Path) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(path)
    assert repr(path.name) in caught.value.message
    return caught.value


def test_the_plugin_supplies_a_reader_for_each_kind_of_file() -> None:
    with Workbench(Documents) as bench:
        readers = bench.app.plugins.document_readers()
        names = ("a.pdf", "b.DOCX", "c.pptx", "d.xlsx", "e.epub", "f.html", "g.md", "h.csv", "i.py")
        found = [reader_for(readers, name) for name in names]
    kinds = ["pdf", "docx", "pptx", "xlsx", "epub", "html", "markdown", "csv", "text"]
    assert [one.name if one else "" for one in found] == kinds


def test_a_pdf_is_read_page_by_page_with_its_bookmarks(read: Read, tmp_path: Path) -> None:
    pages = [[f"This is page {number}"] for number in range(1, 5)]
    document = read(files.pdf(tmp_path / "a.pdf", pages, chapters=2))
    assert [one.page for one in document.sections] == [1, 2, 3, 4]
    assert [one.text for one in document.sections] == [lines[0] for lines in pages]
    headings = [one.heading for one in document.sections]
    assert headings == ["Chapter 1", "Chapter 1", "Chapter 2", "Chapter 2"]


def test_a_pdf_of_500_pages_is_read_whole_and_quickly(read: Read, tmp_path: Path) -> None:
    line = "The quick brown fox jumps over the lazy dog, and the dog does not mind at all."
    pages = [[f"{number} {place} {line}" for place in range(40)] for number in range(500)]
    path = files.pdf(tmp_path / "long.pdf", pages)
    began = time.monotonic()
    document = read(path)
    assert time.monotonic() - began < 20
    assert len(document.sections) == 500
    assert document.sections[499].text.startswith("499 0 The quick")


def test_a_pdf_with_a_password_is_refused_with_what_to_do(read: Read, tmp_path: Path) -> None:
    error = refusal(read, files.pdf(tmp_path / "a.pdf", [["x"]], password="secret"))
    assert "protected by a password" in error.message
    assert "Remove the password" in error.hint


def test_a_page_without_text_is_told_with_what_would_read_it(read: Read, tmp_path: Path) -> None:
    document = read(files.picture(tmp_path / "scan.pdf", ["Hello"]))
    assert document.sections == ()
    assert document.notes == (
        "Page 1 has no text; if scanned, text recognition can read it: "
        "pip install 'jackfield[ocr]'.",
    )


def test_a_word_document_is_read_by_its_headings(read: Read, tmp_path: Path) -> None:
    (section,) = read(files.docx(tmp_path / "a.docx", "Rent", ["It is 900 euros."])).sections
    assert section.heading == "Rent"
    assert section.text == "# Rent\n\nIt is 900 euros."


def test_slides_are_pages(read: Read, tmp_path: Path) -> None:
    slides = [("Goals", "Be quick"), ("Means", "Measure")]
    sections = read(files.pptx(tmp_path / "a.pptx", slides)).sections
    assert [(one.page, one.heading) for one in sections] == [(1, "Goals"), (2, "Means")]
    assert "Measure" in sections[1].text


def test_a_workbook_is_read_sheet_by_sheet_in_pieces_with_headers(
    read: Read, tmp_path: Path
) -> None:
    rows: list[list[object]] = [["Item", "Price"], *([f"thing {n}", n / 2] for n in range(60))]
    path = files.xlsx(tmp_path / "a.xlsx", {"Prices": rows, "Notes": [["a|b", None, 3]]})
    sections = read(path).sections
    assert [one.page for one in sections] == [1, 1, 2]
    assert [one.heading for one in sections][:2] == ["Prices › Rows 1–40", "Prices › Rows 41–60"]
    assert all(one.text.startswith("| Item | Price |\n| --- |") for one in sections[:2])
    assert "| thing 59 | 29.5 |" in sections[1].text
    assert "a\\|b" in sections[2].text


def test_a_book_is_read_by_chapters(read: Read, tmp_path: Path) -> None:
    chapters = {"Night": "It was dark.", "Morning": "It was light."}
    document = read(files.epub(tmp_path / "a.epub", "The Day", chapters))
    assert document.title == "The Day"
    assert [one.heading for one in document.sections][-2:] == ["Night", "Morning"]
    assert "It was light." in document.sections[-1].text


def test_a_table_of_semicolons_becomes_a_markdown_table(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('name;note\nAnn;"one\ntwo"\nBob\n', encoding="utf-8")
    (section,) = read(path).sections
    lines = section.text.splitlines()
    assert lines == ["| name | note |", "| --- | --- |", "| Ann | one two |", "| Bob |  |"]


def test_a_web_page_is_read_without_its_menu(read: Read, tmp_path: Path) -> None:
    words = "<p>" + "The lighthouse stands on a rock by the sea, and has done so for long. " * 8
    path = tmp_path / "a.html"
    path.write_text(
        "<html><head><title>Lights</title></head><body><nav><a href='/'>Start here</a></nav>"
        f"<article><h1>Lighthouses</h1>{words}</p><h2>History</h2>{words}</p></article>"
        "<footer>Imprint</footer></body></html>"
    )
    document = read(path)
    assert document.title == "Lights"
    assert [one.heading for one in document.sections] == [
        "Lighthouses",
        "Lighthouses › History",
    ]
    assert "Start here" not in document.text


def test_a_web_page_without_main_text_is_read_whole(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("<body><h1>Hi</h1><script>no()</script><p>Just this.</p></body>")
    document = read(path)
    assert document.sections[-1].heading == "Hi"
    assert "Just this." in document.text
    assert "no()" not in document.text


def test_source_code_is_left_as_it_is_and_its_language_told(read: Read, tmp_path: Path) -> None:
    code = "# no heading\ndef f():\n\treturn 1\n"
    path = tmp_path / "a.py"
    path.write_text(code)
    document = read(path)
    assert (document.text, document.language) == (code, "python")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252", "utf-8-sig"])
def test_text_is_read_in_the_encoding_it_is_in(read: Read, tmp_path: Path, encoding: str) -> None:
    text = "Größe und Länge der Straße, über Ärger und Öl.\n" * 10
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    assert read(path).text == text


def test_markdown_is_split_at_its_headings_but_not_in_code() -> None:
    text = "# A\n\n## B\n\nb\n\n```sh\n# no heading\n```\n\nC\n=\n\nc\n"
    sections = split(text)
    assert [(one.heading, one.text[:5]) for one in sections] == [
        ("A › B", "# A\n\n"),
        ("C", "C\n=\n\n"),
    ]
    assert "# no heading" in sections[0].text


def test_backslashes_of_converters_are_taken_away_outside_code() -> None:
    assert unescaped("a\\_b `c\\_d`\ne\\_f\n```\ng\\_h\n```") == (
        "a\\_b `c\\_d`\ne_f\n```\ng\\_h\n```"
    )


# What is broken or hostile


def test_a_zip_bomb_is_refused_before_it_is_unpacked(read: Read, tmp_path: Path) -> None:
    path = files.docx(tmp_path / "bomb.docx", "x", [], padding=40)
    assert path.stat().st_size < 1_000_000
    began = time.monotonic()
    error = refusal(read, path)
    assert time.monotonic() - began < 5
    assert "would unpack to" in error.message


def test_an_archive_of_very_many_files_is_refused(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "many.epub"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20_001):
            archive.writestr(str(number), b"")
    assert "20,001 files" in refusal(read, path).message


def test_an_empty_file_is_refused(read: Read, tmp_path: Path) -> None:
    for name in ("a.pdf", "a.docx", "a.txt", "a.html"):
        (tmp_path / name).touch()
        assert "is empty" in refusal(read, tmp_path / name).message


def test_binary_rubbish_is_no_text(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(bytes(range(256)) * 40)
    assert "is not text" in refusal(read, path).message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.docx", "is a PDF file, not a .docx file"),
        ("a.epub", "is a PDF file, not a .epub file"),
        ("a.txt", "is a PDF file, though it is called text"),
    ],
)
def test_a_pdf_by_a_wrong_name_is_told(read: Read, tmp_path: Path, name: str, words: str) -> None:
    assert words in refusal(read, files.pdf(tmp_path / name, [["x"]])).message


def test_a_word_document_by_the_name_of_a_sheet_is_told(read: Read, tmp_path: Path) -> None:
    path = files.docx(tmp_path / "a.xlsx", "x", [])
    assert "is a .docx file, not a .xlsx file" in refusal(read, path).message


def test_a_word_document_with_a_password_is_refused(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "a.docx"  # such files are in Microsoft's compound file format
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000))
    assert "password" in refusal(read, path).message


@pytest.mark.parametrize("kind", ["pdf", "docx", "pptx", "xlsx", "epub"])
def test_a_file_that_was_cut_off_is_told_to_be_damaged(
    read: Read, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"a.{kind}"
    match kind:
        case "pdf":
            files.pdf(path, [["x"]] * 5)
        case "docx":
            files.docx(path, "x", ["y"])
        case "pptx":
            files.pptx(path, [("x", "y")])
        case "xlsx":
            files.xlsx(path, {"x": [["y"]]})
        case "epub":
            files.epub(path, "x", {"y": "z"})
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3])
    assert "is damaged" in refusal(read, path).message


def test_a_document_that_is_whole_outside_and_broken_inside_is_told(
    read: Read, tmp_path: Path
) -> None:
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<")
        archive.writestr("word/document.xml", "<w:document")
    assert "damaged, or not what its name says" in refusal(read, path).message


def test_a_file_that_takes_too_long_is_given_up_and_the_next_is_read(tmp_path: Path) -> None:
    reading = Reading(seconds=0.05)
    (reader,) = (one for one in all_readers(reading) if one.name == "pdf")
    lines = ["All work and no play makes Jack a dull boy." * 2] * 40
    path = files.pdf(tmp_path / "long.pdf", [lines] * 300)
    try:
        assert "took longer than 0.05 seconds" in refusal(reader.read, path).message
        reading.seconds = 60
        assert len(reader.read(path).sections) == 300
    finally:
        reading.close()


def test_a_file_that_needs_too_much_memory_is_given_up(tmp_path: Path) -> None:
    reading = Reading(memory=150_000_000)
    (reader,) = (one for one in all_readers(reading) if one.name == "text")
    path = tmp_path / "large.txt"
    path.write_text("word " * 20_000_000)
    try:
        assert "memory" in refusal(reader.read, path).message
    finally:
        reading.close()


def test_a_process_that_dies_while_it_waits_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("still here")
    before = _reading_processes()
    reading = Reading()
    (reader,) = (one for one in all_readers(reading) if one.name == "text")
    try:
        reader.read(path)
        (child,) = _reading_processes() - before
        child.kill()
        child.wait(10)
        assert reader.read(path).text == "still here"
    finally:
        reading.close()
    assert _reading_processes() == before


def _reading_processes() -> set[psutil.Process]:
    children = psutil.Process().children()
    return {one for one in children if "jackfield_plugins.reading" in one.cmdline()}


def test_the_libraries_stay_out_of_the_server(tmp_path: Path) -> None:
    path = files.docx(tmp_path / "a.docx", "Rent", ["It is 900 euros."])
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from jackfield_plugins.documents import Reading, all_readers\n"
        "reading = Reading()\n"
        "(reader,) = (one for one in all_readers(reading) if one.name == 'docx')\n"
        "print(reader.read(Path(sys.argv[1])).text)\nreading.close()\n"
        "print({'markitdown', 'lxml', 'numpy', 'onnxruntime', 'bs4'} & set(sys.modules))\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "It is 900 euros." in said
    assert said.endswith("set()\n")
