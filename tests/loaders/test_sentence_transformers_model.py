"""What the loader of embedding models and cross-encoders does beyond conformance."""

import json
import math
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import parts
from embedding_models import DOCUMENTS, QUESTION, SENTENCES, identified
from jackfield import Device, LoadFailed, Machine, ModelFiles, PromptTooLong
from jackfield.testing import WorkerModel
from jackfield_loaders.sentence_transformers import SentenceTransformersLoader
from jackfield_loaders.sentence_transformers.options import SentenceTransformersOptions

BARE = """
import json, sys
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
torch.set_num_threads(1)
embedder, ranker, sentences, question, documents = map(json.loads, sys.argv[1:])
vectors = SentenceTransformer(embedder, device="cpu").encode(sentences)
scores = CrossEncoder(ranker, device="cpu").predict([(question, one) for one in documents])
print(json.dumps([vectors.tolist(), scores.tolist()]))
"""
GB = 1_000_000_000


def options(**given):
    return SentenceTransformersOptions(**{"device": "cpu", "n_threads": 1, **given})


def worker(folder: Path, **given) -> WorkerModel:
    return WorkerModel(SentenceTransformersLoader(), identified(folder), options(**given))


@pytest.fixture(scope="module")
def embedder():
    with worker(parts.minilm()) as model:
        yield model


@pytest.fixture(scope="module")
def bare():
    """Vectors and scores by the library alone, in a process of its own."""
    given = (str(parts.minilm()), str(parts.cross_encoder()), SENTENCES, QUESTION, DOCUMENTS)
    command = [sys.executable, "-c", BARE, *map(json.dumps, given)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_vectors_and_scores_are_the_librarys_own(embedder, bare):
    for mine, other in zip(embedder.embed(SENTENCES).rows(), bare[0], strict=True):
        assert mine == pytest.approx(other, abs=1e-5)
    with worker(parts.cross_encoder()) as ranker:
        assert ranker.rerank(QUESTION, DOCUMENTS).scores == pytest.approx(bare[1], abs=1e-5)


def test_tokens_are_counted_as_the_model_reads_them(embedder):
    assert embedder.tokenize("A cat sleeps.") == embedder.tokenize("a cat sleeps.")
    alone = embedder.embed(["A cat sleeps."]).tokens
    assert alone == len(embedder.tokenize("A cat sleeps.")) + 2  # [CLS] and [SEP]
    assert embedder.embed(["A cat sleeps."] * 3).tokens == 3 * alone


def test_a_long_text_is_refused_with_its_place_and_both_numbers(embedder):
    with pytest.raises(PromptTooLong, match=r"Text 1 has 302 tokens.* at most 256") as caught:
        embedder.embed(["short", "word " * 300])
    assert (caught.value.details["index"], caught.value.details["limit"]) == (1, 256)


def test_a_long_text_is_cut_if_that_is_wanted():
    with worker(parts.minilm(), truncate=True, max_seq_length=16) as model:
        assert model.info.context_length == 16
        whole, beginning = model.embed(["word " * 300, "word " * 14]).rows()
        assert whole == pytest.approx(beginning, abs=1e-5)
        assert model.embed(["word " * 300]).tokens == 16


def test_a_prompt_of_the_model_is_put_before_each_text(tmp_path, embedder):
    folder = tmp_path / "prompted"
    shutil.copytree(parts.minilm(), folder)
    about = folder / "config_sentence_transformers.json"
    kept = json.loads(about.read_text())
    about.write_text(json.dumps({**kept, "prompts": {"query": "query: "}}))
    with worker(folder, prompt_name="query") as model:
        (prompted,) = model.embed(["cats"]).rows()
    (plain,) = embedder.embed(["query: cats"]).rows()
    assert prompted == pytest.approx(plain, abs=1e-5)
    with (
        pytest.raises(LoadFailed, match="no prompt 'passage'") as caught,
        worker(folder, prompt_name="passage"),
    ):
        pass
    assert "query" in caught.value.hint


def test_vectors_keep_their_length_if_that_is_wanted(tmp_path):
    folder = tmp_path / "bare"
    shutil.copytree(parts.minilm(), folder)
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:2]))  # without the normalizing one
    with worker(folder, normalize=False) as model:
        (row,) = model.embed(SENTENCES[:1]).rows()
        (short,) = model.embed(SENTENCES[:1], dimensions=64).rows()
    assert math.hypot(*row) > 1.5
    assert math.hypot(*short) == pytest.approx(1, abs=1e-4)


def test_a_plain_encoder_gives_the_mean_of_its_tokens(tmp_path, embedder):
    folder = tmp_path / "plain"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(parts.minilm() / name, folder)
    match = SentenceTransformersLoader().probe(identified(folder))
    assert match is not None
    assert match.score < 60
    with worker(folder) as model:
        (mine,) = model.embed(SENTENCES[:1]).rows()
        assert model.info.context_length == 512
    assert mine == pytest.approx(embedder.embed(SENTENCES[:1]).rows()[0], abs=1e-5)


def test_many_threads_at_once_get_their_own_vectors(embedder):
    texts = [f"{word} {number}" for number in range(8) for word in ("cat", "tax", "moon")]
    alone = embedder.embed(texts).rows()
    found: dict[int, list[float]] = {}

    def ask(number: int) -> None:
        found[number] = embedder.embed([texts[number]]).rows()[0]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for number, row in found.items():
        assert row == pytest.approx(alone[number], abs=1e-4)
    assert len(found) == len(texts)


@pytest.mark.parametrize(
    ("about", "capabilities"),
    [
        ({"architectures": ["BertForSequenceClassification"], "id2label": {"0": "x"}}, {"rerank"}),
        ({"architectures": ["BertForSequenceClassification"], "id2label": {"0": "x", "1": "y"}}, 0),
        ({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}, 0),
        ({"architectures": ["BertForMaskedLM"], "model_type": "bert"}, {"embedding"}),
    ],
)
def test_a_folder_is_known_by_what_its_config_says(tmp_path, about, capabilities):
    files = ModelFiles(tmp_path, "safetensors", 1, {"config": about})
    match = SentenceTransformersLoader().probe(files)
    assert (match.capabilities if match else 0) == capabilities


def test_automatic_choices_are_settled_with_their_reasons():
    loader, files = SentenceTransformersLoader(), identified(parts.minilm())
    cpu = Device("cpu", "main memory", 16 * GB, 8 * GB)
    given = SentenceTransformersOptions(max_seq_length=9999)
    settled = loader.settle(files, given, Machine((cpu,), cores=3))
    chosen = settled.options
    assert (chosen.device, chosen.dtype, chosen.n_threads) == ("cpu", "float32", 3)
    assert chosen.max_seq_length == 512
    assert any("no accelerator" in reason for reason in settled.reasons)
    assert loader.settle(files, chosen, Machine((cpu,), cores=3)).options == chosen
    card = Device("cuda:0", "Card", 8 * GB, 6 * GB)
    there = loader.settle(files, given, Machine((cpu, card), cores=3)).options
    assert there.device == "cuda:0"
    assert loader.estimate(files, there).on("cuda:0") > 90_000_000
    full = Device("cuda:0", "Card", 8 * GB, GB // 5)
    left = loader.settle(files, given, Machine((cpu, full), cores=3))
    assert left.options.device == "cpu"
    assert any("0.2 GB free" in reason for reason in left.reasons)


def test_the_estimate_is_near_what_is_measured():
    files = identified(parts.minilm())
    with worker(parts.minilm()) as model:
        model.embed(["word " * 250] * 64)
        measured = model.memory
    estimate = SentenceTransformersLoader().estimate(files, options(dtype="float32")).total
    assert 0.8 < estimate / measured < 1.3, (estimate, measured)
