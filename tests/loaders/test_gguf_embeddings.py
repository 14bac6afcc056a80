"""Embeddings and rankings from GGUF, in both engines and against sentence-transformers."""

import numpy as np
import pytest

import parts
from embedding_models import DOCUMENTS, QUESTION, SENTENCES, identified
from jackfield import InvalidRequest, LoadFailed, PromptTooLong
from jackfield.testing import WorkerModel
from jackfield.testing.loader_conformance import LoaderConformance
from jackfield_loaders.gguf import GgufLoader
from jackfield_loaders.gguf.options import GgufOptions
from jackfield_loaders.sentence_transformers import SentenceTransformersLoader
from jackfield_loaders.sentence_transformers.options import SentenceTransformersOptions


class OfMiniLM(LoaderConformance):
    loader = GgufLoader()

    @classmethod
    def setup_class(cls) -> None:
        cls.files = identified(parts.minilm_gguf())
        super().setup_class()


class TestXllamacppEmbeddings(OfMiniLM):
    options = GgufOptions(n_threads=1)


class TestLlamaCppPythonEmbeddings(OfMiniLM):
    options = GgufOptions(engine="llama-cpp-python", n_threads=1)


class TestXllamacppRanking(LoaderConformance):
    loader = GgufLoader()
    options = GgufOptions(n_threads=1)

    @classmethod
    def setup_class(cls) -> None:
        cls.files = identified(parts.cross_encoder_gguf())
        super().setup_class()


@pytest.fixture(scope="module")
def reference():
    options = SentenceTransformersOptions(device="cpu", n_threads=1)
    with WorkerModel(SentenceTransformersLoader(), identified(parts.minilm()), options) as model:
        yield np.array(model.embed(SENTENCES).rows())


@pytest.mark.parametrize("engine", ["xllamacpp", "llama-cpp-python"])
def test_vectors_are_those_of_sentence_transformers(engine, reference):
    options = GgufOptions(engine=engine, n_threads=1)
    with WorkerModel(GgufLoader(), identified(parts.minilm_gguf()), options) as model:
        found = model.embed(SENTENCES)
    assert ((np.array(found.rows()) * reference).sum(axis=1) > 0.999).all()
    assert found.tokens > len(SENTENCES) * 3


def test_scores_are_those_of_sentence_transformers():
    options = SentenceTransformersOptions(device="cpu", n_threads=1)
    folder = identified(parts.cross_encoder())
    with WorkerModel(SentenceTransformersLoader(), folder, options) as model:
        expected = model.rerank(QUESTION, DOCUMENTS)
    file = identified(parts.cross_encoder_gguf())
    with WorkerModel(GgufLoader(), file, GgufOptions(n_threads=1)) as model:
        found = model.rerank(QUESTION, DOCUMENTS)
        with pytest.raises(PromptTooLong) as caught:
            model.rerank(QUESTION, [*DOCUMENTS, "word " * 700])
    assert found.scores == pytest.approx(expected.scores, abs=0.02)
    assert caught.value.details["index"] == 4
    assert caught.value.details["tokens"] > caught.value.details["limit"] == 512


def test_a_model_that_writes_makes_vectors_if_told_how_to_pool(smollm2):
    options = GgufOptions(pooling="mean", n_ctx=256, n_threads=1)
    with WorkerModel(GgufLoader(), identified(smollm2), options) as model:
        assert model.info.capabilities == {"embedding"}
        alike = model.embed([SENTENCES[0], *SENTENCES]).similarities()
        assert model.info.embedding_dimensions == 576
    assert alike[0][1] == pytest.approx(1, abs=1e-3)
    assert max(alike[0][2:]) < 0.95


def test_the_file_says_what_it_is_for():
    loader = GgufLoader()
    embedder = loader.probe(identified(parts.minilm_gguf()))
    ranker = loader.probe(identified(parts.cross_encoder_gguf()))
    assert embedder is not None
    assert ranker is not None
    assert (embedder.capabilities, ranker.capabilities) == ({"embedding"}, {"rerank"})


def test_llama_cpp_python_refuses_a_reranker_and_names_the_engine_that_takes_it():
    options = GgufOptions(engine="llama-cpp-python", n_threads=1)
    with pytest.raises(LoadFailed, match="cannot rank") as caught:
        GgufLoader().load(identified(parts.cross_encoder_gguf()), options)
    assert "xllamacpp" in caught.value.hint


def test_an_embedding_model_ranks_and_writes_nothing():
    with (
        WorkerModel(
            GgufLoader(), identified(parts.minilm_gguf()), GgufOptions(n_threads=1)
        ) as model,
        pytest.raises(InvalidRequest, match="does not rank"),
    ):
        model.rerank(QUESTION, DOCUMENTS)
