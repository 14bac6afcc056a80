"""The reply to one request: text out of the tokens that the batch chooses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jackfield import Alternative, SamplingParams, Token
from jackfield_loaders.text import TextStream
from jackfield_loaders.transformers.batch import Batch
from jackfield_loaders.transformers.row import Row
from jackfield_loaders.transformers.sampler import Choice

BROKEN = "\N{REPLACEMENT CHARACTER}"
LOOK_BACK = 32
"""Tokens of a prompt among which one is looked for that has a text."""


class Reply(Iterator[Token]):
    """Iterates over the tokens of one request; :meth:`close` may be called from any thread.

    Args:
        after: the tokens that the reply's text goes on from; none: it begins a text.
    """

    def __init__(
        self,
        row: Row,
        batch: Batch,
        tokenizer: Any,
        params: SamplingParams,
        *,
        after: Sequence[int] = (),
    ) -> None:
        self._row = row
        self._batch = batch
        self._params = params
        self._words = Words(tokenizer, after)
        self._text = TextStream(params.stop)
        self._made = 0
        self._over = False

    def __next__(self) -> Token:
        if self._over:
            raise StopIteration
        choice = self._row.next()
        if choice is None:
            if self._row.cancelled:
                raise StopIteration
            cut = self._made >= self._row.limit and not self._row.sampler.over
            return self._last("length" if cut else "stop")
        self._made += 1
        if choice.token in self._row.ends:
            return self._last("stop")
        piece = self._text.add(self._words.add(choice.token))
        token = self._token(choice, piece)
        if self._text.stopped:
            self._batch.leave(self._row)
            self._over = True
            return self._ending(piece, "stop", token)
        return token

    def close(self) -> None:
        """Leave the batch; returns when the slot is free."""
        self._over = True
        self._batch.leave(self._row)

    def _token(self, choice: Choice, piece: str) -> Token:
        top = tuple(
            Alternative(self._words.one(token), token, min(logprob, 0.0))
            for token, logprob in choice.top
        )
        return Token(piece, choice.token, choice.logprob, top)

    def _last(self, finish: str) -> Token:
        self._over = True
        rest = self._text.add(self._words.flush()) + self._text.flush()
        return self._ending(rest, finish, None)

    def _ending(self, text: str, finish: str, token: Token | None) -> Token:
        return Token(
            text,
            token.id if token else None,
            token.logprob if token else None,
            token.top if token else (),
            finish="stop" if finish == "stop" else "length",
            prompt_tokens=len(self._row.prompt),
            cached_tokens=self._row.cached,
            completion_tokens=self._made,
        )


class Words:
    """Turns token after token into text, whole characters at a time.

    A tokenizer may spell a token differently at the beginning of a text, so each piece is the
    difference between two decodings that begin at the same, earlier token.

    Args:
        after: the tokens that the text goes on from, as far as it does.
    """

    def __init__(self, tokenizer: Any, after: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self._after = self._end_of(after)
        self._tokens = [*self._after]
        self._begin = 0
        self._read = len(self._tokens)

    def add(self, token: int) -> str:
        """The text that this token completes, "" while a character is not whole."""
        self._tokens.append(token)
        before = self._decoded(self._tokens[self._begin : self._read])
        now = self._decoded(self._tokens[self._begin :])
        if now.endswith(BROKEN) or len(now) <= len(before):
            return ""
        self._begin, self._read = self._read, len(self._tokens)
        return now[len(before) :]

    def flush(self) -> str:
        """What is left, without half a character at the end."""
        before = self._decoded(self._tokens[self._begin : self._read])
        now = self._decoded(self._tokens[self._begin :])
        return now[len(before) :].rstrip(BROKEN)

    def one(self, token: int) -> str:
        """The text of a token by itself, special ones included."""
        before = self._decoded(self._after, special=True)
        now = self._decoded([*self._after, token], special=True)
        if now.startswith(before):
            return now[len(before) :]
        return self._decoded([token], special=True)  # a part of a character

    def _end_of(self, tokens: Sequence[int]) -> list[int]:
        """The last of these tokens that have a text of whole characters, special ones left out."""
        for size in range(1, min(len(tokens), LOOK_BACK) + 1):
            last = list(tokens[-size:])
            text = self._decoded(last)
            if text and BROKEN not in text:
                return last
        return []

    def _decoded(self, tokens: Sequence[int], *, special: bool = False) -> str:
        return str(
            self._tokenizer.decode(
                list(tokens), skip_special_tokens=not special, clean_up_tokenization_spaces=False
            )
        )
