"""What every loader must keep to, as a suite that authors run on theirs."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from jackfield.errors import JackfieldError, PromptTooLong
from jackfield.loader import LoadedModel, Loader, LoadOptions, ModelFiles, Prompt, Token
from jackfield.sampling import SamplingParams

UNICODE = "Zoë naïve — 日本語, Привет, 👩‍🚀 and 🙂"
PATIENCE = 120.0
"""Seconds after which something that should happen is held not to."""


class LoaderConformance:
    """Subclass it in a test module, name the loader and a model; pytest finds the rest.

    ::

        class TestParrotLoader(LoaderConformance):
            loader = ParrotLoader()
            options = ParrotLoader.Options(n_ctx=512)
            files = ModelFiles(path=Path("polly.parrot"), format="parrot", size=1234)

    The model is loaded once, in this process. Tests of a sampling parameter pass at once where the
    model does not claim it. Use a small model and a short context: some tests fill it.

    Attributes:
        loader: the loader.
        options: its options; the default is ``loader.Options()``.
        files: the model. Instead, :meth:`model_files` may make one.
        prompt: a text that the model goes on from with at least 24 tokens.
        filler: a text that is repeated to fill the context.
    """

    loader: ClassVar[Loader]
    options: ClassVar[LoadOptions | None] = None
    files: ClassVar[ModelFiles | None] = None
    prompt: ClassVar[str] = "Once upon a time there was"
    filler: ClassVar[str] = "once upon a time "
    model: ClassVar[LoadedModel]
    _folder: ClassVar[tempfile.TemporaryDirectory[str] | None] = None

    @classmethod
    def model_files(cls, folder: Path) -> ModelFiles:
        """Make a small model in ``folder``, where ``files`` is not set."""
        raise NotImplementedError(f"{cls.__name__} needs `files` or `model_files`")

    @classmethod
    def setup_class(cls) -> None:
        """Load the model."""
        if cls.files is None:
            cls._folder = tempfile.TemporaryDirectory()
            cls.files = cls.model_files(Path(cls._folder.name))
        cls.options = cls.options or cls.loader.Options()
        cls.model = cls.loader.load(cls.files, cls.options)

    @classmethod
    def teardown_class(cls) -> None:
        """Close the model."""
        cls.model.close()
        if cls._folder is not None:
            cls._folder.cleanup()

    def test_it_recognizes_its_model(self) -> None:
        """``probe`` says how well it can open the model, and why."""
        match = self.loader.probe(self._files())
        assert match is not None, "probe() does not recognize the model"
        assert 0 < match.score <= 100, f"the score {match.score} is not within 1 to 100"
        assert match.reason, "the match gives no reason"

    def test_it_leaves_what_is_not_its_own(self) -> None:
        """``probe`` returns None for a file of a format it cannot know."""
        foreign = ModelFiles(path=Path("foreign.no-such-format"), format="no-such-format", size=1)
        assert self.loader.probe(foreign) is None, "probe() claims a format that does not exist"

    def test_every_option_has_a_default_and_help(self) -> None:
        """The load form can be drawn, and the model loads without filling it in."""
        for name, field in self.loader.Options.model_fields.items():
            assert not field.is_required(), f"option {name!r} has no default"
            assert field.description, f"option {name!r} has no description"

    def test_the_estimate_is_of_a_plausible_size(self) -> None:
        """``estimate`` gives at least the weights, in bytes."""
        estimate = self.loader.estimate(self._files(), self._options())
        assert estimate.weights > 0, "the estimate has no weights"
        assert estimate.total >= estimate.weights, "the estimate's total is less than its weights"

    def test_the_model_says_what_it_can_do(self) -> None:
        """Context and slots are positive; every sampling field it claims exists."""
        info = self.model.info
        assert info.context_length > 0, "context_length is not positive"
        assert info.parallel > 0, "parallel is not positive"
        unknown = info.sampling_fields - set(SamplingParams.model_fields)
        assert not unknown, f"sampling_fields names {sorted(unknown)}, which do not exist"
        for name in ("max_tokens", "stop"):
            assert name in info.sampling_fields, f"every loader must honour {name!r}"

    def test_a_reply_ends_with_one_finished_token_that_counts(self) -> None:
        """Only the last token has ``finish``, and it has the counts."""
        tokens = self._complete(max_tokens=8)
        assert tokens, "there is no token at all"
        assert [token.finish is not None for token in tokens[:-1]] == [False] * (len(tokens) - 1)
        last = tokens[-1]
        assert last.finish in ("stop", "length"), f"finish is {last.finish!r}"
        assert 0 < last.completion_tokens <= 8, f"completion_tokens is {last.completion_tokens}"
        assert last.cached_tokens <= last.prompt_tokens, "more tokens reused than the prompt has"

    def test_max_tokens_ends_the_reply(self) -> None:
        """The reply is just so long, and says that it was cut."""
        for limit in (1, 5):
            last = self._complete(max_tokens=limit)[-1]
            assert last.completion_tokens == limit, (
                f"max_tokens={limit} gave {last.completion_tokens} tokens"
            )
            assert last.finish == "length", f"finish is {last.finish!r} and not 'length'"

    def test_prompt_tokens_are_counted_as_the_tokenizer_does(self) -> None:
        """``prompt_tokens`` is the tokenizer's count, plus a BOS token if the engine adds one."""
        for text in (self.prompt, UNICODE):
            counted = self.model.count(text) + self.model.info.adds_bos
            reported = self._complete(text, max_tokens=1)[-1].prompt_tokens
            assert reported == counted, f"{reported} tokens reported, {counted} counted: {text!r}"

    def test_text_survives_the_tokenizer(self) -> None:
        """``detokenize(tokenize(text))`` is the text, in any script."""
        for text in (self.prompt, UNICODE, "a\n\n  b\tc"):
            back = self.model.detokenize(self.model.tokenize(text))
            # A tokenizer of the SentencePiece kind puts a space before the first word.
            assert back.removeprefix(" ") == text.removeprefix(" "), f"{text!r} became {back!r}"

    def test_an_empty_text_has_no_tokens(self) -> None:
        """Counting nothing is nothing, not an error."""
        assert self.model.tokenize("") == []
        assert self.model.count("") == 0

    def test_characters_are_never_broken(self) -> None:
        """No token's text holds half a character, also where tokens are parts of characters."""
        for token in self._complete(f"{UNICODE}\n{UNICODE}\n", max_tokens=16):
            token.text.encode()
        if not self._has("grammar"):
            return
        wanted = "é🙂日本👩‍🚀."
        for limit in range(1, 12):
            tokens = self._complete(max_tokens=limit, grammar=f'root ::= "{wanted}"')
            text = _text(tokens)
            assert wanted.startswith(text), f"cut after {limit} tokens, the reply is {text!r}"

    def test_a_stop_string_ends_the_text_and_does_not_leak(self) -> None:
        """The text ends just before the stop string, wherever tokens divide it."""
        whole = self._greedy(24)
        assert len(whole) > 12, f"the model goes on from {self.prompt!r} with too little: {whole!r}"
        for start, end in ((4, 6), (5, 9), (3, 12)):
            stop = whole[start:end]
            expected = whole[: whole.find(stop)]
            tokens = self._complete(max_tokens=24, stop=[stop, "never written"], **self._greed())
            assert _text(tokens) == expected, (
                f"stop {stop!r} of {whole!r} gave {_text(tokens)!r}, not {expected!r}"
            )
            assert tokens[-1].finish == "stop", f"finish is {tokens[-1].finish!r} and not 'stop'"

    def test_what_may_begin_a_stop_string_is_not_lost(self) -> None:
        """Text held back for a stop string that then does not come is written after all."""
        whole = self._greedy(8)
        stop = whole[-1] + "never written"
        assert self._greedy(8, stop=[stop]) == whole

    def test_a_seed_repeats_the_reply(self) -> None:
        """The same seed gives the same text again and again; other seeds give others."""
        if not (self._has("seed") and self._has("temperature")):
            return
        texts = [self._sampled(seed) for seed in (1, 1, 1, 2, 3, 4)]
        assert texts[0] == texts[1] == texts[2], f"seed 1 gave {texts[:3]}"
        assert len(set(texts[2:])) > 1, f"four seeds gave one text: {texts[0]!r}"

    def test_greedy_repeats_without_a_seed(self) -> None:
        """Temperature 0 takes the likeliest token."""
        if self._has("temperature"):
            texts = {self._greedy(6) for _ in range(3)}
            assert len(texts) == 1, f"temperature 0 gave {sorted(texts)}"

    def test_log_probabilities_are_those_of_tokens(self) -> None:
        """They are at most 0; alternatives are sorted, as many as asked, and different."""
        if not self._has("logprobs"):
            return
        tokens = [token for token in self._complete(max_tokens=6, logprobs=3) if token.text]
        assert tokens, "there is no token"
        for token in tokens:
            if token.finish is not None:
                continue
            assert token.logprob is not None and token.logprob <= 0, f"logprob {token.logprob}"
            given = [alternative.logprob for alternative in token.top]
            assert len(given) == 3, f"{len(given)} alternatives, not 3"
            assert given == sorted(given, reverse=True), f"alternatives out of order: {given}"
            assert max(given) <= 0, f"an alternative's logprob is {max(given)}"
            assert len({alternative.id for alternative in token.top}) == 3
        plain = self._complete(max_tokens=3)
        assert all(token.logprob is None for token in plain), "logprobs come without being asked"

    def test_a_prompt_longer_than_the_context_is_refused(self) -> None:
        """PromptTooLong with both numbers, and the next request works."""
        limit = self.model.info.context_length
        each = max(self.model.count(self.filler * 8) // 8, 1)
        text = self.filler * (limit // each + 8)
        try:
            self._complete(text, max_tokens=1)
        except PromptTooLong as error:
            assert error.details.get("limit") == limit, f"limit is {error.details.get('limit')}"
            assert error.details.get("tokens", 0) > limit, f"tokens: {error.details.get('tokens')}"
        else:
            raise AssertionError("a prompt longer than the context was not refused")
        assert self._complete(max_tokens=2)[-1].finish is not None

    def test_the_context_is_as_long_as_it_says(self) -> None:
        """A prompt of nearly the whole context is answered, and the reply ends where it is full."""
        limit = self.model.info.context_length
        times = limit * 16 // max(self.model.count(self.filler * 16), 1) + 1
        while self.model.count(self.filler * times) + self.model.info.adds_bos > limit - 4:
            times -= 1
        last = self._complete(self.filler * times)[-1]
        assert last.completion_tokens >= 1, "nothing was written"
        used = last.prompt_tokens + last.completion_tokens
        assert used <= limit + 1, f"{used} tokens in a context of {limit}"

    def test_closing_the_iterator_frees_its_slot(self) -> None:
        """More requests than slots can be begun and closed, and the next one is answered."""
        for _ in range(self.model.info.parallel + 2):
            iterator = self.model.complete(Prompt(self.prompt), SamplingParams())
            next(iterator)
            _close(iterator)
        begun = time.monotonic()
        assert self._complete(max_tokens=2)[-1].finish is not None
        assert time.monotonic() - begun < PATIENCE / 4, "the next request had to wait"

    def test_a_closed_iterator_gives_nothing_more(self) -> None:
        """Closing twice is harmless."""
        iterator = self.model.complete(Prompt(self.prompt), SamplingParams())
        next(iterator)
        _close(iterator)
        _close(iterator)
        assert next(iterator, None) is None, "a closed iterator goes on"

    def test_requests_at_once_do_not_mix(self) -> None:
        """As many as there are slots, and more, each get the reply they get alone."""
        words = ("red", "blue", "green", "one", "two", "three")
        count = min(self.model.info.parallel + 2, len(words))
        prompts = [f"{word} {word} {word} {word} {word}" for word in words[:count]]
        counted = [self.model.count(text) + self.model.info.adds_bos for text in prompts]
        replies: list[list[Token]] = [[] for _ in prompts]
        errors: list[Exception] = []

        def ask(number: int) -> None:
            try:
                replies[number] = self._complete(prompts[number], max_tokens=6, **self._greed())
            except Exception as error:  # noqa: BLE001 - reported below, in the test's own thread
                errors.append(error)

        threads = [
            threading.Thread(target=ask, args=(number,), daemon=True) for number in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in threads), "requests at once hang"
        assert not errors, f"requests at once fail: {errors[0]}"
        for text, tokens, number in zip(prompts, replies, counted, strict=True):
            assert tokens[-1].prompt_tokens == number, f"{text!r} was counted as another prompt"

    def test_a_grammar_that_does_not_parse_is_refused(self) -> None:
        """An InvalidRequest, and the model lives on."""
        if not self._has("grammar"):
            return
        try:
            self._complete(max_tokens=2, grammar="root ::= (")
        except JackfieldError as error:
            assert error.status == 400, f"the error's status is {error.status}"
        else:
            raise AssertionError("a broken grammar was accepted")
        assert self._complete(max_tokens=2)[-1].finish is not None

    def test_a_grammar_holds(self) -> None:
        """The reply is one that the grammar allows."""
        if self._has("grammar"):
            text = _text(self._complete(max_tokens=16, grammar='root ::= "yes" | "no"'))
            assert text in ("yes", "no"), f"the reply is {text!r}"

    def _files(self) -> ModelFiles:
        assert self.files is not None
        return self.files

    def _options(self) -> LoadOptions:
        assert self.options is not None
        return self.options

    def _has(self, field: str) -> bool:
        return field in self.model.info.sampling_fields

    def _greed(self) -> dict[str, Any]:
        return {"temperature": 0} if self._has("temperature") else {}

    def _greedy(self, limit: int, **fields: Any) -> str:
        return _text(self._complete(max_tokens=limit, **self._greed(), **fields))

    def _sampled(self, seed: int) -> str:
        return _text(self._complete(max_tokens=10, seed=seed, temperature=1.5))

    def _complete(self, text: str = "", **fields: Any) -> list[Token]:
        iterator = self.model.complete(Prompt(text or self.prompt), SamplingParams(**fields))
        try:
            return list(iterator)
        finally:
            _close(iterator)


def _text(tokens: Sequence[Token]) -> str:
    return "".join(token.text for token in tokens)


def _close(iterator: Any) -> None:
    shut = getattr(iterator, "close", None)
    if shut is not None:
        shut()
