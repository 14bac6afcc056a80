"""What embedding models and cross-encoders have in common once they are loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from jackfield import (
    InvalidRequest,
    LoadedModel,
    LoaderError,
    LoadFailed,
    ModelFileError,
    ModelFiles,
    ModelInfo,
    PromptTooLong,
)
from jackfield_loaders.sentence_transformers.identify import config
from jackfield_loaders.sentence_transformers.options import SentenceTransformersOptions

Found = TypeVar("Found")

ROUND = 4
"""Batches in a round of the gatherer: enough for sorting by length to pay."""


def opened(
    make: Callable[..., Any], files: ModelFiles, options: SentenceTransformersOptions
) -> Any:
    """A model of the library, on its device.

    Raises:
        ModelFileError: the weights or the configuration are broken.
        LoadFailed: the library or torch cannot load it.
    """
    import torch
    from safetensors import SafetensorError

    torch.set_num_threads(options.n_threads or torch.get_num_threads())
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)  # else a bar a request
    dtype = None if options.dtype == "auto" else getattr(torch, options.dtype)
    try:
        model = make(
            str(files.path),
            device=None if options.device == "auto" else options.device,
            trust_remote_code=options.trust_remote_code,
            local_files_only=True,
            model_kwargs={"dtype": dtype, "use_safetensors": True},
        )
    except (SafetensorError, UnicodeDecodeError) as error:
        raise ModelFileError(
            f"The weights of {files.path.name!r} are broken: {error}.", hint="Fetch them again."
        ) from error
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise LoadFailed(
            f"sentence-transformers could not load {files.path.name!r}: {error}",
            hint=_advice(str(error)),
        ) from error
    if options.max_seq_length:
        model.max_seq_length = options.max_seq_length
    return model.eval()


def _advice(reason: str) -> str:
    if "trust_remote_code" in reason:
        return "If you trust its code, set the load option trust_remote_code."
    return "The model's log says more."


class Engine(LoadedModel):
    """A model of sentence-transformers with its tokenizer."""

    def __init__(
        self, model: Any, files: ModelFiles, options: SentenceTransformersOptions, **facts: Any
    ) -> None:
        self._model: Any = model
        self._options = options
        self._tokenizer: Any = model.tokenizer
        # Far above any real length is how a tokenizer says that it knows no limit.
        positions = int(config(files).get("max_position_embeddings") or 512)
        limit = int(model.max_seq_length or 0)
        self._limit = limit if 0 < limit < 10**9 else positions
        self.info = ModelInfo(
            architecture=str(config(files).get("model_type", "")),
            context_length=self._limit,
            trained_context=positions,
            vocabulary=len(self._tokenizer),
            bos=self._tokenizer.cls_token or "",
            eos=self._tokenizer.sep_token or "",
            parallel=options.parallel,
            **facts,
        )

    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        """Token ids, without those that the model puts around a text."""
        found = self._tokenizer(
            text,
            add_special_tokens=False,
            truncation=False,
            split_special_tokens=not special,
            verbose=False,
        )
        return list(found["input_ids"])

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of token ids, as the tokenizer spells it."""
        for token in tokens:
            if not 0 <= token < self.info.vocabulary:
                raise InvalidRequest(
                    f"There is no token {token!r}; the model has tokens 0 to "
                    f"{self.info.vocabulary - 1}."
                )
        return str(self._tokenizer.decode(list(tokens)))

    def lengths(self, texts: list[str], others: list[str] | None = None) -> list[int]:
        """Tokens of each text, or pair of texts, with those put around them.

        Raises:
            PromptTooLong: one is longer than the model reads, unless such are cut.
        """
        found = self._tokenizer(
            texts,
            others,
            truncation=False,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        counts = [len(ids) for ids in found["input_ids"]]
        if self._options.truncate:
            return [min(count, self._limit) for count in counts]
        for place, count in enumerate(counts):
            if count > self._limit:
                raise too_long(place, count, self._limit)
        return counts

    def computed(self, compute: Callable[[], Found]) -> Found:
        """What a computation gives.

        Raises:
            LoaderError: torch failed, for example for want of memory.
        """
        try:
            return compute()
        except (RuntimeError, ValueError, IndexError) as error:
            raise LoaderError(f"The computation failed: {error}") from error


def too_long(place: int, count: int, limit: int) -> PromptTooLong:
    """The error for a text that the model does not read to its end."""
    return PromptTooLong(
        f"Text {place} has {count:,} tokens and the model reads at most {limit:,}.",
        hint="Cut it into pieces, or load the model with the option truncate.",
        tokens=count,
        limit=limit,
        index=place,
        param="input",
    )
