"""llama.cpp through llama-cpp-python, one request at a time.

Only the library's model, context and samplers are used: its high-level completion cannot report
log probabilities without keeping every position's scores, and lacks several samplers.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import llama_cpp
import numpy as np
from gguf.constants import GGMLQuantizationType

from jackfield import (
    Alternative,
    InvalidRequest,
    LoadedModel,
    LoaderError,
    LoadFailed,
    ModelFiles,
    ModelInfo,
    Prompt,
    PromptTooLong,
    SamplingParams,
    Token,
)
from jackfield_loaders.gguf.llama_cpp_sampler import Sampler
from jackfield_loaders.gguf.options import GgufOptions, adapter
from jackfield_loaders.gguf.pooling import pooling
from jackfield_loaders.gguf.processor import threads
from jackfield_loaders.gguf.sampling import FIELDS, biases, encodable, spellings
from jackfield_loaders.gguf.shape import Facts
from jackfield_loaders.text import TextStream


class LlamaCppModel(LoadedModel):
    """A model in llama-cpp-python."""

    def __init__(self, files: ModelFiles, options: GgufOptions) -> None:
        try:
            self._llama = llama_cpp.Llama(**_arguments(files, options))
        except (ValueError, RuntimeError) as error:
            raise LoadFailed(
                f"llama-cpp-python could not load {files.path.name!r}: {error}."
            ) from error
        self._vocab = llama_cpp.llama_model_get_vocab(self._llama.model)
        self._one = threading.Lock()
        self.info = self._info(files)

    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        """Start a request; it waits for the one before it."""
        if prompt.media:
            raise InvalidRequest("This model takes no images or recordings.", param="messages")
        tokens = self._prompt_tokens(encodable(prompt.text))
        bias = biases(params, self.info.vocabulary, self._bans)
        if params.ignore_eos:
            bias |= dict.fromkeys(self._ends(), -1e9)
        cancelled = threading.Event()
        return Reply(self._tokens(tokens, params, bias, cancelled), cancelled)

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Token ids by the library."""
        return list(self._llama.tokenize(encodable(text).encode(), add_bos=False, special=special))

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of token ids."""
        for token in tokens:
            if not 0 <= token < self.info.vocabulary:
                raise InvalidRequest(
                    f"There is no token {token!r}; the model has tokens 0 to "
                    f"{self.info.vocabulary - 1}."
                )
        return b"".join(self._piece(token, special=True) for token in tokens).decode(
            errors="replace"
        )

    def close(self) -> None:
        """Free the model."""
        with self._one:
            self._llama.close()

    def _prompt_tokens(self, text: str) -> list[int]:
        if not text:
            raise InvalidRequest("The prompt is empty.", hint="Write something.", param="prompt")
        tokens = self.tokenize(text)
        first = llama_cpp.llama_vocab_bos(self._vocab)
        if self.info.adds_bos and tokens[:1] != [first]:
            tokens = [first, *tokens]
        if len(tokens) >= self.info.context_length:
            raise PromptTooLong(
                f"The prompt has {len(tokens):,} tokens and the context holds "
                f"{self.info.context_length:,}.",
                hint="Shorten the prompt, or load the model with a larger n_ctx.",
                tokens=len(tokens),
                limit=self.info.context_length,
            )
        return tokens

    def _tokens(
        self,
        prompt: list[int],
        params: SamplingParams,
        bias: dict[int, float],
        cancelled: threading.Event,
    ) -> Generator[Token, None, None]:
        """The reply; empty tokens come while the prompt is read or another request runs."""
        while not self._one.acquire(timeout=0.05):
            yield Token("")
        try:
            sampler = Sampler(
                self._vocab, self.info.vocabulary, self.info.context_length, params, bias, prompt
            )
            try:
                reused = self._reuse(prompt, params)
                for start in range(reused, len(prompt), self._llama.n_batch):
                    self._compute(prompt[start : start + self._llama.n_batch])
                    yield Token("")
                yield from self._generate(sampler, params, len(prompt), reused)
            finally:
                sampler.close()
        finally:
            self._one.release()

    def _generate(
        self, sampler: Sampler, params: SamplingParams, prompt: int, reused: int
    ) -> Generator[Token, None, None]:
        text = TextStream(params.stop)
        room = self.info.context_length - prompt
        limit = min(params.max_tokens or room, room)
        made, finish = 0, "length"
        while made < limit:
            chosen = sampler.sample(self._llama.ctx)
            made += 1
            if llama_cpp.llama_vocab_is_eog(self._vocab, chosen):
                finish = "stop"
                break
            logprob, top = self._scores(chosen, params)
            piece = text.feed(self._piece(chosen))
            if text.stopped:
                finish = "stop"
                if piece:
                    yield Token(piece, chosen, logprob, top)
                break
            yield Token(piece, chosen, logprob, top)
            if made < limit:
                self._compute([chosen])
        yield Token(
            text.flush(),
            finish="stop" if finish == "stop" else "length",
            prompt_tokens=prompt,
            cached_tokens=reused,
            completion_tokens=made,
        )

    def _reuse(self, prompt: list[int], params: SamplingParams) -> int:
        """Keep what is computed of the prompt's beginning; how many tokens that is.

        With a seed nothing is kept: a prefix computed in another batch gives slightly other
        numbers, and who gives a seed wants the same reply again.
        """
        before = self._llama.input_ids[: self._llama.n_tokens]
        size = min(len(before), len(prompt) - 1)
        same = int(np.argmin(np.append(before[:size] == np.array(prompt[:size]), [False])))
        memory = llama_cpp.llama_get_memory(self._llama.ctx)
        if params.seed is None and same and llama_cpp.llama_memory_seq_rm(memory, -1, same, -1):
            self._llama.n_tokens = same
            return same
        self._llama.reset()
        llama_cpp.llama_memory_clear(memory, True)
        return 0

    def _compute(self, tokens: list[int]) -> None:
        try:
            self._llama.eval(tokens)
        except RuntimeError as error:
            raise LoaderError(f"The engine failed: {error}.") from error

    def _scores(
        self, chosen: int, params: SamplingParams
    ) -> tuple[float | None, tuple[Alternative, ...]]:
        """Natural-log probabilities of the chosen token and the likeliest, before any sampler."""
        if params.logprobs is None:
            return None, ()
        pointer = llama_cpp.llama_get_logits_ith(self._llama.ctx, -1)
        logits = np.ctypeslib.as_array(pointer, shape=(self.info.vocabulary,)).astype(np.float64)
        highest = logits.max()
        logprobs = logits - highest - np.log(np.exp(logits - highest).sum())
        best = np.argsort(-logprobs, kind="stable")[: params.logprobs]
        top = tuple(
            Alternative(
                self._piece(int(token)).decode(errors="replace"),
                int(token),
                min(float(logprobs[token]), 0.0),
            )
            for token in best
        )
        return min(float(logprobs[chosen]), 0.0), top

    def _piece(self, token: int, *, special: bool = False) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            used = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, size, 0, special)
            if used >= 0:
                return bytes(buffer.raw[:used])
            size = -used

    def _bans(self, text: str) -> list[int]:
        ways = (self.tokenize(spelling, special=False) for spelling in spellings(text))
        return [tokens[0] for tokens in ways if len(tokens) == 1]

    def _ends(self) -> list[int]:
        return [
            token
            for token in range(self.info.vocabulary)
            if llama_cpp.llama_vocab_is_eog(self._vocab, token)
        ]

    def _info(self, files: ModelFiles) -> ModelInfo:
        vocab = self._vocab
        trained = Facts(files.metadata).trained
        return ModelInfo(
            architecture=Facts(files.metadata).architecture,
            context_length=self._llama.n_ctx(),
            trained_context=trained or llama_cpp.llama_model_n_ctx_train(self._llama.model),
            vocabulary=self._llama.n_vocab(),
            chat_template=str(files.metadata.get("tokenizer.chat_template", "")),
            bos=self._special(llama_cpp.llama_vocab_bos(vocab)),
            eos=self._special(llama_cpp.llama_vocab_eos(vocab)),
            adds_bos=bool(llama_cpp.llama_vocab_get_add_bos(vocab)),
            sampling_fields=FIELDS,
            parallel=1,
        )

    def _special(self, token: int) -> str:
        return "" if token < 0 else self._piece(token, special=True).decode(errors="replace")


class Reply(Iterator[Token]):
    """Iterates over the tokens of one request.

    :meth:`close` may be called from any thread; it waits until the step being computed is done.
    """

    def __init__(self, tokens: Generator[Token, None, None], cancelled: threading.Event) -> None:
        self._tokens = tokens
        self._cancelled = cancelled
        self._step = threading.Lock()

    def __next__(self) -> Token:
        while True:
            with self._step:
                if self._cancelled.is_set():
                    raise StopIteration
                token = next(self._tokens)
            if token.text or token.id is not None or token.finish:
                return token

    def close(self) -> None:
        """Cancel the request and let the next one begin."""
        self._cancelled.set()
        with self._step:
            self._tokens.close()


def _arguments(files: ModelFiles, options: GgufOptions) -> dict[str, Any]:
    """What the library's model is made with."""
    rope = "unspecified" if options.rope_scaling == "model" else options.rope_scaling
    arguments: dict[str, Any] = {
        "model_path": str(files.path),
        "n_ctx": options.context(Facts(files.metadata).trained),
        "n_batch": options.n_batch,
        "n_ubatch": min(options.n_ubatch, options.n_batch),
        "n_threads": threads(options.n_threads),
        "n_threads_batch": threads(options.n_threads_batch or options.n_threads),
        "n_gpu_layers": options.n_gpu_layers,
        "split_mode": getattr(llama_cpp, f"LLAMA_SPLIT_MODE_{options.split_mode.upper()}"),
        "main_gpu": options.main_gpu,
        "tensor_split": options.tensor_split or None,
        "offload_kqv": options.offload_kv,
        "flash_attn": options.flash_attention != "off",
        "type_k": int(GGMLQuantizationType[options.cache_type_k.upper()]),
        "type_v": int(GGMLQuantizationType[options.cache_type_v.upper()]),
        "use_mmap": options.use_mmap,
        "use_mlock": options.use_mlock,
        "rope_scaling_type": getattr(llama_cpp, f"LLAMA_ROPE_SCALING_TYPE_{rope.upper()}"),
        "rope_freq_base": options.rope_freq_base,
        "rope_freq_scale": options.rope_freq_scale,
        "yarn_orig_ctx": options.yarn_orig_ctx,
        "swa_full": options.swa_full,
        "verbose": True,  # what it has to say about a model that does not load is only there
    }
    if found := pooling(files, options):
        arguments["embedding"] = True
        arguments["pooling_type"] = getattr(llama_cpp, f"LLAMA_POOLING_TYPE_{found.upper()}")
        arguments["n_batch"] = arguments["n_ubatch"] = arguments["n_ctx"]  # a text in one batch
    if options.lora:
        arguments["lora_path"], arguments["lora_scale"] = adapter(options.lora[0])
    return arguments
