"""The text in pictures, by RapidOCR with the models in its wheel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from jackfield_plugins.reading.text import Part, Read, Refused

MOST_DOTS = 60_000_000
MOST_PAGES = 50
THREADS = 2
SAME_LINE = 0.5
"""Of its height, by which a piece of text may be off and still belong to a line."""
GUTTER = 1.0
"""Heights of a line that lie between two columns at least."""
PROSE = 8.0
"""Heights of a line that the lines of a column are wide, or it is one of a table."""
COLUMN = 3
"""Lines of a column at least."""


@dataclass(frozen=True)
class Piece:
    """A piece of text and where it stands, in dots."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


def read_image(path: Path) -> Read:
    """The lines of a picture from top to bottom; of each page, where it has several."""
    from PIL import Image, ImageSequence, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # what is too large is refused here, with its size
    sections, notes = [], []
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MOST_DOTS:
                raise Refused(
                    f"has {picture.width} × {picture.height} dots; the limit is {MOST_DOTS:,}",
                    "Make it smaller.",
                )
            many = picture.format == "TIFF" and getattr(picture, "n_frames", 1) > 1
            for number, frame in enumerate(ImageSequence.Iterator(picture), start=1):
                if number > MOST_PAGES:
                    notes.append(f"Only the first {MOST_PAGES} pages were read.")
                    break
                text = _recognized(_flat(frame))
                if text:
                    sections.append(Part(text, page=number if many else 0))
                if not many:
                    break
    except UnidentifiedImageError as error:
        raise Refused("is damaged, or no picture of a known kind", "Save it as PNG.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise Refused(f"is damaged: {error}", "Save it anew.") from error
    if not sections:
        notes.append("No text was found in the picture.")
    return Read(sections, notes=notes)


def _flat(frame: Any) -> Any:
    """A picture as its maker saw it, on white, its colours in OpenCV's order."""
    import numpy
    from PIL import Image, ImageOps

    turned = (ImageOps.exif_transpose(frame) or frame).convert("RGBA")
    flat = Image.new("RGB", turned.size, "white")
    flat.paste(turned, mask=turned.getchannel("A"))
    return numpy.asarray(flat)[:, :, ::-1]


def _recognized(dots: Any) -> str:
    found = _engine()(dots)
    if found.txts is None or found.boxes is None:
        return ""
    pieces = [
        Piece(
            text,
            min(float(corner[0]) for corner in box),
            min(float(corner[1]) for corner in box),
            max(float(corner[0]) for corner in box),
            max(float(corner[1]) for corner in box),
        )
        for text, box in zip(found.txts, found.boxes, strict=True)
        if text.strip()
    ]
    return "\n".join(ordered(pieces))


def ordered(pieces: Sequence[Piece]) -> list[str]:
    """Lines in reading order: columns of prose one after the other, else from top to bottom."""
    if not pieces:
        return []
    height = median(piece.bottom - piece.top for piece in pieces)
    for cut in _gutters(pieces, height):
        sides = (
            [one for one in pieces if one.right <= cut],
            [one for one in pieces if one.left >= cut],
        )
        if all(_prose(side, height) for side in sides):
            across = [one for one in pieces if one.left < cut < one.right]
            return _around(sides, across)
    return _lines(pieces, height)


def _gutters(pieces: Sequence[Piece], height: float) -> list[float]:
    """Middles of the empty stripes between columns; a few lines, such as titles, may cross one."""
    edges = sorted({piece.right for piece in pieces})
    found = []
    for edge in edges:
        after = [piece.left for piece in pieces if piece.left > edge]
        if not after:
            continue
        crossing = sum(one.left < edge + 1 < one.right for one in pieces)
        near = min(after)
        if near - edge >= GUTTER * height and crossing <= len(pieces) // 5:
            found.append((edge + near) / 2)
    return found


def _prose(side: Sequence[Piece], height: float) -> bool:
    return len(side) >= COLUMN and median(one.right - one.left for one in side) >= PROSE * height


def _around(sides: Sequence[Sequence[Piece]], across: Sequence[Piece]) -> list[str]:
    """Columns between the lines that go across them."""
    lines: list[str] = []
    top = float("-inf")
    for bound in [*sorted(across, key=lambda one: one.top), None]:
        end = bound.top if bound else float("inf")
        for side in sides:
            lines += ordered([one for one in side if top <= one.top < end])
        if bound:
            lines.append(bound.text)
            top = bound.top
    return lines


def _lines(pieces: Sequence[Piece], height: float) -> list[str]:
    lines: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda one: one.top + one.bottom):
        middle = (piece.top + piece.bottom) / 2
        last = lines[-1][-1] if lines else None
        if last and abs(middle - (last.top + last.bottom) / 2) < SAME_LINE * height:
            lines[-1].append(piece)
        else:
            lines.append([piece])
    return [" ".join(one.text for one in sorted(line, key=lambda one: one.left)) for line in lines]


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "error",
            "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )
