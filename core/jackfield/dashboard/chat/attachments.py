"""Files that a user sends with a message: taken from the input box, and drawn in the history."""

from __future__ import annotations

import mimetypes
from typing import Any

import streamlit as st

from jackfield.conversations import Node
from jackfield.dashboard.chat.markdown import as_typed
from jackfield.messages import MediaPart

LARGEST_MB = 100
"""Of one file; it is kept in the database, with the message."""
PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif")
WIDTH = 320
"""Pixels of a picture in the history."""


def taken(said: Any) -> tuple[str, tuple[MediaPart, ...]]:
    """Text and files of what the input box says: a plain text where it takes no files."""
    if said is None or isinstance(said, str):
        return said or "", ()
    return said.text or "", tuple(
        MediaPart(_media_type(one.type, one.name), one.getvalue(), one.name) for one in said.files
    )


def _media_type(told: str | None, name: str) -> str:
    """What the browser says, or else the ending of the name."""
    if told and told != "application/octet-stream":
        return told
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def draw(node: Node) -> None:
    """Draw the files of a message."""
    media = [part for part in node.message.parts if isinstance(part, MediaPart)]
    if not media:
        return
    with st.container(horizontal=True, gap="small", key=f"chat.files.{node.id}"):
        for number, part in enumerate(media):
            if part.media_type not in PICTURES or not _drawn(part):
                _draw_chip(part, f"chat.file.{node.id}.{number}")


def _drawn(part: MediaPart) -> bool:
    """Draw a picture; False for one that is broken."""
    try:
        st.image(part.data, caption=as_typed(part.name) or None, width=WIDTH)
    except Exception:  # noqa: BLE001 - Pillow fails in many ways on broken pictures
        return False
    return True


def _draw_chip(part: MediaPart, key: str) -> None:
    st.download_button(
        f"{as_typed(part.name or part.media_type)} · {_size(len(part.data))}",
        part.data,
        file_name=part.name or "file",
        mime=part.media_type,
        icon=":material/attach_file:",
        key=key,
        help="Download",
        on_click="ignore",
    )


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1000:,.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:,.1f} MB"
