"""Takes sentences to be spoken out of Markdown that comes in pieces."""

from __future__ import annotations

from collections.abc import Iterator

import regex

LONGEST = 400  # characters without an end of a sentence after which one is made at a comma
SHORT_NUMBER = 2  # digits of what may be an ordinal: "3. Oktober", "No. 7. of"

BOUNDARY = regex.compile(
    r"""(?:[.!?…‽]+|(?P<full>[。！？]))     # what ends a sentence; the full-width need no space
        (?:["'”’›)\]*_~]|\s?»(?=\s|$))*     # what closes with it
        (?:(?P<space>\s+)(?=\S)|(?(full)(?=\S)|(?!)))""",
    regex.VERBOSE,
)
ABBREVIATIONS = frozenset(
    """
    al approx apt assn ave bd bldg blvd bros bzgl bzw ca cap capt cf cie cm co col corp cpl ct
    dept dgl dir dott dr dra ed eds eg env esp est etc evtl ex exc excl ext fig figs ft gen ggf
    gov hr hrn hrsg hon ibid ie inc incl inkl insb jr lic lt ltd max mdm messrs min mio mlle mme
    mr mrd mrs ms msgr mt nr no nos núm op pág pp pl prof pt rd ref rep rev sec sen sgt sig sr
    sra sres st ste str tel ud uds usw vgl viz vol vols vs zb zzgl
    """.split()  # noqa: SIM905 - a list of one word a line is no better to read
)
"""Words that a full stop may follow without an end: English, German, French, Spanish, Italian."""

MARKS = r"\s*(?:(?:\#{1,6}|[-*+•]|\d{1,3}[.)]|>)\s+(?:\[[ xX]\]\s+)?)*"
MARKER = regex.compile(MARKS)
MAY_BE_MARKER = regex.compile(r"\s*(?:(?:\#{1,6}|[-*+•]|\d{1,3}[.)]|>)\s+)*\S{0,4}\s*")
MAY_BE_FENCE = regex.compile(rf"{MARKS}(?:`{{3,}}|~{{3,}})")
FENCE = regex.compile(rf"{MARKS}(?:(?P<fence>`{{3,}})[^`]*|(?P<fence>~{{3,}}).*)")
RULE = regex.compile(r"\s*([-*_=])(?:\s*\1){2,}\s*")

CLEANING = (
    (regex.compile(r"!?\[([^\]]*)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)"), r"\1"),  # links and pictures
    (regex.compile(r"<?\b(?:https?|ftp|file)://[^\s>)\]]*[^\s>)\].,;:!?]>?|\bwww\.\S+\w"), ""),
    (regex.compile(r"\[\^?\d{1,3}\]"), ""),  # notes
    (regex.compile(r"</?[a-zA-Z][^<>]*>"), " "),
    (regex.compile(r"(?<!\\)(?:\*+|~~+|`+|\$\$)"), ""),
    (regex.compile(r"(?<![\p{L}\p{N}])_+(?=\S)|(?<=\S)_+(?![\p{L}\p{N}])"), ""),
    (regex.compile(r"\\(?=[^\p{L}\p{N}\s])"), ""),
    (
        regex.compile(
            r"(?!\d|[#*©®])[\p{Emoji_Presentation}\p{Extended_Pictographic}\uFE0F\u200D]+"
        ),
        "",
    ),
    (regex.compile(r"\s+"), " "),
    (regex.compile(r" (?=[.,])"), ""),
)
SPEAKABLE = regex.compile(r"[\p{L}\p{N}]")


class Sentences:
    """Takes a reply as it streams, and gives sentences as soon as they are complete.

    Code blocks, tables, marks of Markdown and addresses are left out. A sentence is complete when
    the beginning of what follows it has come, or its paragraph has ended.
    """

    def __init__(self) -> None:
        self._pending = ""  # text of a paragraph that is not given yet
        self._head = ""  # a line's beginning, until it is clear what kind of line it is
        self._kind = ""  # of the line: "" not clear yet, "text", "item", "left out"
        self._code = ""  # the fence of the code block that is open

    def feed(self, text: str) -> list[str]:
        """What is complete with these characters."""
        found: list[str] = []
        for number, part in enumerate(text.split("\n")):
            if number:
                found += self._line_ends()
            if part:
                found += self._take(part)
        return found + list(self._complete())

    def finish(self) -> list[str]:
        """The rest; what follows is a text of its own."""
        found = self._line_ends() + self._paragraph_ends()
        self._code = ""
        return found

    def _take(self, part: str) -> list[str]:
        """Characters of a line."""
        if self._kind in ("text", "item"):
            self._pending += part
            return []
        if self._kind == "":
            self._head += part
            return self._decide()
        return []

    def _decide(self, *, whole: bool = False) -> list[str]:
        """See what kind of line this is, if that is clear."""
        if self._code:
            return []
        head = self._head
        if not whole and MAY_BE_FENCE.match(head):
            return []  # further backticks would make it code within a sentence
        if FENCE.fullmatch(head) or head.lstrip().startswith("|"):
            self._kind = "left out"
            return self._paragraph_ends()
        if not whole and MAY_BE_MARKER.fullmatch(head):
            return []
        marker = MARKER.match(head)
        assert marker is not None
        item = bool(marker[0].strip())
        self._kind = "item" if item else "text"
        found = self._paragraph_ends() if item else []
        self._pending += head[marker.end() :]
        return found

    def _line_ends(self) -> list[str]:
        head = self._head
        found: list[str] = []
        if self._code:
            bare = head.strip(" \t\r>")
            if bare.startswith(self._code) and not bare.strip(self._code[0]):
                self._code = ""
        elif not self._kind and (not head.strip() or RULE.fullmatch(head)):
            found = self._paragraph_ends()
        else:
            if not self._kind:
                found = self._decide(whole=True)
            if fence := FENCE.fullmatch(head):
                self._code = fence["fence"]
            if self._kind == "item":
                found += self._paragraph_ends()
            self._pending += " " if self._pending else ""
        self._head = self._kind = ""
        return found

    def _paragraph_ends(self) -> list[str]:
        found = list(self._complete())
        rest, self._pending = spoken(self._pending), ""
        return [*found, rest] if rest else found

    def _complete(self) -> Iterator[str]:
        """Take complete sentences out of what is pending."""
        while cut := _end(self._pending):
            sentence, self._pending = spoken(self._pending[:cut]), self._pending[cut:]
            if sentence:
                yield sentence


def sentences(text: str) -> list[str]:
    """The sentences of a whole text."""
    one = Sentences()
    return one.feed(text) + one.finish()


def spoken(text: str) -> str:
    """What is to be spoken of a piece of Markdown, "" if there is no word in it."""
    for pattern, instead in CLEANING:
        text = pattern.sub(instead, text)
    text = text.strip()
    return text if SPEAKABLE.search(text) else ""


def _end(text: str) -> int:
    """Where the first sentence ends, 0 if that is not clear yet."""
    for match in BOUNDARY.finditer(text):
        if match["full"] or _ends_sentence(text, match):
            return match.end()
    if len(text) > LONGEST:
        places = [text.rfind(mark, 0, LONGEST) for mark in (", ", "; ", ": ", "\uff0c", "\u3001")]
        return max(max(places) + 1, 0) or text.rfind(" ", 0, LONGEST) + 1 or LONGEST
    return 0


def _ends_sentence(text: str, match: regex.Match[str]) -> bool:
    """Whether a mark before a space ends a sentence, and not only a word."""
    following = text[match.end()]
    if match[0][0] != ".":
        return not following.islower()
    if following.islower():
        return False
    word = regex.search(r"[\p{L}\p{N}.]*$", text[: match.start()])
    assert word is not None
    last = word[0].rpartition(".")[2].lower()
    if last.isdigit():
        return len(last) > SHORT_NUMBER
    return not (len(last) == 1 and last.isalpha()) and last not in ABBREVIATIONS
