"""The engine's stream of JSON chunks, and the tokens in it."""

from __future__ import annotations

import msgspec

from jackfield import (
    Alternative,
    InvalidRequest,
    JackfieldError,
    LoaderError,
    PromptTooLong,
    SamplingParams,
    Token,
)
from jackfield_loaders.text import TextStream


class Scored(msgspec.Struct):
    """A token with its log probability, as the engine reports it."""

    id: int
    token: str
    logprob: float


class Sampled(Scored):
    """The token that was sampled, with those that might have been."""

    top_logprobs: list[Scored] = []


class Logprobs(msgspec.Struct):
    """What a chunk says about its tokens."""

    content: list[Sampled] = []


class Choice(msgspec.Struct):
    """The text of a chunk."""

    text: str = ""
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Reused(msgspec.Struct):
    """How much of the prompt was not computed again."""

    cached_tokens: int = 0


class Usage(msgspec.Struct):
    """Token counts of the whole request."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: Reused | None = None


class Failure(msgspec.Struct):
    """Why the engine refused or broke off."""

    message: str = ""
    code: int = 500
    type: str = ""
    n_prompt_tokens: int = 0
    n_ctx: int = 0


class Timings(msgspec.Struct):
    """Token counts so far."""

    cache_n: int = 0
    prompt_n: int = 0
    predicted_n: int = 0


class Chunk(msgspec.Struct):
    """One message of the stream; of its other fields nothing is needed."""

    choices: list[Choice] = []
    usage: Usage | None = None
    timings: Timings | None = None
    error: Failure | None = None


class Chunks:
    """Makes tokens of chunks.

    Stop strings are looked for here: the engine, asked to, loses text that it held back for one
    which then did not come.

    Attributes:
        over: the reply is complete; the engine may be told to stop.
    """

    def __init__(self, params: SamplingParams) -> None:
        self.over = False
        self._params = params
        self._text = TextStream(params.stop)
        self._held: Token | None = None
        self._decode = msgspec.json.Decoder(Chunk).decode

    def take(self, data: bytes) -> list[Token]:
        """The tokens that a chunk brings.

        Raises:
            JackfieldError: it is the engine's refusal.
        """
        chunk = self._decode(data)
        if chunk.error is not None:
            self.over = True
            raise failure(chunk.error, self._params)
        if not chunk.choices:
            return []
        choice = chunk.choices[0]
        if choice.finish_reason is not None:
            self.over = True
            return self._end(choice, chunk.usage or Usage())
        text = self._text.add(choice.text)
        tokens = self._plain(text) if self._params.logprobs is None else self._scored(choice, text)
        if self._text.stopped:
            self.over = True
            tokens.append(self._stopped(chunk.timings or Timings()))
        return tokens

    def _plain(self, text: str) -> list[Token]:
        return [Token(text)] if text else []

    def _scored(self, choice: Choice, text: str) -> list[Token]:
        """A token with its log probability.

        One that brings nothing is held back until the next: if that ends the reply, it was the end
        token, and no part of the reply.
        """
        if not (choice.logprobs and choice.logprobs.content):
            return self._plain(text)
        ready = self._release()
        sampled = choice.logprobs.content[-1]
        top = tuple(
            Alternative(other.token, other.id, min(other.logprob, 0.0))
            for other in sampled.top_logprobs[: self._params.logprobs]
        )
        token = Token(text, sampled.id, min(sampled.logprob, 0.0), top)
        if choice.text:
            return [*ready, token]
        self._held = token
        return ready

    def _release(self) -> list[Token]:
        held, self._held = self._held, None
        return [] if held is None else [held]

    def _stopped(self, timings: Timings) -> Token:
        return Token(
            "",
            finish="stop",
            prompt_tokens=timings.cache_n + timings.prompt_n,
            cached_tokens=timings.cache_n,
            completion_tokens=timings.predicted_n,
        )

    def _end(self, choice: Choice, usage: Usage) -> list[Token]:
        cut = choice.finish_reason == "length"
        last = Token(
            self._text.add(choice.text) + self._text.flush(),
            finish="length" if cut else "stop",
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=(usage.prompt_tokens_details or Reused()).cached_tokens,
            completion_tokens=usage.completion_tokens,
        )
        return [*(self._release() if cut else []), last]


def failure(error: Failure, params: SamplingParams) -> JackfieldError:
    """The engine's error as one of ours."""
    if error.type == "exceed_context_size_error":
        return PromptTooLong(
            f"The prompt has {error.n_prompt_tokens:,} tokens and the context holds "
            f"{error.n_ctx:,}.",
            hint="Shorten the prompt, or load the model with a larger n_ctx.",
            tokens=error.n_prompt_tokens,
            limit=error.n_ctx,
        )
    if error.code != 400:
        return LoaderError(f"The engine failed: {error.message}")
    if params.grammar and "grammar" in error.message:
        return broken_grammar(params.grammar)
    return InvalidRequest(f"The engine refused the request: {error.message}")


def broken_grammar(grammar: str) -> InvalidRequest:
    """The error for a grammar that does not parse."""
    first = grammar.strip().partition("\n")[0][:80]
    return InvalidRequest(
        f"The grammar that begins with {first!r} is not valid GBNF.",
        hint="The model's log says where it goes wrong.",
        param="grammar",
    )
