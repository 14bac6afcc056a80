"""A causal language model of Transformers as Jackfield's pipeline sees it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from jackfield import (
    Adapter,
    InvalidRequest,
    LoadedModel,
    ModelInfo,
    Prompt,
    PromptTooLong,
    SamplingParams,
    Token,
)
from jackfield_loaders.transformers.adapters import Adapters
from jackfield_loaders.transformers.batch import Batch
from jackfield_loaders.transformers.caches import is_whole
from jackfield_loaders.transformers.constraint import Constraints
from jackfield_loaders.transformers.reply import Reply
from jackfield_loaders.transformers.row import Row
from jackfield_loaders.transformers.sampler import FIELDS, Processor, Sampler
from jackfield_loaders.transformers.tokens import (
    adds_bos,
    bias,
    encodable,
    ends_of,
    refuse_unknown,
    special_among,
)

CAPABILITIES = frozenset({"completion", "chat", "logits_processors"})


class CausalModel(LoadedModel):
    """A model, its tokenizer and the thread that computes for all requests.

    Args:
        n_ctx: tokens of context for each request; 0: what the model was trained for.
        parallel: requests in one batch.
        takes_adapters: LoRA adapters can be attached to it.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        n_ctx: int,
        parallel: int,
        takes_adapters: bool = False,
    ) -> None:
        self._model = model
        self._adapters = Adapters(model) if takes_adapters else None
        self._tokenizer = tokenizer
        # Whether special tokens are plain text is a setting of the tokenizer, not of a call.
        self._tokenizing = threading.Lock()
        text = model.config.get_text_config()
        trained = int(getattr(text, "max_position_embeddings", 0) or 0)
        context = min(n_ctx, trained) if n_ctx and trained else n_ctx
        # A state that is one whole cannot be cut and joined row by row.
        alone = is_whole(model)
        length = context or trained or 4096
        self._batch = Batch(model, 1 if alone else parallel, length, stateful=alone)
        self.info = ModelInfo(
            architecture=str(model.config.model_type),
            context_length=length,
            trained_context=trained,
            vocabulary=int(text.vocab_size),
            chat_template=_template(tokenizer),
            bos=tokenizer.bos_token or "",
            eos=tokenizer.eos_token or "",
            adds_bos=adds_bos(tokenizer),
            capabilities=CAPABILITIES | ({"lora"} if takes_adapters else set()),
            sampling_fields=FIELDS,
            parallel=1 if alone else parallel,
        )
        self._ends = ends_of(model, tokenizer)
        self._constraints = Constraints(tokenizer, self.info.vocabulary, self._ends)

    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        """Join the batch at its next step."""
        return self.complete_processed(prompt, params, ())

    def complete_processed(
        self, prompt: Prompt, params: SamplingParams, processors: Sequence[Processor]
    ) -> Iterator[Token]:
        """The same, with plugins that change the scores of each token first."""
        if prompt.media:
            raise InvalidRequest("This model takes no images or recordings.", param="messages")
        tokens = self._prompt_tokens(prompt.text)
        room = self.info.context_length - len(tokens)
        limit = min(params.max_tokens or room, room)
        ends = frozenset() if params.ignore_eos else self._ends
        ends |= special_among(params.stop, self._tokenizer, self.tokenize)
        sampler = Sampler(
            params,
            self.info.vocabulary,
            tokens,
            self._bias(params),
            processors,
            constraint=self._constraints.of(params),
            spell=lambda token: self.detokenize([token]),
        )
        row = Row(tokens, sampler, limit, ends)
        self._batch.add(row)
        return Reply(row, self._batch, self._tokenizer, params, after=tokens)

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Token ids by the model's own tokenizer."""
        text = encodable(text)
        with self._tokenizing:
            found = self._tokenizer(
                text, add_special_tokens=False, split_special_tokens=not special
            )
        return list(found["input_ids"])

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of token ids."""
        refuse_unknown(tokens, self.info.vocabulary)
        return str(self._tokenizer.decode(list(tokens), clean_up_tokenization_spaces=False))

    def set_adapters(self, adapters: Sequence[Adapter]) -> None:
        """Attach these once the requests that run have ended; those that come then wait."""
        attached = self._adapters
        if attached is None:
            return super().set_adapters(adapters)
        return self._batch.alone(lambda: attached.apply(adapters))

    def close(self) -> None:
        """End the computing thread."""
        self._batch.close()

    def _prompt_tokens(self, text: str) -> list[int]:
        if not text:
            raise InvalidRequest("The prompt is empty.", hint="Write something.", param="prompt")
        tokens = self.tokenize(text)
        first = self._tokenizer.bos_token_id
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

    def _bias(self, params: SamplingParams) -> dict[int, float]:
        spell = partial(self.tokenize, special=False)
        return bias(params, self.info.vocabulary, spell)


def _template(tokenizer: Any) -> str:
    template = getattr(tokenizer, "chat_template", None)
    if isinstance(template, dict):
        template = template.get("default")
    return template or ""
