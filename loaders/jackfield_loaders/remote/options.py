"""How a model of another server is used."""

from __future__ import annotations

from typing import Literal

from jackfield import Field, LoadOptions, SecretStr


class RemoteOptions(LoadOptions):
    """The load form of remote models."""

    purpose: Literal["chat", "embedding", "rerank"] = Field(
        "chat",
        title="What it is for",
        description="What the server's model can do; servers do not say it.",
    )
    vision: bool = Field(
        False,
        title="Takes pictures",
        description="Pictures in a chat are sent to the model; servers do not say whether it sees.",
    )
    n_ctx: int = Field(
        0,
        title="Context length",
        ge=0,
        le=10_000_000,
        description="Tokens of conversation and reply. 0: what the server says, else 8192.",
    )
    parallel: int = Field(
        8,
        title="Requests at once",
        ge=1,
        le=256,
        description="How many requests are sent to the server at once.",
    )
    fields: Literal["auto", "openai", "extended"] = Field(
        "auto",
        title="Sampling parameters",
        description="openai: those of OpenAI's API. extended: top-k, min-p and others too, which "
        "vLLM, llama-server and Jackfield take. auto: by what the server says it is.",
    )
    first_token_seconds: float = Field(
        300,
        title="Wait for the first token",
        ge=1,
        le=3600,
        description="Seconds; a server may have to load the model first.",
    )
    next_token_seconds: float = Field(
        60,
        title="Wait between tokens",
        ge=1,
        le=3600,
        description="Seconds without a sign of life after which the reply is given up.",
    )
    address: str = Field("", title="Address", description="Set by the server's entry.")
    api_key: SecretStr = Field(
        SecretStr(""), title="Key", description="Set by the options of the plugin remote."
    )
