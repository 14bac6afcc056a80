"""More of the babbler with one defect each: many requests, vectors, loading and unloading."""

import itertools
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from babbler import DIMENSIONS, Babbler, BabblerLoader, Options, Reply, unit
from babbler_defects import caught_by
from jackfield import Embeddings, LoadedModel, ModelFiles, Prompt, Ranking, SamplingParams, Token


class NeverFreed(Reply):
    def close(self) -> None:
        self._closed.set()


@caught_by("closing_the_iterator_frees_its_slot")
class LeaksSlots(Babbler):
    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        return NeverFreed(self.tokens(self.tokenize(prompt.text), params), self)


class GoesOn(Reply):
    def close(self) -> None:
        super().close()
        threading.Thread(target=spin, args=(3.0,), daemon=True).start()


def spin(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        math.sqrt(2)


@caught_by("a_cancelled_request_stops_at_once")
class ComputesOn(Babbler):
    def complete_processed(self, prompt, params, processors) -> Iterator[Token]:
        return GoesOn(self.tokens(self.tokenize(prompt.text), params), self)


@caught_by("a_request_can_be_cancelled_before_its_first_token")
class ReadsThePromptToItsEnd(Babbler):
    def tokens(self, ids, params, processors=()) -> Iterator[Token]:
        time.sleep(0.02 * len(ids))
        yield from super().tokens(ids, params, processors)


class Deaf(Reply):
    def close(self) -> None:
        self._give_back()


@caught_by("a_closed_iterator_gives_nothing_more")
class GoesOnWhenClosed(Babbler):
    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        return Deaf(self.tokens(self.tokenize(prompt.text), params), self)


@caught_by("requests_at_once_do_not_mix")
class MixesPrompts(Babbler):
    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        self.latest = self.tokenize(prompt.text)
        return super().complete(prompt, params)

    def target(self, ids: list[int], at: int) -> int:
        time.sleep(0.005)
        return super().target(self.latest, at)


@caught_by("parameters_at_once_do_not_mix")
class MixesParameters(Babbler):
    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        self.latest = params
        return super().complete(prompt, params)

    def choose(self, ranked, params, chance):
        time.sleep(0.005)
        return super().choose(ranked, self.latest, chance)


class EndsAll(Reply):
    def close(self) -> None:
        super().close()
        self._model.ended += 1


@caught_by("one_that_is_cancelled_leaves_the_others_alone")
class CancelsAll(Babbler):
    ended = 0

    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        return EndsAll(self.until_ended(self.tokenize(prompt.text), params), self)

    def until_ended(self, ids: list[int], params: SamplingParams) -> Iterator[Token]:
        before = self.ended
        for token in self.tokens(ids, params):
            time.sleep(0.005)
            if self.ended > before:
                return
            yield token


@caught_by("a_prompt_longer_than_the_context_is_refused")
class CutsLongPrompts(Babbler):
    def complete(self, prompt: Prompt, params: SamplingParams) -> Iterator[Token]:
        return super().complete(Prompt(prompt.text[-100:]), params)


@caught_by("the_context_is_as_long_as_it_says")
class OverrunsItsContext(Babbler):
    def tokens(self, ids, params, processors=()) -> Iterator[Token]:
        limit = self.info.context_length
        cut = {"max_tokens": params.max_tokens or limit}
        return super().tokens(ids[: limit // 2], params.model_copy(update=cut), processors)

    def last(self, text: str, finish: str, prompt: int, done: int) -> Token:
        return super().last(text, finish, prompt * 2, done)


# Vectors


@caught_by("embeddings_have_the_shape_it_says")
class StatesOtherDimensions(Babbler):
    def __init__(self, files: ModelFiles, options: Options) -> None:
        super().__init__(files, options)
        self.info = msgspec.structs.replace(self.info, embedding_dimensions=DIMENSIONS * 2)


@caught_by("embeddings_have_length_one")
class MakesLongVectors(Babbler):
    def vector(self, text: str, width: int = DIMENSIONS) -> list[float]:
        return [3 * one for one in super().vector(text, width)]


@caught_by("embeddings_of_a_text_are_always_the_same")
class LetsBatchesBleed(Babbler):
    def embed(self, texts, *, dimensions: int = 0) -> Embeddings:
        rows = super().embed(texts, dimensions=dimensions).rows()
        for before, row in itertools.pairwise(rows):
            row[:] = unit([one + other for one, other in zip(row, before, strict=True)])
        return Embeddings.of(rows)


@caught_by("similar_texts_have_similar_embeddings")
class HashesWholeTexts(Babbler):
    def vector(self, text: str, width: int = DIMENSIONS) -> list[float]:
        return super().vector("kitten" if "kitten" in text else "same", width)


@caught_by("embeddings_can_be_shortened")
class NeverShortens(Babbler):
    def embed(self, texts, *, dimensions: int = 0) -> Embeddings:
        return super().embed(texts)


@caught_by("embeddings_at_once_do_not_mix")
class MixesTexts(Babbler):
    def embed(self, texts, *, dimensions: int = 0) -> Embeddings:
        self.latest = texts
        time.sleep(0.05)
        return super().embed(self.latest, dimensions=dimensions)


@caught_by("a_text_that_is_too_long_to_embed_is_refused")
class EmbedsTheBeginning(Babbler):
    def embed(self, texts, *, dimensions: int = 0) -> Embeddings:
        return super().embed([text[:100] for text in texts], dimensions=dimensions)


@caught_by("ranking_puts_the_answer_first")
class RanksByPlace(Babbler):
    def rerank(self, query, documents) -> Ranking:
        return Ranking(tuple(sorted(super().rerank(query, documents).scores, reverse=True)))


# Life


def in_worker() -> bool:
    """Whether this is a worker: its arguments are its host's number and the model's name."""
    return len(sys.argv) == 3 and sys.argv[1].isdecimal()


class OtherInWorkers(Babbler):
    def target(self, ids: list[int], at: int) -> int:
        return 33 if in_worker() else super().target(ids, at)


@caught_by("it_answers_the_same_in_a_worker")
class AnswersOtherwiseInWorkers(BabblerLoader):
    Model = OtherInWorkers


@caught_by("unloading_gives_the_memory_back")
class LeavesAProcess(BabblerLoader):
    def load(self, files: ModelFiles, options: Options) -> LoadedModel:
        if in_worker():
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(4)"])
        return super().load(files, options)


@caught_by("a_broken_file_is_refused")
class LoadsAnything(BabblerLoader):
    def load(self, files: ModelFiles, options: Options) -> LoadedModel:
        return self.Model(files, options)


@caught_by("a_broken_file_is_refused")
class CrashesOnBrokenFiles(BabblerLoader):
    def load(self, files: ModelFiles, options: Options) -> LoadedModel:
        try:
            return super().load(files, options)
        except Exception:  # noqa: BLE001 - the defect
            os.abort()


@caught_by("adapters_are_attached_and_detached")
class KeepsAdapters(Babbler):
    def set_adapters(self, adapters) -> None:
        super().set_adapters([*self.adapters, *adapters])


@caught_by("adapters_are_attached_and_detached")
class TakesAnyAdapter(Babbler):
    def set_adapters(self, adapters) -> None:
        self.adapters = [one for one in adapters if Path(one.path).is_dir()]


@caught_by("processors_decide_what_can_be_chosen", "processors_see_the_tokens_and_their_scores")
class HearsNoProcessor(Babbler):
    def processed(self, ranked, ids, processors):
        return ranked


@caught_by("processors_see_the_tokens_and_their_scores")
class HidesThePrompt(Babbler):
    def processed(self, ranked, ids, processors):
        return super().processed(ranked, ids[-1:], processors)


@caught_by("processors_decide_what_can_be_chosen")
class KeepsProcessors(Babbler):
    def complete_processed(self, prompt, params, processors):
        self.kept = [*getattr(self, "kept", []), *processors]
        return super().complete_processed(prompt, params, self.kept)


@caught_by("processors_see_the_tokens_and_their_scores")
class ShowsHalfTheScores(Babbler):
    def processed(self, ranked, ids, processors):
        for one in processors:
            one(ids, np.zeros(100, np.float32))
        return ranked
