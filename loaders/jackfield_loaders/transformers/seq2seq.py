"""A sequence-to-sequence model of Transformers as Jackfield's pipeline sees it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from jackfield import (
    InvalidRequest,
    LoadedModel,
    LoadFailed,
    ModelInfo,
    Prompt,
    PromptTooLong,
    SamplingParams,
    Token,
)
from jackfield_loaders.transformers.reply import Reply
from jackfield_loaders.transformers.rules import Rules
from jackfield_loaders.transformers.sampler import FIELDS, Processor, Sampler
from jackfield_loaders.transformers.seq2seq_batch import Line, Seq2SeqBatch
from jackfield_loaders.transformers.tokens import (
    adds_bos,
    bias,
    encodable,
    ends_of,
    refuse_unknown,
    special_among,
)

LAST_MESSAGE = (
    "{%- set asked = messages | selectattr('role', 'equalto', 'user') | list -%}"
    "{{- asked[-1].content if asked else raise_exception('There is no message to answer.') -}}"
)
"""The chat template: these models read one text, and know no conversations."""

SAMPLING = FIELDS - {"grammar", "json_schema"}
"""Sampling parameters that take effect."""


class Seq2SeqModel(LoadedModel):
    """A model that reads a text and writes another, its tokenizer and the thread that computes.

    Args:
        context: tokens that it reads; it writes as many at most.
        trained: tokens it was trained for, 0 if unknown.
        parallel: requests at once.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        context: int,
        trained: int,
        parallel: int,
    ) -> None:
        self._tokenizer = tokenizer
        # Some have a mode for texts to read and one for texts to write, which all threads share.
        self._tokenizing = threading.Lock()
        self._ends = ends_of(model, tokenizer)
        self._start = _start(model)
        rules = Rules(model.generation_config, self._ends)
        self._batch = Seq2SeqBatch(model, parallel, context, rules)
        self.info = ModelInfo(
            architecture=str(model.config.model_type),
            context_length=context,
            trained_context=trained,
            vocabulary=int(model.get_output_embeddings().weight.shape[0]),
            chat_template=LAST_MESSAGE,
            bos=tokenizer.bos_token or "",
            eos=tokenizer.eos_token or "",
            adds_bos=adds_bos(tokenizer),
            capabilities=frozenset({"completion", "chat", "logits_processors"}),
            sampling_fields=SAMPLING,
            parallel=parallel,
        )

    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        """Encode the text at the next step, then write."""
        return self.complete_processed(prompt, params, ())

    def complete_processed(
        self, prompt: Prompt, params: SamplingParams, processors: Sequence[Processor]
    ) -> Iterator[Token]:
        """The same, with plugins that change the scores of each token first."""
        if prompt.media:
            raise InvalidRequest("This model takes no images or recordings.", param="messages")
        source = self._encoded(prompt.text)
        most = self.info.context_length
        limit = min(params.max_tokens or most, most)
        biases = bias(params, self.info.vocabulary, self._spelled)
        # What the encoder reads is no part of the reply: to repeat it is no repetition.
        read = self.tokenize(prompt.text) if processors else []
        told = [partial(_with_source, read, one) for one in processors]
        sampler = Sampler(params, self.info.vocabulary, [], biases, told, spell=self._spell)
        ends = frozenset() if params.ignore_eos else self._ends
        ends |= special_among(params.stop, self._tokenizer, partial(self._spelled, special=True))
        row = Line(source, sampler, limit, ends, self._start)
        self._batch.add(row)
        return Reply(row, self._batch, self._tokenizer, params)

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Token ids of a text to read, without the special tokens around it."""
        return self._ids(
            encodable(text), add_special_tokens=False, split_special_tokens=not special
        )

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of token ids."""
        refuse_unknown(tokens, self.info.vocabulary)
        return str(self._tokenizer.decode(list(tokens), clean_up_tokenization_spaces=False))

    def _spell(self, token: int) -> str:
        return self.detokenize([token])

    def close(self) -> None:
        """End the computing thread."""
        self._batch.close()

    def _encoded(self, text: str) -> list[int]:
        """What the encoder reads: the text's tokens and the special ones around them."""
        if not text:
            raise InvalidRequest("The prompt is empty.", hint="Write something.", param="prompt")
        tokens = self._ids(encodable(text), split_special_tokens=False)
        limit = self.info.context_length
        if len(tokens) > limit:
            raise PromptTooLong(
                f"The text has {len(tokens):,} tokens and the model reads {limit:,}.",
                hint="Divide it, or load the model with a larger n_ctx if it was made for that.",
                tokens=len(tokens),
                limit=limit,
            )
        return tokens

    def _spelled(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of a text to write; special tokens are plain text unless they are asked for."""
        return self._ids(
            text_target=encodable(text),
            add_special_tokens=False,
            split_special_tokens=not special,
        )

    def _ids(self, text: str | None = None, **how: Any) -> list[int]:
        with self._tokenizing:
            return list(self._tokenizer(text, **how)["input_ids"])


def _with_source(
    source: list[int], processor: Processor, written: Sequence[int], scores: Any
) -> Any:
    """Ask a processor, which is told what was read before what was written."""
    return processor([*source, *written], scores)


def _start(model: Any) -> int:
    """The token that the decoder starts from.

    Raises:
        LoadFailed: it is not known.
    """
    for config in (model.generation_config, model.config):
        for name in ("decoder_start_token_id", "bos_token_id"):
            found = getattr(config, name, None)
            if found is not None:
                return int(found)
    raise LoadFailed(
        "The model's configuration names no 'decoder_start_token_id', from which a reply starts.",
        hint="Add it to its generation_config.json.",
    )
