"""Masks personal data and secrets in replies while they stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import msgspec
import regex

from jackfield import (
    Event,
    Field,
    LongText,
    NoticeEvent,
    Plugin,
    ReasoningEvent,
    TextEvent,
    hookimpl,
)


class Kind(msgspec.Struct, frozen=True):
    """Something to mask.

    Attributes:
        pattern: what it looks like; never longer than some hundred characters, as that much is
            held back at most.
        check: tells a real one by its check digits; None where it has none.
    """

    name: str
    pattern: regex.Pattern[str]
    check: Callable[[str], bool] | None = None


def luhn(number: str) -> bool:
    """Whether a card number's check digit is right (ISO/IEC 7812-1, annex B)."""
    digits = [int(character) for character in reversed(number) if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return len(digits) >= 13 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def iban(number: str) -> bool:
    """Whether an account number's check digits are right (ISO 13616, ISO 7064 mod 97-10)."""
    packed = number.replace(" ", "")
    digits = "".join(str(int(character, 36)) for character in packed[4:] + packed[:4])
    return len(packed) >= 15 and int(digits) % 97 == 1


PATTERNS = {
    "e-mail address": r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,24}){1,4}",
    "key": r"\b(?:(?:sk|pk|rk|ghp|gho|ghs|github_pat|glpat|hf|npm|xox[abpr])[-_]"
    r"[A-Za-z0-9_-]{16,200}|AKIA[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35})",
    "account number": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
    "card number": r"\b[2-6](?:[ -]?\d){12,18}\b",
    "phone number": r"(?<![\w.])\+\d{1,3}(?:[ ./-]?\(?\d{1,5}\)?){2,6}\b",
}
CHECKS = {"account number": iban, "card number": luhn}


class Redact(Plugin):
    """Masks e-mail addresses, phone and card numbers, keys and words of yours in replies."""

    enabled_by_default = False

    class Config(Plugin.Config):
        """What to mask."""

        addresses: bool = Field(True, description="Mask e-mail addresses")
        phones: bool = Field(True, description="Mask phone numbers that begin with +")
        accounts: bool = Field(True, description="Mask card and bank account numbers (IBAN)")
        keys: bool = Field(True, description="Mask what looks like a key of a web service")
        words: LongText = Field("", description="Further words to mask, one per line, in any case")
        mask: str = Field("[…]", min_length=1, max_length=20, description="What stands instead")

        def chosen(self) -> list[Kind]:
            """What is to be masked."""
            wanted = {
                "e-mail address": self.addresses,
                "key": self.keys,
                "account number": self.accounts,
                "card number": self.accounts,
                "phone number": self.phones,
            }
            kinds = [
                Kind(name, regex.compile(PATTERNS[name]), CHECKS.get(name))
                for name, on in wanted.items()
                if on
            ]
            words = [regex.escape(word.strip()) for word in self.words.splitlines() if word.strip()]
            if words:
                any_word = "|".join(sorted(words, key=len, reverse=True))
                pattern = regex.compile(rf"(?<!\w)(?:{any_word})(?!\w)", regex.IGNORECASE)
                kinds.append(Kind("word", pattern))
            return kinds

    @hookimpl
    def jackfield_filter_stream(self, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        """Hold back only what could still become a match."""
        return _masked(events, self.config.chosen(), self.config.mask)


class Masker:
    """Masks a text that comes in pieces, holding back what may still become something to mask."""

    def __init__(self, kinds: list[Kind], mask: str) -> None:
        self._kinds = kinds
        self._mask = mask
        self._before = ""  # the last character that was let go: patterns look back at it
        self._held = ""
        self.counts: Counter[str] = Counter()

    def feed(self, text: str) -> str:
        """What of the text so far is certain."""
        self._held += text
        return self._release(self._certain())

    def finish(self) -> str:
        """The rest."""
        return self._release(len(self._held))

    def _release(self, cut: int) -> str:
        """Let go of the first characters of what is held."""
        text, at = self._before + self._held, len(self._before)
        end = at + cut
        pieces = []
        for first, last, name in sorted(self._found(text, at)):
            if first >= at and last <= end:
                pieces += [text[at:first], self._mask]
                at = last
                self.counts[name] += 1
        self._held = text[end:]
        self._before = text[end - 1 : end]
        return "".join([*pieces, text[at:end]])

    def _certain(self) -> int:
        """How many characters no later one can make part of something to mask."""
        text, start = self._before + self._held, len(self._before)
        spans = [
            (match.start(), match.end(), _may_go_on(kind, text, match))
            for kind in self._kinds
            for match in _matches(kind, text, start, partial=True)
        ]
        cut = min((begin for begin, _, is_open in spans if is_open), default=len(text))
        for begin, end, _ in sorted(spans, reverse=True):
            if begin < cut < end:
                cut = begin
        return cut - start

    def _found(self, text: str, start: int) -> Iterator[tuple[int, int, str]]:
        """Begin, end and name of what is to be masked, from a position on."""
        for kind in self._kinds:
            for match in _matches(kind, text, start):
                end = _end(kind, match)
                if end:
                    yield match.start(), end, kind.name


def _matches(
    kind: Kind, text: str, start: int, *, partial: bool = False
) -> Iterator[regex.Match[str]]:
    """Matches; where a check may refuse one, those that begin inside it as well."""
    return kind.pattern.finditer(
        text, pos=start, overlapped=kind.check is not None, partial=partial
    )


def _may_go_on(kind: Kind, text: str, match: regex.Match[str]) -> bool:
    """Whether further text can make a match, or a longer one, of what begins here."""
    if match.partial or match.end() == len(text):
        return True
    return kind.pattern.fullmatch(text, pos=match.start(), partial=True) is not None


def _end(kind: Kind, match: regex.Match[str]) -> int:
    """Where what is to be masked ends; 0 if the check refuses it.

    What follows a number may look like a part of it, so shorter ones are tried as well.
    """
    if kind.check is None or kind.check(match[0]):
        return match.end()
    for place in range(len(match[0]) - 1, 0, -1):
        if match[0][place] in " -" and kind.check(match[0][:place]):
            return match.start() + place
    return 0


async def _masked(
    events: AsyncIterator[Event], kinds: list[Kind], mask: str
) -> AsyncIterator[Event]:
    """The stream with masked text and thoughts; what is held back comes before anything else.

    Log probabilities are left out: they would tell what was masked.
    """
    maskers: dict[type[TextEvent | ReasoningEvent], Masker] = {
        TextEvent: Masker(kinds, mask),
        ReasoningEvent: Masker(kinds, mask),
    }
    async for event in events:
        for one in _rest(maskers, besides=type(event)):
            yield one
        if isinstance(event, TextEvent | ReasoningEvent):
            if text := maskers[type(event)].feed(event.text):
                yield type(event)(text)
        else:
            yield event
    for one in _rest(maskers):
        yield one
    counts = sum((masker.counts for masker in maskers.values()), Counter[str]())
    if counts:
        words = ", ".join(f"{name}: {number}" for name, number in counts.items())
        yield NoticeEvent(f"Masked in this reply: {words}.")


def _rest(
    maskers: Mapping[type[TextEvent | ReasoningEvent], Masker], besides: type | None = None
) -> Iterator[Event]:
    """What the maskers hold back."""
    for kind, masker in maskers.items():
        if kind is not besides and (text := masker.finish()):
            yield kind(text)
