"""Grammars and JSON schemas that a reply must follow, with the library llguidance."""

from __future__ import annotations

import json
import threading
from typing import Any

import torch

from jackfield import InvalidRequest, LoadFailed, SamplingParams

BITS = 32
"""Tokens in a number of a mask."""


class Constraint:
    """What may come next in one reply.

    Args:
        matcher: of llguidance.
        vocabulary: number of scores.
    """

    def __init__(self, matcher: Any, vocabulary: int) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._mask = torch.zeros((1, -(-vocabulary // BITS)), dtype=torch.int32)

    @property
    def over(self) -> bool:
        """Whether the reply is whole and nothing may follow."""
        return bool(self._matcher.is_stopped())

    def applied(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores of shape (vocabulary,), those of what may not come next at ``-inf``."""
        from llguidance.numpy import fill_next_token_bitmask

        fill_next_token_bitmask(self._matcher, self._mask.numpy())
        bits = (self._mask[0, :, None] >> torch.arange(BITS, dtype=torch.int32)) & 1
        return scores.masked_fill(bits.flatten()[: self._vocabulary] == 0, float("-inf"))

    def accept(self, token: int) -> None:
        """Take note of a chosen token."""
        self._matcher.consume_token(token)


class Constraints:
    """Makes the constraints of requests to one model.

    Args:
        tokenizer: of the model; what llguidance needs of it is made when first used.
        vocabulary: number of scores.
        ends: tokens that end a reply.
    """

    def __init__(self, tokenizer: Any, vocabulary: int, ends: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary
        self._ends = ends
        self._lock = threading.Lock()
        self._made: Any = None

    def of(self, params: SamplingParams) -> Constraint | None:
        """What a request asks for, None if nothing.

        Raises:
            InvalidRequest: a grammar or schema that cannot be followed, or both at once.
            LoadFailed: llguidance is missing.
        """
        if not params.grammar and params.json_schema is None:
            return None
        if params.grammar and params.json_schema is not None:
            raise InvalidRequest(
                "grammar and json_schema are both given; a reply can follow only one.",
                param="grammar",
            )
        try:
            from llguidance import LLMatcher
        except ImportError as error:
            raise LoadFailed(
                f"Grammars need something that cannot be imported: {error}.",
                hint="Install it with: pip install 'jackfield[transformers]'",
            ) from error
        grammar = _of_grammar(params.grammar) if params.grammar else _of_schema(params.json_schema)
        matcher = LLMatcher(self._known("grammar" if params.grammar else "json_schema"), grammar)
        if matcher.is_error():
            raise _refused(params, matcher.get_error())
        return Constraint(matcher, self._vocabulary)

    def _known(self, field: str) -> Any:
        """The tokenizer as llguidance wants it; ``field`` is what needs it."""
        from llguidance.hf import from_tokenizer

        with self._lock:
            if self._made is None:
                try:
                    self._made = from_tokenizer(
                        self._tokenizer, n_vocab=self._vocabulary, eos_token=sorted(self._ends)
                    )
                except ValueError as error:
                    raise InvalidRequest(
                        f"The tokenizer of this model cannot be held to a grammar: {error}.",
                        hint="Leave out grammar, json_schema and response_format.",
                        param=field,
                    ) from error
            return self._made


def _of_grammar(text: str) -> str:
    from llguidance import grammar_from

    try:
        return str(grammar_from("gbnf", text))
    except ValueError as error:
        raise _no_grammar(text, str(error)) from error


def _of_schema(schema: Any) -> str:
    from llguidance import LLMatcher

    # Without room for blanks a reply comes to its end.
    compact = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
    return str(LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=compact))


def _refused(params: SamplingParams, reason: str) -> InvalidRequest:
    if params.grammar:
        return _no_grammar(params.grammar, reason)
    schema = json.dumps(params.json_schema)[:200]
    return InvalidRequest(
        f"The JSON schema {schema!r} cannot be used: {reason}.",
        hint="Correct it, or leave out what is not supported.",
        param="json_schema",
    )


def _no_grammar(text: str, reason: str) -> InvalidRequest:
    return InvalidRequest(
        f"The grammar {text[:200]!r} does not parse: {reason}.",
        hint="It is written in GBNF, and its first rule is called root.",
        param="grammar",
    )
