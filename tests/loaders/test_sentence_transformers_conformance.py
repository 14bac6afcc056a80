"""The loader of embedding models and cross-encoders keeps to what every loader must."""

import parts
from embedding_models import identified
from jackfield.testing.loader_conformance import LoaderConformance
from jackfield_loaders.sentence_transformers import SentenceTransformersLoader
from jackfield_loaders.sentence_transformers.options import SentenceTransformersOptions


class TestMiniLM(LoaderConformance):
    loader = SentenceTransformersLoader()
    options = SentenceTransformersOptions(device="cpu", n_threads=1)

    @classmethod
    def setup_class(cls) -> None:
        cls.files = identified(parts.minilm())
        super().setup_class()


class TestCrossEncoder(LoaderConformance):
    loader = SentenceTransformersLoader()
    options = SentenceTransformersOptions(device="cpu", n_threads=1)

    @classmethod
    def setup_class(cls) -> None:
        cls.files = identified(parts.cross_encoder())
        super().setup_class()
