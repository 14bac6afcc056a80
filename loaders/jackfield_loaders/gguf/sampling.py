"""From sampling parameters to the fields of a llama.cpp completion request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jackfield import InvalidRequest, ModelInfo, SamplingParams

SAME_NAME = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
    "top_n_sigma",
    "xtc_probability",
    "xtc_threshold",
    "repeat_penalty",
    "repeat_last_n",
    "frequency_penalty",
    "presence_penalty",
    "dry_multiplier",
    "dry_base",
    "dry_allowed_length",
    "dry_penalty_last_n",
    "dynatemp_range",
    "dynatemp_exponent",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
    "ignore_eos",
)
"""Fields that the engine calls as we do."""

OTHERS = (
    "max_tokens",
    "stop",
    "seed",
    "samplers",
    "dry_sequence_breakers",
    "logit_bias",
    "banned_strings",
    "logprobs",
    "grammar",
    "json_schema",
)

FIELDS = frozenset(SAME_NAME + OTHERS)
"""What xllamacpp honours: everything."""

Bans = Callable[[str], list[int]]
"""The tokens that spell a text alone."""


def request_fields(params: SamplingParams, info: ModelInfo, bans: Bans) -> dict[str, Any]:
    """The request, all but its prompt.

    Every parameter is sent, so that no default of the engine's shows through.

    Raises:
        InvalidRequest: a value that cannot work.
    """
    params = adjusted(params, info.context_length)
    fields: dict[str, Any] = {name: getattr(params, name) for name in SAME_NAME}
    fields["n_predict"] = -1 if params.max_tokens is None else params.max_tokens
    # A word after each batch of the prompt, because only then can the request be cancelled.
    fields["return_progress"] = True
    # Stop strings are looked for in the text that comes; the counts then come with each token.
    fields["timings_per_token"] = bool(params.stop)
    # A prefix computed in another batch gives slightly other numbers: who gives a seed wants the
    # same reply again, so nothing is reused then.
    fields["cache_prompt"] = params.seed is None
    if params.seed is not None:
        fields["seed"] = params.seed
    if params.samplers:
        fields["samplers"] = params.samplers
    if params.dry_sequence_breakers:
        fields["dry_sequence_breakers"] = params.dry_sequence_breakers
    elif params.dry_multiplier:
        fields["dry_sequence_breakers"] = ["\0"]  # the engine refuses an empty list
    bias = biases(params, info.vocabulary, bans)
    fields["logit_bias"] = [[token, value] for token, value in bias.items()]
    if params.logprobs is not None:
        fields["n_probs"] = max(params.logprobs, 1)
        fields["post_sampling_probs"] = False  # the model's own, before any sampler
    fields |= constraint(params)
    return fields


def adjusted(params: SamplingParams, context: int) -> SamplingParams:
    """The parameters with those values replaced that llama.cpp takes otherwise than we do.

    Args:
        params: as the user gave them.
        context: tokens the context holds.
    """
    change: dict[str, Any] = {}
    for name in ("repeat_last_n", "dry_penalty_last_n"):
        if getattr(params, name) < 0:
            change[name] = context
    if params.mirostat == 1:
        change["mirostat_tau"] = min(params.mirostat_tau, MOST_SURPRISE)
    return params.model_copy(update=change) if change else params


MOST_SURPRISE = 10.0
"""Bits that Mirostat 1 may aim at: beyond them its count of candidates overflows to one."""


def biases(params: SamplingParams, vocabulary: int, bans: Bans) -> dict[int, float]:
    """Token biases, those of banned strings included.

    Raises:
        InvalidRequest: a token id that the model does not have.
    """
    bias = dict(params.logit_bias)
    for token in bias:
        if not 0 <= token < vocabulary:
            raise InvalidRequest(
                f"logit_bias names token {token!r}; the model has tokens 0 to {vocabulary - 1}.",
                param="logit_bias",
            )
    for text in filter(None, params.banned_strings):
        bias |= dict.fromkeys(bans(text), -1e9)
    return bias


def spellings(text: str) -> list[str]:
    """The ways a banned text can begin a word or stand within one."""
    bare = text.strip(" ")
    return [bare, f" {bare}"] if bare else [text]


def encodable(text: str) -> str:
    """The text, if it is one.

    Raises:
        InvalidRequest: it holds half of a surrogate pair, which no encoding has.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(
            f"The text has half a character at position {error.start}.", param="prompt"
        ) from error
    return text


def constraint(params: SamplingParams) -> dict[str, Any]:
    """The grammar or schema that the reply must follow.

    Raises:
        InvalidRequest: both are given, or a grammar in another language than GBNF.
    """
    if params.grammar and params.json_schema is not None:
        raise InvalidRequest(
            "grammar and json_schema are both given; a reply can follow only one.", param="grammar"
        )
    if params.grammar:
        if params.grammar.lstrip().startswith("%llguidance"):
            raise InvalidRequest("The grammar is not GBNF but Lark.", param="grammar")
        return {"grammar": params.grammar}
    if params.json_schema is not None:
        return {"json_schema": closed(params.json_schema) | COMPACT}
    return {}


COMPACT = {
    "x-guidance": {
        "whitespace_flexible": False,
        "item_separator": ", ",
        "key_separator": ": ",
    }
}
"""Fixed white space: where any is allowed, small models write blank lines until the end."""

SCHEMA_LISTS = ("anyOf", "oneOf", "prefixItems")
SCHEMA_MAPS = ("properties", "$defs", "definitions")
OPEN = ("additionalProperties", "unevaluatedProperties", "patternProperties")
COMBINED = ("allOf", "anyOf", "oneOf", "$ref", "if")


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without properties it does not name, where it leaves that open.

    What follows the closed schema follows the given one too; a small model that may add any
    property adds them until the reply is cut off.
    """
    result = dict(schema)
    for key in SCHEMA_MAPS:
        if isinstance(value := schema.get(key), dict):
            result[key] = {name: _closed(inner) for name, inner in value.items()}
    for key in SCHEMA_LISTS:
        if isinstance(value := schema.get(key), list):
            result[key] = [_closed(inner) for inner in value]
    if "items" in schema:
        result["items"] = _closed(schema["items"])
    open_ = "properties" in schema and not any(key in schema for key in (*OPEN, *COMBINED))
    if open_:
        result["additionalProperties"] = False
    return result


def _closed(value: Any) -> Any:
    return closed(value) if isinstance(value, dict) else value
