"""A loader whose back-end clashes with what the server has: its environment is set by the tests."""

import importlib.util
import sys

from jackfield import LoadedModel, Loader, Match, MemoryEstimate, ModelInfo, Token


class ClashingModel(LoadedModel):
    info = ModelInfo(context_length=64, sampling_fields=frozenset({"max_tokens", "stop"}))

    def complete(self, prompt, params):
        import brittle

        leaks = importlib.util.find_spec("streamlit") is not None
        yield Token(f"brittle {brittle.VERSION}, prefix {sys.prefix}, server's packages {leaks}")
        yield Token("", finish="stop", prompt_tokens=1, completion_tokens=1)

    def tokenize(self, text, *, special=True):
        return list(text.encode())


class ClashingLoader(Loader):
    name = "clashing"
    extensions = ("clash",)

    def probe(self, files):
        return Match(50, "it clashes") if files.format == "clash" else None

    def estimate(self, files, options):
        return MemoryEstimate(files.size, 0, 30_000_000)

    def load(self, files, options):
        import brittle  # noqa: F401 - the back-end

        return ClashingModel()
