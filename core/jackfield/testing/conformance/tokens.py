"""The tokenizer, and that text and counts of replies agree with it."""

from __future__ import annotations

from typing import Any

from jackfield.templates.renderer import Renderer
from jackfield.testing.conformance.suite import UNICODE, NotClaimed, Suite, text_of

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

CONVERSATION = (
    {"role": "user", "content": f"Hello! {UNICODE}"},
    {"role": "assistant", "content": "Hi. How are you?"},
    {"role": "user", "content": "Fine,\n\n  thanks."},
)


class Tokens(Suite):
    """Counting, tokens and text, whole characters, the model's own template."""

    def test_an_empty_text_has_no_tokens(self) -> None:
        """Counting nothing is nothing, not an error."""
        self.has_tokenizer()
        assert self.model.tokenize("") == [], "tokenize('') is not empty"
        assert self.model.count("") == 0, f"count('') is {self.model.count('')}"

    def test_counting_agrees_with_the_tokenizer(self) -> None:
        """``count`` is the length of ``tokenize``; ids are within the vocabulary."""
        self.has_tokenizer()
        for text in (self.prompt, UNICODE, "a\n\n  b\tc"):
            tokens = self.model.tokenize(text)
            assert self.model.count(text) == len(tokens), f"count() and tokenize() of {text!r}"
            strange = [one for one in tokens if not 0 <= one < self.model.info.vocabulary]
            assert not strange, f"ids {strange} are outside the vocabulary"

    def test_prompt_tokens_are_counted_as_the_tokenizer_does(self) -> None:
        """``prompt_tokens`` is the tokenizer's count, plus a BOS token if the engine adds one."""
        self.claims("completion")
        self.has_tokenizer()
        for text in (self.prompt, UNICODE):
            counted = self.model.count(text) + self.model.info.adds_bos
            reported = self.complete(text, max_tokens=1)[-1].prompt_tokens
            assert reported == counted, f"{reported} tokens reported, {counted} counted: {text!r}"

    def test_text_survives_the_tokenizer(self) -> None:
        """``detokenize(tokenize(text))`` is the text, in any script."""
        self.claims("completion")
        self.has_tokenizer()
        for text in (self.prompt, UNICODE, "a\n\n  b\tc"):
            back = self.model.detokenize(self.model.tokenize(text))
            # A tokenizer of the SentencePiece kind puts a space before the first word.
            assert back.removeprefix(" ") == text.removeprefix(" "), f"{text!r} became {back!r}"

    def test_special_tokens_are_parsed_only_where_asked(self) -> None:
        """The end token is one token with ``special``, and plain text without."""
        self.claims("completion")
        self.has_tokenizer()
        for special in {self.model.info.eos, self.model.info.bos} - {""}:
            parsed = self.model.tokenize(special)
            assert len(parsed) == 1, f"special token {special!r} is {len(parsed)} tokens"
            spelled = self.model.tokenize(special, special=False)
            assert parsed[0] not in spelled, f"{special!r} is parsed though it must not be"

    def test_its_template_survives_the_tokenizer(self) -> None:
        """A conversation in the model's own template comes back whole, special tokens one each."""
        self.claims("chat")
        self.has_tokenizer()
        info = self.model.info
        if not info.chat_template:
            raise NotClaimed("not claimed: a chat template")
        values = {
            "messages": CONVERSATION,
            "bos_token": info.bos,
            "eos_token": info.eos,
            "add_generation_prompt": True,
        }
        rendered = Renderer().render("the model's own", info.chat_template, values)
        for part in CONVERSATION:
            assert part["content"].strip() in rendered, f"the template loses {part['content']!r}"
        tokens = self.model.tokenize(rendered)
        back = self.model.detokenize(tokens)
        assert back.removeprefix(" ") == rendered.removeprefix(" "), f"{rendered!r} became {back!r}"
        for special in {info.eos, info.bos} - {""}:
            (number,) = self.model.tokenize(special)
            wanted, found = rendered.count(special), tokens.count(number)
            assert found == wanted, f"{special!r} is there {wanted} times, as a token {found} times"

    def test_the_text_of_a_reply_is_that_of_its_tokens(self) -> None:
        """What streams is what the ids say, where the engine tells them."""
        self.claims("completion")
        self.has_tokenizer()
        asked: dict[str, Any] = {"logprobs": 1} if self.has("logprobs") else {}
        tokens = self.complete(max_tokens=12, **self.greed(), **asked)
        ids = [token.id for token in tokens if token.id is not None]
        if len(ids) < tokens[-1].completion_tokens:
            raise NotClaimed("not claimed: ids of tokens")
        whole = self.model.detokenize(ids).replace(self.model.info.eos or "\0", "")
        text = text_of(tokens)
        assert text.strip(), "the reply has no text"
        assert whole.strip() == text.strip(), f"{text!r} streams, its tokens are {whole!r}"

    def test_characters_are_never_broken(self) -> None:
        """No token's text holds half a character, also where tokens are parts of characters."""
        self.claims("completion")
        text = "🙂 日本語 👩‍🚀 🙂 日本語 👩‍🚀 🙂 日本語 👩‍🚀 🙂 日本語"
        whole = self.greedy(12, text)
        for limit in range(1, 12):
            tokens = self.complete(text, max_tokens=limit, **self.greed())
            for token in tokens:
                token.text.encode()
            cut = text_of(tokens)
            assert REPLACEMENT not in cut, f"cut after {limit} tokens, the reply is {cut!r}"
            assert whole.startswith(cut), f"after {limit} tokens {cut!r}, after 12 {whole!r}"

    def test_characters_of_a_grammar_are_never_broken(self) -> None:
        """Characters outside the model's habits come whole or not at all."""
        self.samples("grammar")
        wanted = "é🙂日本👩‍🚀."
        for limit in range(1, 12):
            cut = text_of(self.complete(max_tokens=limit, grammar=f'root ::= "{wanted}"'))
            assert wanted.startswith(cut), f"cut after {limit} tokens, the reply is {cut!r}"
