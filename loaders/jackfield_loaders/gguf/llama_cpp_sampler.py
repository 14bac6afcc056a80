"""llama.cpp's samplers, chained as its own programs chain them, for llama-cpp-python."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Sequence
from typing import Any

import llama_cpp
from llama_cpp.llama_grammar import json_schema_to_gbnf

from jackfield import SAMPLERS, InvalidRequest, SamplingParams
from jackfield_loaders.gguf.chunks import broken_grammar
from jackfield_loaders.gguf.sampling import adjusted, constraint

MIROSTAT_CANDIDATES = 100
"""Tokens that Mirostat 1 estimates the distribution from, as llama.cpp's programs do."""


class Sampler:
    """Chooses the next token. Must be closed.

    Args:
        vocab: the engine's vocabulary.
        size: number of its tokens.
        context: tokens the context holds.
        params: how to choose.
        bias: what to add to the scores of tokens.
        seen: tokens of the prompt, which the penalties look at too.
    """

    def __init__(
        self,
        vocab: Any,
        size: int,
        context: int,
        params: SamplingParams,
        bias: dict[int, float],
        seen: Sequence[int],
    ) -> None:
        self._vocab, self._size = vocab, size
        self._params = adjusted(params, context)
        self._seed = llama_cpp.LLAMA_DEFAULT_SEED if params.seed is None else params.seed
        self._chain = llama_cpp.llama_sampler_chain_init(
            llama_cpp.llama_sampler_chain_default_params()
        )
        try:
            self._build(bias, seen[-context:])
        except InvalidRequest:
            self.close()
            raise

    def sample(self, context: Any) -> int:
        """The next token, from the scores of the last position computed."""
        return int(llama_cpp.llama_sampler_sample(self._chain, context, -1))

    def close(self) -> None:
        """Free the samplers."""
        if self._chain is not None:
            llama_cpp.llama_sampler_free(self._chain)
            self._chain = None

    def _build(self, bias: dict[int, float], seen: Sequence[int]) -> None:
        if bias:
            self._add(self._bias(bias))
        if grammar := grammar_of(self._params):
            self._add(self._grammar(grammar))
        if self._params.mirostat:
            self._add(llama_cpp.llama_sampler_init_temp(self._params.temperature))
            self._add(self._mirostat())
            return
        makers = self._makers()
        for name in self._params.samplers or SAMPLERS:
            sampler = makers[name]()
            if name in ("penalties", "dry"):
                for token in seen:
                    llama_cpp.llama_sampler_accept(sampler, token)
            self._add(sampler)
        self._add(llama_cpp.llama_sampler_init_dist(self._seed))

    def _add(self, sampler: Any) -> None:
        llama_cpp.llama_sampler_chain_add(self._chain, sampler)

    def _makers(self) -> dict[str, Callable[[], Any]]:
        params = self._params
        return {
            "penalties": self._penalties,
            "dry": self._dry,
            "top_n_sigma": lambda: llama_cpp.llama_sampler_init_top_n_sigma(params.top_n_sigma),
            "top_k": lambda: llama_cpp.llama_sampler_init_top_k(params.top_k),
            "typ_p": lambda: llama_cpp.llama_sampler_init_typical(params.typical_p, 0),
            "top_p": lambda: llama_cpp.llama_sampler_init_top_p(params.top_p, 0),
            "min_p": lambda: llama_cpp.llama_sampler_init_min_p(params.min_p, 0),
            "xtc": lambda: llama_cpp.llama_sampler_init_xtc(
                params.xtc_probability, params.xtc_threshold, 0, self._seed
            ),
            "temperature": lambda: llama_cpp.llama_sampler_init_temp_ext(
                params.temperature, params.dynatemp_range, params.dynatemp_exponent
            ),
        }

    def _penalties(self) -> Any:
        params = self._params
        return llama_cpp.llama_sampler_init_penalties(
            self._size,
            params.repeat_last_n,
            params.repeat_penalty,
            params.frequency_penalty,
            params.presence_penalty,
        )

    def _dry(self) -> Any:
        params = self._params
        breakers = [text.encode() for text in params.dry_sequence_breakers if text]
        return llama_cpp.llama_sampler_init_dry(
            self._vocab,
            params.dry_multiplier,
            params.dry_base,
            params.dry_allowed_length,
            params.dry_penalty_last_n,
            (ctypes.c_char_p * len(breakers))(*breakers),
            len(breakers),
        )

    def _bias(self, bias: dict[int, float]) -> Any:
        entries = (llama_cpp.llama_logit_bias * len(bias))()
        for entry, (token, value) in zip(entries, bias.items(), strict=True):
            entry.token, entry.bias = token, value
        return llama_cpp.llama_sampler_init_logit_bias(self._size, len(bias), entries)

    def _mirostat(self) -> Any:
        tau, eta = self._params.mirostat_tau, self._params.mirostat_eta
        if self._params.mirostat == 1:
            return llama_cpp.llama_sampler_init_mirostat(
                self._size, self._seed, tau, eta, MIROSTAT_CANDIDATES
            )
        return llama_cpp.llama_sampler_init_mirostat_v2(self._seed, tau, eta)

    def _grammar(self, grammar: str) -> Any:
        sampler = llama_cpp.llama_sampler_init_grammar(self._vocab, grammar.encode(), b"root")
        if not sampler:
            raise broken_grammar(grammar)
        return sampler


def grammar_of(params: SamplingParams) -> str:
    """The GBNF grammar that the reply must follow, "" for none.

    The library's conversion of schemas keeps their structure; bounds of numbers it passes over.

    Raises:
        InvalidRequest: a JSON schema that cannot be turned into one.
    """
    given = constraint(params)
    if "json_schema" not in given:
        return str(given.get("grammar", ""))
    schema = params.json_schema
    try:
        return str(json_schema_to_gbnf(json.dumps(schema)))
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise InvalidRequest(
            f"The JSON schema {json.dumps(schema)[:200]!r} cannot be used: {error}.",
            param="json_schema",
        ) from error
