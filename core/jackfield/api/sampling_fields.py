"""From the fields of a request to sampling parameters."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from jackfield.api.errors import field_error, invalid
from jackfield.api.requests import ChatRequest, CompletionRequest, ResponseFormat
from jackfield.errors import NotFound
from jackfield.sampling import SamplingParams, SamplingPreset

PLAIN = (
    "max_tokens",
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "logit_bias",
)
"""Fields of OpenAI's that have the same name and meaning here."""

PASSED_OVER = {
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
}
"""Fields that clients send and that change nothing about a reply."""


def chat_sampling(request: ChatRequest, presets: Mapping[str, SamplingPreset]) -> SamplingParams:
    """The parameters of a chat request; only those that were sent count as set.

    Raises:
        InvalidRequest: a field that does not exist, or a value it does not take.
    """
    values = _common(request, presets)
    if request.max_completion_tokens is not None:
        values["max_tokens"] = request.max_completion_tokens
    if request.top_logprobs is not None and not request.logprobs:
        raise invalid("top_logprobs", "'top_logprobs' needs 'logprobs' to be true.")
    if request.logprobs:
        values["logprobs"] = request.top_logprobs or 0
    return _checked(values, request)


def completion_sampling(
    request: CompletionRequest, presets: Mapping[str, SamplingPreset]
) -> SamplingParams:
    """The parameters of a completion request."""
    values = _common(request, presets)
    if request.logprobs is not None:
        values["logprobs"] = request.logprobs
    return _checked(values, request)


def seeded(params: SamplingParams, index: int) -> SamplingParams:
    """The parameters of the reply at ``index`` of several: each has a seed of its own."""
    if params.seed is None or index == 0:
        return params
    return params.model_copy(update={"seed": (params.seed + index) % (2**32 - 1)})


def _common(
    request: ChatRequest | CompletionRequest, presets: Mapping[str, SamplingPreset]
) -> dict[str, Any]:
    values = _preset(request.preset, presets)
    for name in PLAIN:
        if (value := getattr(request, name)) is not None:
            values[name] = value
    if request.stop is not None:
        texts = [request.stop] if isinstance(request.stop, str) else request.stop
        values["stop"] = [text for text in texts if text]
    for name, value in (request.model_extra or {}).items():
        if name in PASSED_OVER:
            continue
        if name == "modalities" and value == ["text"]:
            continue
        if name not in SamplingParams.model_fields:
            raise _unknown(name, request)
        if value is not None:
            values[name] = value
    schema = _schema(request.response_format)
    if schema is not None:
        if values.get("json_schema") is not None or values.get("grammar"):
            raise invalid(
                "response_format",
                "'response_format' cannot go together with 'grammar' or 'json_schema': the reply "
                "can follow one of them.",
            )
        values["json_schema"] = schema
    return values


def _preset(name: str | None, presets: Mapping[str, SamplingPreset]) -> dict[str, Any]:
    if not name:
        return {}
    if name not in presets:
        raise NotFound(
            f"There is no sampling preset {name!r}.",
            hint=f"There is: {', '.join(presets) or 'none'}.",
            param="preset",
        )
    return dict(presets[name].params)


def _schema(wanted: ResponseFormat | None) -> dict[str, Any] | None:
    """The JSON schema that a response format means; None for plain text."""
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {"type": "object"}
    if wanted.json_schema is None:
        raise invalid(
            "response_format.json_schema",
            "'response_format.json_schema' is missing; it is required with type 'json_schema'.",
        )
    return wanted.json_schema.schema_


def _checked(values: dict[str, Any], request: ChatRequest | CompletionRequest) -> SamplingParams:
    try:
        return SamplingParams(**values)
    except ValidationError as error:
        raise field_error(error) from error


def _unknown(name: str, request: ChatRequest | CompletionRequest) -> Exception:
    known = [*SamplingParams.model_fields, *type(request).model_fields]
    near = get_close_matches(name, known, n=1)
    return invalid(
        name,
        f"There is no field {name!r}.",
        f"Did you mean {near[0]!r}?" if near else "All fields: /docs",
    )
