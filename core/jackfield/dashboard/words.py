"""Amounts, times and errors in words, and text that Markdown leaves alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

import streamlit as st

from jackfield.errors import JackfieldError

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>$:~#|!])")


def plain(text: str) -> str:
    """A text as it is, where Markdown is expected."""
    return _SPECIAL.sub(r"\\\1", text)


def amount(size: float) -> str:
    """Bytes in the unit a person would choose, in powers of a thousand as on a disk's box."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return (
                f"{size:.0f} {unit}" if unit in ("B", "kB") or size >= 100 else f"{size:.1f} {unit}"
            )
        size /= 1000
    return f"{size:.1f} TB"


def count(number: float) -> str:
    """A large number, short: 134.5M, 7.2B."""
    for unit in ("", "k", "M"):
        if abs(number) < 1000:
            return f"{number:.0f}{unit}" if number >= 100 or not unit else f"{number:.1f}{unit}"
        number /= 1000
    return f"{number:.1f}B"


def duration(seconds: float) -> str:
    """Seconds in the two units that matter."""
    if seconds < 0.1:
        return "less than 0.1 s"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, seconds = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s" if minutes < 10 and seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def listed(words: Iterable[str]) -> str:
    """Words with commas and an "and"."""
    *most, last = [*words] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def show_error(error: JackfieldError, *, about: str = "") -> None:
    """An error and what to do about it."""
    say_error(f"{about}: {error.message}" if about else error.message, error.hint)


def say_error(message: str, hint: str = "") -> None:
    """A failure in words, with what to do next on a line of its own."""
    st.error(plain(message) + (f"\n\n{plain(hint)}" if hint else ""), icon=":material/error:")
