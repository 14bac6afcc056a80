"""Text in pictures and scanned pages, by the real RapidOCR."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

import document_files as files
from jackfield import InvalidRequest
from jackfield.testing import PluginConformance, Workbench
from jackfield_plugins.documents import Documents, Reading, all_readers
from jackfield_plugins.ocr import ImageReader, Ocr
from jackfield_plugins.reading.image import Piece, ordered

LINES = ["Invoice number 48213", "Total due: 1,250.00 EUR"]


class TestOcr(PluginConformance):
    plugin = Ocr


@pytest.fixture(scope="module")
def images() -> Iterator[ImageReader]:
    reading = Reading(memory=4 << 30)
    yield ImageReader(reading)
    reading.close()


@pytest.mark.parametrize("kind", ["png", "jpg", "gif"])
def test_the_text_of_a_picture_is_read(images: ImageReader, tmp_path: Path, kind: str) -> None:
    document = images.read(files.picture(tmp_path / f"a.{kind}", LINES))
    assert document.text.splitlines() == LINES


def test_a_picture_without_text_says_so(images: ImageReader, tmp_path: Path) -> None:
    document = images.read(files.picture(tmp_path / "a.png", []))
    assert (document.sections, document.notes) == ((), ("No text was found in the picture.",))


def test_each_page_of_a_fax_is_read(images: ImageReader, tmp_path: Path) -> None:
    from PIL import Image

    pages = [files.picture(tmp_path / f"{n}.png", [f"This is page {n}"]) for n in (1, 2)]
    first, second = (Image.open(page) for page in pages)
    with first, second:
        first.save(tmp_path / "fax.tif", save_all=True, append_images=[second])
    sections = images.read(tmp_path / "fax.tif").sections
    assert [(one.page, one.text) for one in sections] == [
        (1, "This is page 1"),
        (2, "This is page 2"),
    ]


def test_a_broken_picture_is_refused(images: ImageReader, tmp_path: Path) -> None:
    path = files.picture(tmp_path / "a.png", LINES)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InvalidRequest, match="is damaged"):
        images.read(path)
    path.write_bytes(b"no picture at all")
    with pytest.raises(InvalidRequest, match="no picture of a known kind"):
        images.read(path)


def test_a_picture_that_would_fill_the_memory_is_refused(
    images: ImageReader, tmp_path: Path
) -> None:
    from PIL import Image

    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    with pytest.raises(InvalidRequest, match="20000 × 20000 dots"):
        images.read(tmp_path / "bomb.png")


def test_a_scanned_page_among_others_is_read_in_its_place(
    images: ImageReader, tmp_path: Path
) -> None:
    import pypdfium2

    parts = [
        files.pdf(tmp_path / "1.pdf", [["A page of text"]]),
        files.picture(tmp_path / "2.pdf", LINES),
        files.pdf(tmp_path / "3.pdf", [["Another one"], []]),
    ]
    whole = pypdfium2.PdfDocument.new()
    for part in parts:
        whole.import_pages(pypdfium2.PdfDocument(part))
    whole.save(tmp_path / "mixed.pdf")
    whole.close()
    reading = Reading()
    try:
        reader = all_readers(reading, lambda: [images], lambda: 10)[0]
        document = reader.read(tmp_path / "mixed.pdf")
        fewer = all_readers(reading, lambda: [images], lambda: 0)[0]
        assert "only 0 scanned pages were read" in fewer.read(tmp_path / "mixed.pdf").notes[0]
    finally:
        reading.close()
    assert [one.page for one in document.sections] == [1, 2, 3]
    assert document.sections[1].text.splitlines() == LINES
    assert document.notes == ("Page 4 has no text, not even as a picture.",)


def test_the_reader_of_pdf_files_finds_that_of_pictures_by_itself(tmp_path: Path) -> None:
    with Workbench(Documents) as bench:
        bench.app.plugins.register("ocr", Ocr)
        bench.app.plugins.enable("ocr")
        (reader,) = (one for one in bench.app.plugins.document_readers() if one.name == "pdf")
        assert reader.read(files.picture(tmp_path / "a.pdf", LINES)).text.splitlines() == LINES


def column(left: int, name: str) -> list[Piece]:
    return [Piece(f"{name}{n}", left, 40.0 * n, left + 400, 40.0 * n + 20) for n in range(1, 6)]


def test_columns_of_prose_are_read_one_after_the_other() -> None:
    title = Piece("title", 100, 0, 800, 20)
    pieces = [title, *column(0, "a"), *column(500, "b")]
    random.Random(1).shuffle(pieces)
    assert ordered(pieces) == ["title", *(f"{side}{n}" for side in "ab" for n in range(1, 6))]


def test_the_rows_of_a_table_are_read_across() -> None:
    pieces = [
        Piece(f"{side}{n}", left, 40.0 * n + left / 100, left + 60, 40.0 * n + 20)
        for n in range(5)
        for side, left in (("a", 0), ("b", 500))
    ]
    random.Random(1).shuffle(pieces)
    assert ordered(pieces) == [f"a{n} b{n}" for n in range(5)]
