"""Pictures, recordings and files in a request's messages."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from typing import Any

from jackfield.api.errors import invalid
from jackfield.messages import MediaPart

KINDS = ("image_url", "input_audio", "file")
"""Types of parts that hold media."""
SOUNDS = {"mp3": "audio/mpeg", "m4a": "audio/mp4"}
"""Media types of recordings, where they are not ``audio/`` and the format."""


def media_part(kind: str, part: dict[str, Any], place: str) -> MediaPart:
    """A picture, a recording or a file that is sent by value.

    Args:
        kind: one of :data:`KINDS`.
        part: its fields.
        place: where it stands in the request, for errors.

    Raises:
        InvalidRequest: it is an address, or not of the right form.
    """
    inside = part.get(kind)
    if kind == "image_url" and isinstance(inside, str):
        inside = {"url": inside}
    if not isinstance(inside, dict):
        raise invalid(f"{place}.{kind}", f"A part of the type {kind!r} needs an object {kind!r}.")
    name = str(inside.get("filename") or "")
    if kind == "input_audio":
        form = str(inside.get("format") or "wav").lower()
        data = _decoded(inside.get("data"), f"{place}.{kind}.data")
        return MediaPart(SOUNDS.get(form, f"audio/{form}"), data, name)
    field = "url" if kind == "image_url" else "file_data"
    where = f"{place}.{kind}.{field}"
    value = inside.get(field)
    if not isinstance(value, str) or not value:
        extra = ": files are not kept on this server" if inside.get("file_id") else ""
        raise invalid(where, f"The part has no {field!r}{extra}.", "Send the data itself.")
    if value.lower().startswith(("http://", "https://")):
        raise invalid(
            where,
            f"{value[:80]!r} is an address, and this server fetches nothing for a message.",
            f"Send the data itself: 'data:{'image/png' if field == 'url' else '<type>'};base64,...'"
            ".",
        )
    guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if not value.startswith("data:"):
        if kind == "image_url":
            raise invalid(where, "The picture is no data URL.", "'data:image/png;base64,...'")
        return MediaPart(guessed, _decoded(value, where), name)
    head, comma, body = value.removeprefix("data:").partition(",")
    media_type, *options = [one.strip() for one in head.split(";")]
    if not comma or "base64" not in options:
        raise invalid(where, "The data URL is not of the form 'data:<type>;base64,<data>'.")
    return MediaPart(media_type.lower() or guessed, _decoded(body, where), name)


def _decoded(value: object, where: str) -> bytes:
    if not isinstance(value, str) or not value:
        raise invalid(where, "There is no data.", "Send it in base64.")
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid(where, f"The data is not valid base64: {error}.") from error
