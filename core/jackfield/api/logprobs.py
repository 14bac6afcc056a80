"""Log probabilities in OpenAI's two shapes."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from jackfield.messages import TokenLogprob

LOWEST = -9999.0
"""OpenAI's number for a probability of zero, which JSON's numbers cannot say."""


class ChatAlternative(BaseModel):
    """A token that might have been sampled."""

    token: str
    logprob: float
    bytes: list[int]


class ChatToken(ChatAlternative):
    """A sampled token."""

    top_logprobs: list[ChatAlternative]


class ChatLogprobs(BaseModel):
    """Log probabilities of a chat's reply."""

    content: list[ChatToken]
    refusal: None = None


class CompletionLogprobs(BaseModel):
    """Log probabilities of a completion; all lists have one item for each token."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


def chat_logprobs(tokens: Sequence[TokenLogprob]) -> ChatLogprobs:
    """The shape of ``/v1/chat/completions``."""
    return ChatLogprobs(
        content=[
            ChatToken(
                token=one.text,
                logprob=_finite(one.logprob),
                bytes=list(one.text.encode()),
                top_logprobs=[
                    ChatAlternative(
                        token=other.text,
                        logprob=_finite(other.logprob),
                        bytes=list(other.text.encode()),
                    )
                    for other in one.top
                ],
            )
            for one in tokens
        ]
    )


def completion_logprobs(tokens: Sequence[TokenLogprob], offset: int = 0) -> CompletionLogprobs:
    """The shape of ``/v1/completions``; ``offset`` is the length of the text before."""
    shape = CompletionLogprobs(tokens=[], token_logprobs=[], top_logprobs=[], text_offset=[])
    for one in tokens:
        shape.tokens.append(one.text)
        shape.token_logprobs.append(_finite(one.logprob))
        shape.top_logprobs.append({other.text: _finite(other.logprob) for other in one.top})
        shape.text_offset.append(offset)
        offset += len(one.text)
    return shape


def _finite(logprob: float) -> float:
    return max(logprob, LOWEST)
