"""One reply: how it ends, what stops it, what repeats it."""

from __future__ import annotations

import time

from jackfield.sampling import SamplingParams
from jackfield.testing.conformance.suite import Suite, close, text_of, within


class Replies(Suite):
    """Streams, limits, stop strings, seeds and grammars."""

    def test_the_model_says_what_it_can_do(self) -> None:
        """Context and slots are positive; every sampling field it claims exists."""
        info = self.model.info
        assert info.context_length > 0, "context_length is not positive"
        assert info.parallel > 0, "parallel is not positive"
        unknown = info.sampling_fields - set(SamplingParams.model_fields)
        assert not unknown, f"sampling_fields names {sorted(unknown)}, which do not exist"
        if "completion" in info.capabilities:
            for name in ("max_tokens", "stop"):
                assert name in info.sampling_fields, f"every loader must honour {name!r}"

    def test_a_reply_ends_with_one_finished_token_that_counts(self) -> None:
        """Only the last token has ``finish``, and it has the counts."""
        self.claims("completion")
        tokens = self.complete(max_tokens=8)
        assert tokens, "there is no token at all"
        assert [token.finish is not None for token in tokens[:-1]] == [False] * (len(tokens) - 1)
        last = tokens[-1]
        assert last.finish in ("stop", "length"), f"finish is {last.finish!r}"
        assert 0 < last.completion_tokens <= 8, f"completion_tokens is {last.completion_tokens}"
        assert last.cached_tokens <= last.prompt_tokens, "more tokens reused than the prompt has"

    def test_reading_slowly_gives_the_same_as_reading_at_once(self) -> None:
        """Streaming equals not streaming, and the first token comes before the last is written."""
        self.claims("completion")
        whole = self.greedy(8)

        def slowly() -> str:
            iterator, text = self.begin(max_tokens=8, **self.greed()), ""
            try:
                for token in iterator:
                    text += token.text
                    time.sleep(0.05)
            finally:
                close(iterator)
            return text

        slow = within(self.patience, slowly, "a reply that is read slowly")
        assert slow == whole, f"read slowly the reply is {slow!r}, at once {whole!r}"

    def test_a_reply_comes_as_it_is_written(self) -> None:
        """Several tokens, not all at the end."""
        self.claims("completion")
        tokens = self.complete(max_tokens=8, **self.greed())
        pieces = [token for token in tokens if token.text]
        assert len(pieces) > 1, f"eight tokens come in {len(pieces)} piece"

    def test_max_tokens_ends_the_reply(self) -> None:
        """The reply is just so long, and says that it was cut."""
        self.claims("completion")
        for limit in (1, 5):
            last = self.complete(max_tokens=limit)[-1]
            assert last.completion_tokens == limit, (
                f"max_tokens={limit} gave {last.completion_tokens} tokens"
            )
            assert last.finish == "length", f"finish is {last.finish!r} and not 'length'"

    def test_as_many_tokens_come_as_are_counted(self) -> None:
        """``completion_tokens`` is what the tokenizer makes of the reply, give or take a few."""
        self.claims("completion")
        self.has_tokenizer()
        tokens = self.complete(max_tokens=16, **self.greed())
        counted, reported = self.model.count(text_of(tokens)), tokens[-1].completion_tokens
        # A reply may be divided otherwise than the tokenizer would, never into half as many.
        assert counted / 2 <= reported <= 2 * counted + 2, f"{reported} reported, {counted} counted"

    def test_a_stop_string_ends_the_text_and_does_not_leak(self) -> None:
        """The text ends just before the stop string, wherever tokens divide it."""
        self.claims("completion")
        whole = self.greedy(24)
        assert len(whole) > 12, f"the model goes on from {self.prompt!r} with too little: {whole!r}"
        for start, end in ((4, 6), (5, 9), (3, 12)):
            stop = whole[start:end]
            expected = whole[: whole.find(stop)]
            tokens = self.complete(max_tokens=24, stop=[stop, "never written"], **self.greed())
            assert text_of(tokens) == expected, (
                f"stop {stop!r} of {whole!r} gave {text_of(tokens)!r}, not {expected!r}"
            )
            assert tokens[-1].finish == "stop", f"finish is {tokens[-1].finish!r} and not 'stop'"

    def test_what_may_begin_a_stop_string_is_not_lost(self) -> None:
        """Text held back for a stop string that then does not come is written after all."""
        self.claims("completion")
        whole = self.greedy(8)
        held = self.greedy(8, stop=[whole[-1] + "never written"])
        assert held == whole, f"{whole!r} became {held!r}"

    def test_a_seed_repeats_the_reply(self) -> None:
        """The same seed gives the same text again and again; other seeds give others."""
        self.samples("seed", "temperature")
        texts = [
            text_of(self.complete(max_tokens=10, seed=seed, temperature=1.5))
            for seed in (1, 1, 1, 2, 3, 4)
        ]
        assert texts[0] == texts[1] == texts[2], f"seed 1 gave {texts[:3]}"
        assert len(set(texts[2:])) > 1, f"four seeds gave one text: {texts[0]!r}"

    def test_greedy_repeats_without_a_seed(self) -> None:
        """Temperature 0 takes the likeliest token."""
        self.samples("temperature")
        texts = {self.greedy(6) for _ in range(3)}
        assert len(texts) == 1, f"temperature 0 gave {sorted(texts)}"

    def test_a_grammar_that_does_not_parse_is_refused(self) -> None:
        """An InvalidRequest, and the model lives on."""
        self.samples("grammar")
        self.refuses_a_broken_grammar()
        assert self.complete(max_tokens=2)[-1].finish is not None

    def test_a_grammar_holds(self) -> None:
        """The reply is one that the grammar allows."""
        self.samples("grammar")
        text = text_of(self.complete(max_tokens=16, grammar='root ::= "yes" | "no"'))
        assert text in ("yes", "no"), f"the reply is {text!r}"

    def refuses_a_broken_grammar(self) -> None:
        """See that a broken grammar is a mistake of whoever asks."""
        from jackfield.errors import InvalidRequest

        try:
            self.complete(max_tokens=2, grammar="root ::= (")
        except InvalidRequest:
            return
        raise AssertionError("a broken grammar was accepted")
