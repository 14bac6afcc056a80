"""Both engines of the GGUF loader keep to what every loader must."""

import sys

import parts
from jackfield import ModelFiles
from jackfield.catalog.gguf import read_gguf
from jackfield.testing.loader_conformance import LoaderConformance
from jackfield_loaders.gguf import GgufLoader
from jackfield_loaders.gguf.options import GgufOptions


class OfSmolLM2(LoaderConformance):
    loader = GgufLoader()

    @classmethod
    def setup_class(cls) -> None:
        path = parts.smollm2()
        cls.files = ModelFiles(path, "gguf", path.stat().st_size, read_gguf(path).metadata)
        super().setup_class()


class TestXllamacpp(OfSmolLM2):
    options = GgufOptions(n_ctx=512, parallel=3, n_threads=1)


class TestLlamaCppPython(OfSmolLM2):
    options = GgufOptions(engine="llama-cpp-python", n_ctx=512, n_threads=1)


class TestInAWorker(OfSmolLM2):
    options = GgufOptions(n_ctx=512, parallel=3, n_threads=1)
    python = sys.executable
