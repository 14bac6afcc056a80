"""What clients send to ``/v1``: OpenAI's fields, and Jackfield's own beside them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from jackfield.api.tool_fields import ChosenTool, ToolCallField, ToolField

CHAT: JsonDict = {
    "model": "smollm2",
    "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "temperature": 0.7,
    "stream": False,
}
COMPLETION: JsonDict = {"model": "smollm2", "prompt": "The capital of France is", "max_tokens": 16}


class StreamOptions(BaseModel):
    """How a streamed reply is reported."""

    include_usage: bool = Field(False, description="End with a chunk that has the token counts")


class PluginChoice(BaseModel):
    """Plugins of one request, beside those that are enabled."""

    model_config = ConfigDict(extra="forbid")

    on: list[str] = Field([], description="Plugins to add")
    off: list[str] = Field([], description="Plugins to leave out")
    options: dict[str, dict[str, Any]] = Field(
        {}, description="What this request says to single plugins, by plugin"
    )


class JsonSchemaFormat(BaseModel):
    """A schema with its name."""

    name: str = Field("", description="A name for the schema; not used")
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema", description="The JSON schema")
    strict: bool | None = Field(None, description="Not used: the schema is always followed")


class ResponseFormat(BaseModel):
    """What the reply must be."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchemaFormat | None = None


class ContentPart(BaseModel):
    """A piece of a message."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="text, image_url, input_audio or file; media as data, no address")
    text: str | None = None


class ChatMessage(BaseModel):
    """A message of the conversation."""

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCallField] | None = Field(None, description="Of an earlier reply")
    tool_call_id: str | None = Field(None, description="The call that this is the result of")


class _Generation(BaseModel):
    """Fields that chats and completions share.

    Further fields are those of SamplingParams: ``top_k``, ``min_p``, ``repeat_penalty``,
    ``grammar``, ...; the page of sampling parameters in the reference lists them.
    """

    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1, description="A model of /v1/models; loaded if it is not yet")
    stream: bool | None = Field(None, description="Send the reply as it is written")
    stream_options: StreamOptions | None = None
    n: int | None = Field(None, ge=1, le=32, description="Replies to write, in parallel")
    max_tokens: int | None = Field(None, ge=1, description="The longest reply allowed, in tokens")
    temperature: float | None = Field(None, ge=0, le=5)
    top_p: float | None = Field(None, ge=0, le=1)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    stop: str | list[str] | None = Field(None, description="The reply ends before any of these")
    seed: int | None = Field(None, description="The same seed and request give the same reply")
    logit_bias: dict[int, float] | None = Field(None, description="Token id to added score")
    preset: str | None = Field(None, description="Sampling preset; the other fields go before it")
    plugins: PluginChoice = PluginChoice()
    user: str | None = Field(None, description="Not used")


class ChatRequest(_Generation):
    """A conversation to answer."""

    model_config = ConfigDict(json_schema_extra={"examples": [CHAT]})

    messages: list[ChatMessage] = Field(description="The conversation, oldest first")
    max_completion_tokens: int | None = Field(None, ge=1, description="The same as max_tokens")
    logprobs: bool | None = Field(None, description="Report each token's log probability")
    top_logprobs: int | None = Field(None, ge=0, le=20, description="Alternatives to report")
    response_format: ResponseFormat | None = None
    template: str | None = Field(None, description="Chat template; the model's own if not given")
    tools: list[ToolField] | None = Field(None, description="What the model may call")
    tool_choice: Literal["none", "auto", "required"] | ChosenTool | None = Field(
        None, description="Whether it must call a tool, or which"
    )
    parallel_tool_calls: bool | None = Field(None, description="Several calls may come at once")
    use_tools: list[str] = Field(
        [], description="Tools of plugins that the model may call; Jackfield runs them"
    )
    functions: list[Any] | None = Field(None, description="Not supported")


class CompletionRequest(_Generation):
    """A text to continue."""

    model_config = ConfigDict(json_schema_extra={"examples": [COMPLETION]})

    prompt: str | list[str] | list[int] | list[list[int]] = Field(
        description="A text, token ids, or several of either"
    )
    logprobs: int | None = Field(None, ge=0, le=20, description="Alternatives to report by token")
    echo: bool | None = Field(None, description="Begin the reply with the prompt")
    suffix: str | None = Field(None, description="Not supported")
    best_of: int | None = Field(None, description="Not supported, unless it equals n")
    response_format: ResponseFormat | None = None
