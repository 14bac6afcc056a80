"""Pictures of characters: checked, made small, converted, or drawn. Pillow does the work."""

from __future__ import annotations

import colorsys
import hashlib
import io
from typing import TYPE_CHECKING

from jackfield import InvalidRequest

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_PIXELS = 40_000_000
SMALL = 320  # pixels of the longer side
DRAWN = 384


def check(data: bytes) -> None:
    """See that this is a picture to be used.

    Raises:
        InvalidRequest: it is none, is damaged, or has too many pixels.
    """
    _opened(data)


def small(data: bytes) -> bytes:
    """A small picture to show, as WebP."""
    from PIL import ImageOps

    image = ImageOps.exif_transpose(_opened(data)).convert("RGBA")
    image.thumbnail((SMALL, SMALL))
    return _saved(image, "WEBP")


def as_png(data: bytes) -> bytes:
    """A picture as PNG; one that is PNG stays as it is, byte for byte."""
    image = _opened(data)
    return data if image.format == "PNG" else _saved(image, "PNG")


def drawn(name: str) -> bytes:
    """A plain picture with the first letter of a name, its colours by the name; PNG."""
    from PIL import Image, ImageDraw, ImageFont

    hue = hashlib.sha256(name.encode()).digest()[0] / 256
    top, bottom = (_colour(hue, light) for light in (0.62, 0.42))
    image = Image.linear_gradient("L").resize((DRAWN, DRAWN))
    image = Image.composite(
        Image.new("RGB", image.size, bottom), Image.new("RGB", image.size, top), image
    )
    letter = next((one.upper() for one in name if one.isascii() and one.isalnum()), "")
    draw = ImageDraw.Draw(image)
    centre = (DRAWN / 2, DRAWN / 2)
    if letter:
        font = ImageFont.load_default(DRAWN * 0.55)
        draw.text(centre, letter, fill="white", font=font, anchor="mm")
    else:  # the font has Latin letters alone
        draw.circle((centre[0], DRAWN * 0.4), DRAWN * 0.14, fill="white")
        draw.ellipse((DRAWN * 0.25, DRAWN * 0.6, DRAWN * 0.75, DRAWN * 1.1), fill="white")
    return _saved(image, "PNG")


def _colour(hue: float, light: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb(hue, light, 0.42)
    return round(red * 255), round(green * 255), round(blue * 255)


def _opened(data: bytes) -> Image.Image:
    """A picture, read whole."""
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise _refused(f"it has {width} x {height} pixels; the limit is {MOST_PIXELS:,}")
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise _refused(f"it is damaged, or neither PNG, JPEG nor WebP ({error})") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _refused("it has too many pixels") from error
    return image


def _saved(image: Image.Image, format_: str) -> bytes:
    out = io.BytesIO()
    image.save(out, format_, **({"quality": 85} if format_ == "WEBP" else {}))
    return out.getvalue()


def _refused(why: str) -> InvalidRequest:
    return InvalidRequest(f"This picture cannot be used: {why}.", param="picture")
