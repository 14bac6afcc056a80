"""The babbler with one defect each; the names of the checks that have to catch it are beside it."""

import time
from collections.abc import Callable, Iterator

import msgspec

from babbler import END, END_ID, Babbler, BabblerLoader, Options
from jackfield import (
    Field,
    Match,
    MemoryEstimate,
    ModelFiles,
    Settled,
    Token,
)

Bad = type[Babbler] | type[BabblerLoader]
CAUGHT: dict[Bad, tuple[str, ...]] = {}


def caught_by(*checks: str) -> Callable[[Bad], Bad]:
    def keep(kind: Bad) -> Bad:
        CAUGHT[kind] = tuple(f"test_{check}" for check in checks)
        return kind

    return keep


# In the host


@caught_by("it_recognizes_its_model")
class KnowsNothing(BabblerLoader):
    def probe(self, files: ModelFiles) -> Match | None:
        return None


@caught_by("it_leaves_what_is_not_its_own")
class ClaimsEverything(BabblerLoader):
    def probe(self, files: ModelFiles) -> Match:
        return Match(100, "anything")


class WordlessOptions(Options):
    wordless: int = Field(1)


@caught_by("every_option_has_a_default_and_help")
class HasNoHelp(BabblerLoader):
    Options = WordlessOptions


@caught_by("settled_options_stay_as_they_are")
class NeverSettles(BabblerLoader):
    def settle(self, files: ModelFiles, options: Options, machine: object) -> Settled:
        return Settled(options.model_copy(update={"threads": options.threads + 1}))


@caught_by("the_estimate_is_of_a_plausible_size")
class ForgetsItsWeights(BabblerLoader):
    def estimate(self, files: ModelFiles, options: Options) -> MemoryEstimate:
        return MemoryEstimate(0, 0, 0)


@caught_by("the_host_imports_no_back_end")
class ImportsInTheHost(BabblerLoader):
    def probe(self, files: ModelFiles) -> Match | None:
        import streamlit  # noqa: F401

        return super().probe(files)


@caught_by("the_host_does_not_wait")
class KeepsTheHostWaiting(BabblerLoader):
    def estimate(self, files: ModelFiles, options: Options) -> MemoryEstimate:
        time.sleep(2.1)
        return super().estimate(files, options)


# A reply


@caught_by("the_model_says_what_it_can_do")
class BoastsOfFields(Babbler):
    def __init__(self, files: ModelFiles, options: Options) -> None:
        super().__init__(files, options)
        fields = self.info.sampling_fields | {"charm"}
        self.info = msgspec.structs.replace(self.info, sampling_fields=fields)


@caught_by("a_reply_ends_with_one_finished_token_that_counts")
class NeverFinishes(Babbler):
    def last(self, text: str, finish: str, prompt: int, done: int) -> Token:
        return Token(text, prompt_tokens=prompt, completion_tokens=done)


@caught_by("reading_slowly_gives_the_same_as_reading_at_once")
class LosesTokensOfSlowReaders(Babbler):
    def tokens(self, ids, params, processors=()) -> Iterator[Token]:
        slow = False
        for token in super().tokens(ids, params, processors):
            if token.finish is None and slow:
                slow = False
                continue
            before = time.monotonic()
            yield token
            slow = time.monotonic() - before > 0.04


@caught_by("a_reply_comes_as_it_is_written")
class SaysAllAtTheEnd(Babbler):
    def tokens(self, ids, params, processors=()) -> Iterator[Token]:
        every = list(super().tokens(ids, params, processors))
        yield msgspec.structs.replace(every[-1], text="".join(one.text for one in every))


@caught_by("max_tokens_ends_the_reply")
class WritesOneMore(Babbler):
    def tokens(self, ids, params, processors=()) -> Iterator[Token]:
        more = (params.max_tokens or 100) + 1
        return super().tokens(ids, params.model_copy(update={"max_tokens": more}), processors)


@caught_by("as_many_tokens_come_as_are_counted")
class CountsPieces(Babbler):
    def last(self, text: str, finish: str, prompt: int, done: int) -> Token:
        return super().last(text, finish, prompt, done * 3)


@caught_by("a_stop_string_ends_the_text_and_does_not_leak")
class IgnoresStop(Babbler):
    def tokens(self, ids, params, processors=()) -> Iterator[Token]:
        return super().tokens(ids, params.model_copy(update={"stop": []}), processors)


@caught_by("a_stop_string_ends_the_text_and_does_not_leak")
class LooksForStopInSingleTokens(Babbler):
    def tokens(self, ids, params, processors=()) -> Iterator[Token]:
        for token in super().tokens(ids, params.model_copy(update={"stop": []}), processors):
            if token.text in params.stop:
                return
            yield token


@caught_by("what_may_begin_a_stop_string_is_not_lost")
class LosesWhatItHeldBack(Babbler):
    def last(self, text: str, finish: str, prompt: int, done: int) -> Token:
        return super().last("", finish, prompt, done)


@caught_by("a_seed_repeats_the_reply")
class IgnoresSeed(Babbler):
    def tokens(self, ids, params, processors=()) -> Iterator[Token]:
        return super().tokens(ids, params.model_copy(update={"seed": None}), processors)


@caught_by("greedy_repeats_without_a_seed")
class NeverGreedy(Babbler):
    def choose(self, ranked, params, chance):
        return super().choose(ranked, params.model_copy(update={"temperature": 2}), chance)


@caught_by("a_grammar_that_does_not_parse_is_refused", "a_grammar_holds")
class IgnoresGrammar(Babbler):
    def tokens(self, ids, params, processors=()) -> Iterator[Token]:
        return super().tokens(ids, params.model_copy(update={"grammar": ""}), processors)


# Tokens


@caught_by("an_empty_text_has_no_tokens")
class NothingIsAToken(Babbler):
    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        return super().tokenize(text, special=special) or [END_ID]


@caught_by("counting_agrees_with_the_tokenizer")
class CountsCharacters(Babbler):
    def count(self, text: str) -> int:
        return len(text)


@caught_by("prompt_tokens_are_counted_as_the_tokenizer_does")
class CountsThePromptWrong(Babbler):
    def last(self, text: str, finish: str, prompt: int, done: int) -> Token:
        return super().last(text, finish, prompt + 1, done)


@caught_by("text_survives_the_tokenizer")
class FoldsSpaces(Babbler):
    def detokenize(self, tokens):
        return " ".join(super().detokenize(tokens).split())


@caught_by("special_tokens_are_parsed_only_where_asked")
class AlwaysParsesSpecials(Babbler):
    def tokenize(self, text: str, *, special: bool = True) -> list[int]:
        return super().tokenize(text)


@caught_by("its_template_survives_the_tokenizer")
class DropsSpecials(Babbler):
    def detokenize(self, tokens):
        return super().detokenize(tokens).replace(END, "")


@caught_by("the_text_of_a_reply_is_that_of_its_tokens")
class TellsOtherIds(Babbler):
    def tokens(self, ids, params, processors=()) -> Iterator[Token]:
        for token in super().tokens(ids, params, processors):
            other = None if token.id is None else (token.id + 1) % 128
            yield msgspec.structs.replace(token, id=other)


@caught_by("characters_are_never_broken", "characters_of_a_grammar_are_never_broken")
class BreaksCharacters(Babbler):
    def tokens(self, ids, params, processors=()) -> Iterator[Token]:
        for token in super().tokens(ids, params, processors):
            half = "" if token.id is None else bytes([token.id]).decode(errors="replace")
            yield msgspec.structs.replace(token, text=half)


# Probabilities


@caught_by("log_probabilities_come_only_where_asked")
class AlwaysTellsLogprobs(Babbler):
    def tokens(self, ids, params, processors=()) -> Iterator[Token]:
        wanted = params.logprobs or 1
        return super().tokens(ids, params.model_copy(update={"logprobs": wanted}), processors)


@caught_by("alternatives_are_a_distribution")
class NeverNormalizes(Babbler):
    def ranked(self, target: int, at: int) -> list[tuple[int, float]]:
        return [(one, max(-0.3, logprob)) for one, logprob in super().ranked(target, at)]


@caught_by("the_likeliest_token_is_chosen_at_temperature_0")
class TellsTheProbabilityOfTheSecond(Babbler):
    def choose(self, ranked, params, chance):
        return ranked[0][0], ranked[1][1]
