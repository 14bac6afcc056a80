"""Tables as Markdown, in pieces that each have the header."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from jackfield_plugins.reading.archive import check_archive
from jackfield_plugins.reading.text import Part, Read, Refused, decoded

ROWS = 40
"""Of a piece."""
MOST_ROWS = 200_000
MOST_COLUMNS = 500
SNIFFED = 20_000
"""Characters by which the separator is guessed."""


def read_csv(path: Path, charset: str) -> Read:
    """Values separated by commas, semicolons or tabs."""
    text = decoded(path.read_bytes(), charset)
    csv.field_size_limit(1_000_000)
    try:
        dialect: type[csv.Dialect] | str = csv.Sniffer().sniff(text[:SNIFFED], ",;\t|")
    except csv.Error:
        dialect = "excel"
    notes: list[str] = []
    try:
        sections = list(_pieces(csv.reader(io.StringIO(text), dialect), "", 0, notes))
    except csv.Error as error:
        raise Refused(f"is not a table of separated values: {error}") from error
    return Read(sections, notes=notes)


def read_xlsx(path: Path) -> Read:
    """The values of a workbook's sheets."""
    check_archive(path, "xlsx")
    import openpyxl

    notes: list[str] = []
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    sections: list[Part] = []
    for number, sheet in enumerate(book.worksheets, start=1):
        sheet.reset_dimensions()  # what the file says of them is often wrong
        rows = ([_cell(value) for value in row] for row in sheet.iter_rows(values_only=True))
        sections += _pieces(rows, sheet.title, number, notes)
    return Read(sections, title=str(book.properties.title or ""), notes=notes)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _pieces(
    rows: Iterable[Sequence[str]], heading: str, page: int, notes: list[str]
) -> Iterator[Part]:
    filled = (row[:MOST_COLUMNS] for row in rows if any(cell.strip() for cell in row))
    header = next(filled, None)
    if header is None:
        return
    shown = islice(filled, MOST_ROWS)
    first = 1
    while True:
        piece = list(islice(shown, ROWS))
        if not piece and first > 1:
            break
        width = max(len(row) for row in (header, *piece))
        lines = [_row(header, width), "|" + " --- |" * width, *(_row(one, width) for one in piece)]
        span = f"Rows {first}–{first + len(piece) - 1}" if piece else ""
        yield Part("\n".join(lines), " › ".join(filter(None, (heading, span))), page)
        first += len(piece)
        if len(piece) < ROWS:
            break
    if next(filled, None) is not None:
        where = f" of the sheet {heading!r}" if heading else ""
        notes.append(f"Only the first {MOST_ROWS:,} rows{where} were read.")


def _row(cells: Sequence[str], width: int) -> str:
    words = (" ".join(cell.replace("|", "\\|").split()) for cell in cells)
    return "| " + " | ".join([*words, *[""] * (width - len(cells))]) + " |"
