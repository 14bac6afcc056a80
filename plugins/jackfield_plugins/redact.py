"""Masks personal data and secrets in replies while they stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from functools import partial

import regex

from jackfield import Event, Field, LongText, NoticeEvent, Plugin, TextEvent, hookimpl

PATTERNS = {
    "e-mail address": r"[\w.+-]{1,40}@[\w-]{1,30}(?:\.[\w-]{2,10}){1,3}",
    "key": r"\b(?:sk|pk|ghp|gho|hf|xox[bap])[-_][A-Za-z0-9_-]{16,60}",
    "account number": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b",
    "card number": r"\b\d(?:[ -]?\d){12,18}\b",
    "phone number": r"(?<![\w.])\+\d{1,3}(?:[ ./-]?\(?\d{1,5}\)?){2,6}\b",
}


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

        def chosen(self) -> list[tuple[str, regex.Pattern[str]]]:
            """Names and patterns of what is to be masked."""
            names = []
            if self.addresses:
                names.append("e-mail address")
            if self.keys:
                names.append("key")
            if self.accounts:
                names += ["account number", "card number"]
            if self.phones:
                names.append("phone number")
            patterns = [(name, regex.compile(PATTERNS[name])) for name in names]
            words = [regex.escape(word.strip()) for word in self.words.splitlines() if word.strip()]
            if words:
                any_word = "|".join(sorted(words, key=len, reverse=True))
                patterns.append(
                    ("word", regex.compile(rf"(?<!\w)(?:{any_word})(?!\w)", regex.IGNORECASE))
                )
            return patterns

    @hookimpl
    def jackfield_filter_stream(self, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        """Hold back only what could still become a match."""
        return _masked(events, Masker(self.config.chosen(), self.config.mask))


class Masker:
    """Masks matches in a text that comes in pieces, holding back what may still become one."""

    def __init__(self, patterns: list[tuple[str, regex.Pattern[str]]], mask: str) -> None:
        self._patterns = patterns
        self._mask = mask
        self._held = ""
        self._last = ""
        self.counts: Counter[str] = Counter()

    def feed(self, text: str) -> str:
        """What of the text so far is certain."""
        self._held += text
        return self._release(self._certain())

    def finish(self) -> str:
        """The rest."""
        return self._release(len(self._held))

    def _release(self, cut: int) -> str:
        """Let go of the first characters; patterns may look back at the one before them."""
        ready, self._held = self._held[:cut], self._held[cut:]
        masked = self._masked(self._last + ready)[len(self._last) :]
        self._last = ready[-1:] or self._last
        return masked

    def _certain(self) -> int:
        """The length that no later character can make part of a match.

        A match that ends at the end, or one separator before it, may still go on.
        """
        text = self._last + self._held
        spans = [
            (match.start(), match.end(), match.partial or match.end() >= len(text) - 1)
            for _, pattern in self._patterns
            for match in pattern.finditer(text, partial=True)
        ]
        cut = min((start for start, _, is_open in spans if is_open), default=len(text))
        for start, end, _ in sorted(spans, reverse=True):
            if start < cut < end:
                cut = start
        return max(0, cut - len(self._last))

    def _masked(self, text: str) -> str:
        for name, pattern in self._patterns:
            text = pattern.sub(partial(self._replace, name), text)
        return text

    def _replace(self, name: str, match: regex.Match[str]) -> str:
        if name == "card number" and not luhn(match[0]):
            return match[0]
        self.counts[name] += 1
        return self._mask


def luhn(number: str) -> bool:
    """Whether a card number's check digit is right (ISO/IEC 7812-1, annex B)."""
    digits = [int(character) for character in reversed(number) if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


async def _masked(events: AsyncIterator[Event], masker: Masker) -> AsyncIterator[Event]:
    """The stream with masked text; what is held back comes before anything that is not text."""
    async for event in events:
        if isinstance(event, TextEvent):
            # log probabilities would tell what was masked
            if text := masker.feed(event.text):
                yield TextEvent(text)
            continue
        if text := masker.finish():
            yield TextEvent(text)
        yield event
    if text := masker.finish():
        yield TextEvent(text)
    if masker.counts:
        counts = ", ".join(f"{name}: {number}" for name, number in masker.counts.items())
        yield NoticeEvent(f"Masked in this reply: {counts}.")
