"""Numbers in a reply that cite its sources, as links to them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jackfield.messages import Passage

_CODE = re.compile(r"(```.*?(?:```|$)|~~~.*?(?:~~~|$)|`[^`\n]*`)", re.DOTALL)
_NUMBER = re.compile(r"\[(\d{1,3})\](?![(:\[])")


def cited(text: str, sources: Sequence[Passage]) -> str:
    """A text in which ``[1]`` leads to the first source; code stays as it is."""
    if not any(one.uri for one in sources):
        return text
    pieces = _CODE.split(text)
    return "".join(
        piece if place % 2 else _NUMBER.sub(lambda found: _link(found, sources), piece)
        for place, piece in enumerate(pieces)
    )


def _link(found: re.Match[str], sources: Sequence[Passage]) -> str:
    number = int(found[1])
    if not 1 <= number <= len(sources) or not (uri := address(sources[number - 1])):
        return found[0]
    return rf"[\[{number}\]]({uri})"


def address(source: Passage) -> str:
    """Where a source can be opened from a page, "" if nowhere."""
    ours = source.uri.startswith("/") and not source.uri.startswith("//")
    if not (ours or source.uri.startswith(("https://", "http://"))):
        return ""
    return source.uri.replace(" ", "%20").replace("(", "%28").replace(")", "%29")
