"""The Transformers loader keeps to what every loader must, on real weights of two kinds."""

import parts
from jackfield.catalog.catalog import describe
from jackfield.templates.renderer import Renderer
from jackfield.testing.conformance.suite import UNICODE
from jackfield.testing.conformance.tokens import CONVERSATION
from jackfield.testing.loader_conformance import LoaderConformance
from jackfield_loaders.transformers import TransformersLoader
from jackfield_loaders.transformers.options import TransformersOptions


class TestTransformers(LoaderConformance):
    loader = TransformersLoader()
    options = TransformersOptions(n_ctx=512, parallel=4, device="cpu", threads=1)

    @classmethod
    def setup_class(cls) -> None:
        found = describe(parts.smollm2_folder())
        assert found is not None
        assert not found.error
        cls.files = found.files
        cls.adapter = parts.smollm2_lora()
        super().setup_class()


class TestSequenceToSequence(LoaderConformance):
    """A translator: what it reads and what it writes have limits of their own."""

    loader = TransformersLoader()
    options = TransformersOptions(n_ctx=128, parallel=4, device="cpu", threads=1)
    prompt = (
        "Once upon a time there was a king who lived in an old castle with his three daughters, "
        "and every morning he walked through the garden to look at the roses."
    )

    @classmethod
    def setup_class(cls) -> None:
        found = describe(parts.opus_mt())
        assert found is not None
        assert not found.error
        cls.files = found.files
        super().setup_class()

    def test_prompt_tokens_are_counted_as_the_tokenizer_does(self) -> None:
        """And the end token, which the encoder reads too."""
        for text in (self.prompt, UNICODE):
            reported = self.complete(text, max_tokens=1)[-1].prompt_tokens
            assert reported == self.model.count(text) + 1

    def test_text_survives_the_tokenizer(self) -> None:
        """Apart from white space, which it evens out, and characters that it does not know."""
        for text in (self.prompt, "Zoë naïve — 日本語, Привет"):
            assert self.model.detokenize(self.model.tokenize(text)) == text
        assert self.model.detokenize(self.model.tokenize("a\n\n  b\tc")) == "a b c"

    def test_its_template_survives_the_tokenizer(self) -> None:
        """It is the last message of the user, and nothing else."""
        messages = [*CONVERSATION, {"role": "user", "content": self.prompt}]
        values = {"messages": messages, "add_generation_prompt": True}
        rendered = Renderer().render("its own", self.model.info.chat_template, values)
        assert rendered == self.prompt
        assert self.model.detokenize(self.model.tokenize(rendered)) == rendered

    def test_the_context_is_as_long_as_it_says(self) -> None:
        """It reads so many tokens, and writes as many."""
        limit = self.model.info.context_length
        times = self._times(limit)
        while self.model.count(self.filler * times) + 1 > limit:
            times -= 1
        last = self.complete(self.filler * times, ignore_eos=True)[-1]
        assert last.prompt_tokens > limit - 8
        assert (last.completion_tokens, last.finish) == (limit, "length")
