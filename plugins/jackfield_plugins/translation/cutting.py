"""Cuts a text that comes in pieces into sentences and what stands between them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from jackfield import JackfieldError
from jackfield_plugins.translation.inline import LETTER, items

FENCE = re.compile(r"[ \t]*(?:(?:[-*+>]|\d{1,3}[.)])[ \t]{1,3})*(?P<fence>`{3,}|~{3,})[^`\n]*$")
FORMULA = re.compile(r"[ \t]*(?:>[ \t]?)*(?P<opens>\$\$(?!\$)|\\\[)(?P<rest>.*)$")
CLOSES = {"$$": "$$", "\\[": "\\]"}
"""What begins lines of mathematics, and what ends them."""
OPENERS = ("```", "~~~", *CLOSES)
MARKS = re.compile(
    r"[ \t]*(?:>[ \t]?)*(?:#{1,6}[ \t]+|[-*+•][ \t]+(?:\[[ xX]\][ \t]+)?|\d{1,3}[.)][ \t]+)?"
)
"""What a line begins with: indentation, quotation, heading, list."""
LIST = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]")
RULE = re.compile(r" {0,3}(?:(?:[-*_][ \t]*){3,}|=+[ \t]*)$")
UNDECIDED = re.compile(
    r"[ \t]*(?:>[ \t]?)*(?:#{0,6}|[-*+•_=~`][-*+_=~` \t]*(?:\[[ xX]?\]?)?|\d{0,3}[.)]?)[ \t]*"
)
"""The beginning of a line that does not tell yet what the line is."""
ENDED = re.compile(r"[.!?:;。！？…][\"'”’»)\]*_~]*\s*$")
WRAPPED = 60
"""Characters; a line that is longer and ends within a sentence was broken to fit a page."""
LONGEST = 2000
"""Characters of a sentence; a longer one is cut between words."""
_WITHOUT_SPACE = "。！？｡"


class Cut(msgspec.Struct, frozen=True):
    """The next part of the text.

    Attributes:
        words: it is a sentence, else it is kept as it is.
    """

    text: str
    words: bool


class Cutter:
    """Gives sentences as soon as they are whole. All parts joined are the text.

    Args:
        language: of the text, for abbreviations.
        markdown: whether code blocks, headings, lists and tables are known.

    Raises:
        JackfieldError: the library that knows sentences is not installed.
    """

    def __init__(self, language: str, *, markdown: bool = True) -> None:
        try:
            from sentencex import segment
        except ImportError as error:
            raise JackfieldError(
                "What cuts texts into sentences is not installed.",
                hint="pip install 'jackfield[translation]'",
            ) from error
        self._segment = segment
        self._language = language
        self._markdown = markdown
        self._held = ""
        self._line = 0  # where the current line begins in what is held
        self._fence = ""
        self._waits = False
        self._at_start = True
        self._after_blank = True
        self._in_list = False

    def feed(self, text: str) -> list[Cut]:
        """What is certain after the next piece."""
        self._held += text
        return list(self._ready(final=False))

    def flush(self) -> list[Cut]:
        """All that is held, although the same text may go on."""
        rest = list(self._ready(final=True))
        self._line = 0
        return rest

    def finish(self) -> list[Cut]:
        """The rest; what follows is a text of its own."""
        rest = self.flush()
        self._fence = ""
        self._at_start = self._after_blank = True
        self._in_list = False
        return rest

    def _ready(self, *, final: bool) -> Iterator[Cut]:
        self._waits = False
        while self._held and not self._waits:
            if self._fence:
                yield from self._code(final)
            elif self._at_start:
                yield from self._start(final)
            else:
                yield from self._words(final)

    def _start(self, final: bool) -> Iterator[Cut]:
        """Decide what a line is, and let go of the marks that it begins with."""
        line, newline, _ = self._held.partition("\n")
        if not newline and not final and self._undecided(line):
            self._waits = True
            return
        if not line.strip():
            self._after_blank = True
            yield self._take(len(line + newline))
            return
        if fence := self._opened(line):
            self._fence = fence
            self._in_list = self._in_list or bool(LIST.match(line))
            yield self._take(len(line + newline))
        elif self._markdown and (RULE.match(line) or self._is_code(line)):
            yield self._take(len(line + newline))
        elif self._markdown and line.lstrip().startswith("|"):
            self._after_blank = False
            yield from self._row(line)
            yield from self._kept(len(newline))
        else:
            self._in_list = bool(LIST.match(line)) or (self._in_list and line[0] in " \t")
            marks = MARKS.match(line) if self._markdown else None
            yield from self._kept(marks.end() if marks is not None else 0)
            self._at_start, self._after_blank, self._line = False, False, 0

    def _undecided(self, line: str) -> bool:
        """Whether the rest of a line is needed to tell what it is."""
        if not self._markdown:
            return not line.strip()
        marks = MARKS.match(line)
        begun = line[marks.end() :] if marks is not None else line
        opens = bool(begun) and any(
            begun.startswith(one) or one.startswith(begun) for one in OPENERS
        )
        whole = opens or line.lstrip().startswith("|") or self._is_code(line)
        return whole or UNDECIDED.fullmatch(line) is not None

    def _opened(self, line: str) -> str:
        """What will close the code or the formula that a line opens; "" if it opens none."""
        if not self._markdown or self._is_code(line):
            return ""
        if fence := FENCE.match(line):
            return fence["fence"]
        formula = FORMULA.match(line)
        closes = CLOSES[formula["opens"]] if formula is not None else ""
        return closes if formula is not None and closes not in formula["rest"] else ""

    def _is_code(self, line: str) -> bool:
        """Whether an indented line is code: after a blank line, and not in a list."""
        return self._after_blank and not self._in_list and line.startswith(("    ", "\t"))

    def _row(self, line: str) -> Iterator[Cut]:
        """A row of a table: its cells are sentences."""
        at = 0
        for bar in re.finditer(r"(?<!\\)\|", self._without_code(line)):
            yield from self._sentence(line[at : bar.start()])
            yield Cut("|", words=False)
            at = bar.end()
        yield from self._sentence(line[at:])
        self._held = self._held[len(line) :]

    def _without_code(self, line: str) -> str:
        """The line with code blotted out, so that bars in it are no cells."""
        return re.sub(r"`[^`]*`", lambda match: "`" * len(match[0]), line)

    def _code(self, final: bool) -> Iterator[Cut]:
        """A line of a code block or of a formula, as it is."""
        line, newline, _ = self._held.partition("\n")
        if not newline and not final:
            self._waits = True
            return
        bare = line.strip(" \t>")
        if self._fence in CLOSES.values():
            ended = self._fence in line or not bare  # a formula has no blank line
        else:
            ended = len(bare) >= len(self._fence) and not bare.strip(self._fence[0])
        if ended:
            self._fence = ""
        yield self._take(len(line + newline))

    def _words(self, final: bool) -> Iterator[Cut]:
        """The sentences of what is held, up to where a paragraph, heading or list item ends."""
        at = self._held.find("\n", self._line)
        while at >= 0:
            goes_on = self._goes_on(at, final)
            if goes_on is None:
                break
            if not goes_on:
                yield from self._sentences(self._held[:at], whole=True)
                self._held = self._held[at:]
                yield self._take(1)
                self._at_start = True
                return
            self._line = at + 1
            at = self._held.find("\n", self._line)
        if final:
            yield from self._sentences(self._held, whole=True)
            self._held = ""
            return
        limit = len(self._held) if at < 0 else at
        done = 0
        for cut in self._sentences(self._held[:limit], whole=False):
            done += len(cut.text)
            yield cut
        self._held = self._held[done:]
        self._line = max(0, self._line - done)
        self._waits = True

    def _goes_on(self, at: int, final: bool) -> bool | None:
        """Whether a sentence goes on after the line break there; None if that is not known yet."""
        line, after = self._held[self._line : at], self._held[at + 1 :]
        if len(line) < WRAPPED or ENDED.search(line) or line.endswith(("  ", "\\")):
            return False
        if not after and not final:
            return None
        following, newline, _ = after.partition("\n")
        if not following.strip():
            return None if not newline and not final else False
        if not self._markdown:
            return True
        if not newline and not final and UNDECIDED.fullmatch(following):
            return None
        marks = MARKS.match(following)
        plain = marks is None or not marks[0].strip()
        block = following.lstrip().startswith(("|", "<", *OPENERS)) or RULE.match(following)
        return bool(plain and not block)

    def _sentences(self, text: str, *, whole: bool) -> Iterator[Cut]:
        """The sentences of a text; if it is not whole, only those that are."""
        ends = self._ends(text)
        if whole:
            ends = [*(end for end in ends if end < len(text)), len(text)]
        at = 0
        for end in ends:
            yield from self._sentence(text[at:end])
            at = end

    def _sentence(self, text: str) -> Iterator[Cut]:
        """A sentence and the space around it, each by itself."""
        words = text.strip()
        if not words or not LETTER.search(words):
            if text:
                yield Cut(text, words=False)
            return
        begin = text.index(words)
        for part, is_words in (
            (text[:begin], False),
            (words, True),
            (text[begin + len(words) :], False),
        ):
            if part:
                yield Cut(part, is_words)

    def _ends(self, text: str) -> list[int]:
        """Where sentences end, something having begun after each."""
        parts = list(self._segment(self._language, text))
        kept: list[tuple[int, int]] = []
        if len(parts) > 1:
            kept = [(one.start, one.end) for one in items(text, markdown=self._markdown)]
        ends: list[int] = []
        at = last = 0
        for part in parts[:-1]:
            at += len(part)
            apart = part[-1:].isspace() or part.rstrip()[-1:] in _WITHOUT_SPACE
            inside = any(start < at < end for start, end in kept)
            if apart and not inside and not self._is_open(text[last:at]):
                ends.append(at)
                last = at
        rest = text[last:]
        if len(rest) > LONGEST:
            space = rest.rfind(" ", 0, LONGEST)
            ends.append(last + (space + 1 if space > 0 else LONGEST))
        if ends and not text[ends[-1] :].strip():
            ends.pop()
        return ends

    def _is_open(self, sentence: str) -> bool:
        """Whether code, bold text or a link that begins in a sentence may end after it."""
        if not self._markdown:
            return False
        odd = any(sentence.count(mark) % 2 for mark in ("`", "**"))
        return odd or sentence.count("[") > sentence.count("]")

    def _kept(self, length: int) -> Iterator[Cut]:
        if length:
            yield self._take(length)

    def _take(self, length: int) -> Cut:
        taken, self._held = self._held[:length], self._held[length:]
        return Cut(taken, words=False)
