"""Sampling parameters: each one once, with its bounds, help and source.

The dashboard's controls, the API's validation, the CLI's flags and the reference are made from
:class:`SamplingParams`; nothing else lists the parameters.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator

SAMPLERS = (
    "penalties",
    "dry",
    "top_n_sigma",
    "top_k",
    "typ_p",
    "top_p",
    "min_p",
    "xtc",
    "temperature",
)
"""Names of the samplers that can be put in order, in their default order (llama.cpp's)."""


def _field(
    default: Any, neutral: Any, group: str, help_: str, *, source: str = "", **kw: Any
) -> Any:
    """A parameter: its default, the value at which it does nothing, where it is shown, its help."""
    extra = {"neutral": neutral, "group": group, "source": source}
    return Field(default, description=help_, json_schema_extra=extra, **kw)


class SamplingParams(BaseModel):
    """How the next token is chosen, and when to stop.

    ``json_schema_extra`` of each field has ``neutral`` (the value at which it has no effect),
    ``group`` (``basic`` for the parameters shown first) and ``source`` (paper or specification).
    A loader names the fields it honours in ``ModelInfo.sampling_fields``.
    """

    # Built when first used, or when an application begins to run: most commands never sample.
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=False, defer_build=True)

    temperature: float = _field(
        0.8,
        None,
        "basic",
        "How adventurous the choice of words is. 0 always takes the likeliest token; around 0.7 "
        "is balanced; above 1.5 becomes incoherent.",
        ge=0,
        le=5,
    )
    max_tokens: int | None = _field(
        None,
        None,
        "basic",
        "The longest reply allowed, in tokens (about three quarters of a word each). Empty: until "
        "the model ends or the context is full.",
        ge=1,
        le=1_000_000,
    )
    stop: list[str] = _field(
        [],
        [],
        "basic",
        "The reply ends just before any of these texts. One per line.",
        max_length=64,
    )
    top_p: float = _field(
        0.95,
        1.0,
        "basic",
        "Only the likeliest tokens that together reach this probability are considered. 1 turns "
        "it off; lower is safer.",
        ge=0,
        le=1,
        source="Holtzman et al. 2019, arXiv:1904.09751",
    )
    frequency_penalty: float = _field(
        0.0,
        0.0,
        "basic",
        "Makes a token less likely each time it has been used. Raise it against repetition.",
        ge=-2,
        le=2,
        source="OpenAI API reference, chat completions",
    )
    presence_penalty: float = _field(
        0.0,
        0.0,
        "basic",
        "Makes a token less likely once it has been used at all. Raise it to bring in new topics.",
        ge=-2,
        le=2,
        source="OpenAI API reference, chat completions",
    )
    seed: int | None = _field(
        None,
        None,
        "general",
        "The same seed, prompt and settings give the same reply. Empty: a new one each time.",
        ge=0,
        le=4_294_967_294,
    )
    top_k: int = _field(
        40,
        0,
        "candidates",
        "Only this many of the likeliest tokens are considered. 0 turns it off; 1 is greedy.",
        ge=0,
        le=1000,
        source="Fan et al. 2018, arXiv:1805.04833",
    )
    min_p: float = _field(
        0.05,
        0.0,
        "candidates",
        "Drops tokens less likely than this fraction of the likeliest one's probability.",
        ge=0,
        le=1,
        source="Nguyen et al. 2024, arXiv:2407.01082",
    )
    typical_p: float = _field(
        1.0,
        1.0,
        "candidates",
        "Keeps tokens whose surprise is close to what is expected here. 1 turns it off.",
        ge=0,
        le=1,
        source="Meister et al. 2022, arXiv:2202.00666",
    )
    top_n_sigma: float = _field(
        -1.0,
        -1.0,
        "candidates",
        "Keeps tokens whose logit lies within this many standard deviations of the best. "
        "0 or less turns it off.",
        ge=-1,
        le=10,
        source="Tang et al. 2024, arXiv:2411.07641",
    )
    xtc_probability: float = _field(
        0.0,
        0.0,
        "candidates",
        "How often the most obvious choices are left out, for more surprising writing.",
        ge=0,
        le=1,
        source="XTC, text-generation-webui pull request 6335",
    )
    xtc_threshold: float = _field(
        0.1,
        0.1,
        "candidates",
        "A token counts as obvious for XTC from this probability on. Above 0.5 XTC is off.",
        ge=0,
        le=1,
        source="XTC, text-generation-webui pull request 6335",
    )
    repeat_penalty: float = _field(
        1.0,
        1.0,
        "repetition",
        "Divides the score of tokens already used. 1 turns it off; 1.1 is a mild setting.",
        ge=0.1,
        le=3,
        source="Keskar et al. 2019, arXiv:1909.05858",
    )
    repeat_last_n: int = _field(
        64,
        64,
        "repetition",
        "How many of the last tokens the three penalties look at. -1: the whole context.",
        ge=-1,
        le=1_000_000,
    )
    dry_multiplier: float = _field(
        0.0,
        0.0,
        "repetition",
        "Strength of DRY, which stops the text from repeating whole sequences. 0 turns it off; "
        "0.8 is usual.",
        ge=0,
        le=10,
        source="DRY, text-generation-webui pull request 5677",
    )
    dry_base: float = _field(
        1.75,
        1.75,
        "repetition",
        "How fast the DRY penalty grows with the length of the repeated sequence.",
        ge=1,
        le=8,
    )
    dry_allowed_length: int = _field(
        2,
        2,
        "repetition",
        "Sequences up to this many tokens may repeat freely.",
        ge=0,
        le=100,
    )
    dry_penalty_last_n: int = _field(
        -1,
        -1,
        "repetition",
        "How many of the last tokens DRY looks at. -1: the whole context.",
        ge=-1,
        le=1_000_000,
    )
    dry_sequence_breakers: list[str] = _field(
        ["\n", ":", '"', "*"],
        ["\n", ":", '"', "*"],
        "repetition",
        "Texts across which DRY does not match sequences. One per line.",
        max_length=64,
    )
    dynatemp_range: float = _field(
        0.0,
        0.0,
        "temperature",
        "Lets the temperature move this far up and down with the model's certainty. 0: fixed.",
        ge=0,
        le=5,
    )
    dynatemp_exponent: float = _field(
        1.0,
        1.0,
        "temperature",
        "How the moving temperature follows the model's certainty.",
        ge=0.01,
        le=10,
    )
    mirostat: Literal[0, 1, 2] = _field(
        0,
        0,
        "temperature",
        "Keeps the text at a steady level of surprise instead of cutting candidates. 0: off.",
        source="Basu et al. 2020, arXiv:2007.14966",
    )
    mirostat_tau: float = _field(
        5.0,
        5.0,
        "temperature",
        "The level of surprise that Mirostat aims at, in bits.",
        ge=0,
        le=20,
    )
    mirostat_eta: float = _field(
        0.1,
        0.1,
        "temperature",
        "How fast Mirostat adapts.",
        ge=0,
        le=1,
    )
    samplers: list[str] = _field(
        [],
        [],
        "general",
        "Order in which the samplers are applied. Empty: the default order.",
        max_length=32,
    )
    logit_bias: dict[int, float] = _field(
        {},
        {},
        "general",
        "Added to the scores of tokens, by token id. -100 bans a token, 100 forces it.",
        source="OpenAI API reference, chat completions",
    )
    banned_strings: list[str] = _field(
        [],
        [],
        "general",
        "Words whose tokens may not be used, as far as one token alone spells them. One per line.",
        max_length=256,
    )
    ignore_eos: bool = _field(
        False,
        False,
        "general",
        "Goes on after the model wants to end, up to max tokens.",
    )
    logprobs: int | None = _field(
        None,
        None,
        "output",
        "Report each token's log probability, and this many alternatives.",
        ge=0,
        le=20,
    )
    grammar: str = _field(
        "",
        "",
        "output",
        "A GBNF grammar that the reply must follow.",
        source="llama.cpp grammars/README.md",
    )
    json_schema: dict[str, Any] | None = _field(
        None,
        None,
        "output",
        "A JSON schema that the reply must follow.",
        source="JSON Schema 2020-12",
    )

    @field_validator("samplers")
    @classmethod
    def _known_samplers(cls, value: list[str]) -> list[str]:
        unknown = [name for name in value if name not in SAMPLERS]
        if unknown:
            raise ValueError(f"unknown sampler {unknown[0]!r}; there are: {', '.join(SAMPLERS)}")
        return value

    @field_validator("top_n_sigma")
    @classmethod
    def _off(cls, value: float) -> float:
        """One value for what has no effect, so that it is seen to be neutral."""
        return value if value > 0 else -1.0

    def changed(self) -> dict[str, Any]:
        """The explicitly set fields whose value is not neutral: what a loader must honour."""
        return {
            name: getattr(self, name)
            for name in self.model_fields_set
            if getattr(self, name) is not None and getattr(self, name) != neutral_value(name)
        }

    def merged(self, over: SamplingParams) -> SamplingParams:
        """These parameters with the explicitly set ones of ``over`` laid on top."""
        return self.model_copy(update={name: getattr(over, name) for name in over.model_fields_set})


def neutral_value(field: str) -> Any:
    """The value at which a field has no effect; None when there is no such value."""
    extra = SamplingParams.model_fields[field].json_schema_extra
    return extra["neutral"] if isinstance(extra, dict) else None


class SamplingPreset(msgspec.Struct, frozen=True):
    """A named set of sampling parameters.

    Attributes:
        name: what the user chooses by.
        description: when to use it, one sentence.
        params: field names of :class:`SamplingParams` to values.
    """

    name: str
    description: str
    params: dict[str, Any]
