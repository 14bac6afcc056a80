"""Files of many kinds for the tests of readers, made by the programs people make them with."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

OFFICE = "http://schemas.openxmlformats.org"
TYPES = (
    f'<?xml version="1.0"?><Types xmlns="{OFFICE}/package/2006/content-types">'
    '<Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" ContentType="application/vnd.'
    'openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
RELATIONS = (
    f'<?xml version="1.0"?><Relationships xmlns="{OFFICE}/package/2006/relationships">'
    f'<Relationship Id="a" Type="{OFFICE}/officeDocument/2006/relationships/officeDocument" '
    'Target="word/document.xml"/></Relationships>'
)
WORD = f'<?xml version="1.0"?><w:document xmlns:w="{OFFICE}/wordprocessingml/2006/main"><w:body>'
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"


def pdf(path: Path, pages: list[list[str]], *, password: str = "", chapters: int = 0) -> Path:
    """A PDF with lines of text on its pages.

    Args:
        chapters: pages of each chapter, which has a bookmark.
    """
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), encrypt=StandardEncryption(password) if password else None)
    for number, lines in enumerate(pages):
        if chapters and number % chapters == 0:
            canvas.bookmarkPage(str(number))
            canvas.addOutlineEntry(f"Chapter {number // chapters + 1}", str(number), 0)
        for place, line in enumerate(lines):
            canvas.drawString(50, 800 - 18 * place, line)
        canvas.showPage()
    canvas.save()
    return path


def picture(path: Path, lines: list[str], *, left: int = 40) -> Path:
    """A picture of some lines of text; as a PDF, if its name says so, a scanned page."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (1000, 80 + 80 * len(lines)), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(FONT, 32)
    for place, line in enumerate(lines):
        draw.text((left, 40 + 80 * place), line, font=font, fill="black")
    image.save(path)
    return path


def png(lines: list[str]) -> bytes:
    """The bytes of a picture of some lines."""
    from PIL import Image

    path = io.BytesIO()
    path.name = "picture.png"
    picture(path, lines)  # type: ignore[arg-type]
    path.seek(0)
    Image.open(path).verify()
    return path.getvalue()


def docx(path: Path, heading: str, paragraphs: list[str], *, padding: int = 0) -> Path:
    """A Word document.

    Args:
        padding: millions of empty paragraphs.
    """
    words = [f"<w:p><w:r><w:t>{one}</w:t></w:r></w:p>" for one in paragraphs]
    style = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr("_rels/.rels", RELATIONS)
        with archive.open("word/document.xml", "w", force_zip64=True) as file:
            file.write(f"{WORD}<w:p>{style}<w:r><w:t>{heading}</w:t></w:r></w:p>".encode())
            for _ in range(padding):
                file.write(b"<w:p/>" * 1_000_000)
            file.write(f"{''.join(words)}</w:body></w:document>".encode())
    return path


def pptx(path: Path, slides: list[tuple[str, str]]) -> Path:
    """Slides, each with a title and a point."""
    import pptx as maker

    made = maker.Presentation()
    for title, point in slides:
        slide = made.slides.add_slide(made.slide_layouts[1])
        slide.shapes.title.text, slide.placeholders[1].text = title, point
    made.save(str(path))
    return path


def xlsx(path: Path, sheets: dict[str, list[list[object]]]) -> Path:
    """A workbook of sheets with rows."""
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def epub(path: Path, title: str, chapters: dict[str, str]) -> Path:
    """An electronic book, after the specification of EPUB 3."""
    items = "".join(
        f'<item id="c{number}" href="{number}.xhtml" media-type="application/xhtml+xml"/>'
        for number in range(len(chapters))
    )
    spine = "".join(f'<itemref idref="c{number}"/>' for number in range(len(chapters)))
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0">'
        '<rootfiles><rootfile full-path="book/content.opf" '
        'media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></metadata>'
        f"<manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("book/content.opf", package)
        for number, (heading, text) in enumerate(chapters.items()):
            page = f"<html><body><h1>{heading}</h1><p>{text}</p></body></html>"
            archive.writestr(f"book/{number}.xhtml", page)
    return path
