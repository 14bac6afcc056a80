"""GPTQ models under GPTQModel and under AutoGPTQ keep to what every loader must."""

import sys

import parts
from jackfield.catalog.catalog import describe
from jackfield.testing.loader_conformance import LoaderConformance
from jackfield_loaders.autogptq import AutoGptqLoader
from jackfield_loaders.autogptq.options import AutoGptqOptions
from jackfield_loaders.gptq import GptqLoader
from jackfield_loaders.gptq.options import GptqOptions


class OfSmolLM2(LoaderConformance):
    @classmethod
    def setup_class(cls) -> None:
        found = describe(parts.smollm2_gptq())
        assert found is not None
        assert not found.error
        cls.files = found.files
        super().setup_class()


class TestGptq(OfSmolLM2):
    loader = GptqLoader()
    options = GptqOptions(n_ctx=512, parallel=4, device="cpu", threads=1)
    python = sys.executable


class TestAutoGptq(OfSmolLM2):
    loader = AutoGptqLoader()
    options = AutoGptqOptions(n_ctx=512, device="cpu", threads=1)

    @classmethod
    def setup_class(cls) -> None:
        cls.python = parts.autogptq_python()
        super().setup_class()
