"""OpenAI's own client against SmolLM2."""

import json
import math
import os
import signal
import threading
import time

import jsonschema
import openai
import pytest

from api_server import PATIENCE, Server
from jackfield.application import Application
from jackfield.paths import Paths
from jackfield_loaders.gguf import Gguf

CAPITAL = "What is the capital of France? Answer in one short sentence."
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "member": {"type": "boolean"},
    },
    "required": ["name", "age", "member"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def server(smollm2, tmp_path_factory):
    app = Application(Paths(tmp_path_factory.mktemp("home")), entry_points=[])
    app.paths.make()
    folder = app.paths.models / "smollm2"
    folder.mkdir()
    (folder / smollm2.name).symlink_to(smollm2)
    (folder / "jackfield.json").write_text('{"name": "smollm2"}')
    app.settings.set(("models", "smollm2", "options"), {"n_ctx": 2048, "n_threads": 1})
    app.plugins.register("gguf", Gguf)
    with Server(app) as server:
        loaded = server.http.post("/api/models/smollm2/load?wait=true")
        assert loaded.status_code == 200, loaded.text
        yield server


def ask(server, text=CAPITAL, **more):
    return server.chat(text, model="smollm2", **{"max_tokens": 24, "temperature": 0, **more})


def test_the_model_is_listed_with_what_its_file_says(server):
    (model,) = server.openai.models.list()
    assert model.id == "smollm2"
    assert model.jackfield["quantization"] == "Q4_1"
    assert model.jackfield["context_length"] == 8192
    assert model.jackfield["state"] == "ready"
    assert model.jackfield["size"] > 90_000_000


def test_the_first_question_is_answered(server):
    reply = ask(server)
    assert "Paris" in reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.prompt_tokens > 10


def test_the_streamed_answer_is_the_same_text(server):
    whole = ask(server).choices[0].message.content
    chunks = list(ask(server, stream=True, stream_options={"include_usage": True}))
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices) == whole
    assert chunks[-1].usage.completion_tokens == ask(server).usage.completion_tokens


def test_a_completion_goes_on_with_the_text(server):
    reply = server.openai.completions.create(
        model="smollm2", prompt="The capital of France is", max_tokens=4, temperature=0
    )
    assert "Paris" in reply.choices[0].text
    assert reply.choices[0].finish_reason == "length"


def test_logprobs_of_the_likeliest_tokens_are_right(server):
    reply = ask(server, logprobs=True, top_logprobs=3)
    content = reply.choices[0].logprobs.content
    assert "".join(one.token for one in content).strip() == reply.choices[0].message.content.strip()
    for one in content:
        assert one.token == one.top_logprobs[0].token  # temperature 0 takes the likeliest
        assert math.isclose(one.logprob, one.top_logprobs[0].logprob, abs_tol=1e-3)
        assert sum(math.exp(other.logprob) for other in one.top_logprobs) <= 1.001
    completion = server.openai.completions.create(
        model="smollm2", prompt="The capital of France is", max_tokens=3, temperature=0, logprobs=2
    )
    found = completion.choices[0].logprobs
    assert "".join(found.tokens) == completion.choices[0].text
    assert all(len(one) == 2 for one in found.top_logprobs)


def test_two_replies_differ_and_repeat_with_their_seed(server):
    def twice():
        reply = ask(server, "Invent a name for a boat.", n=2, temperature=1.5, seed=7)
        return [one.message.content for one in reply.choices]

    first = twice()
    assert first[0] != first[1]
    assert twice()[0] == first[0]


def test_stop_penalties_and_bias_reach_the_engine(server):
    assert "." not in ask(server, stop=".").choices[0].message.content
    paris = server.http.post("/api/tokenize", json={"model": "smollm2", "text": " Paris"}).json()
    biased = ask(server, logit_bias={str(paris["tokens"][0]): -100})
    assert "Paris" not in biased.choices[0].message.content


@pytest.mark.parametrize("seed", range(4))
def test_a_reply_with_a_json_schema_always_parses(server, seed):
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}
    reply = ask(
        server,
        "Describe a person.",
        response_format=form,
        temperature=1.2,
        seed=seed,
        max_tokens=96,
    )
    assert reply.choices[0].finish_reason == "stop"
    jsonschema.validate(json.loads(reply.choices[0].message.content), PERSON)


def test_a_reply_may_be_any_json_object(server):
    reply = ask(
        server,
        'Answer with {"city": "Paris"}',
        response_format={"type": "json_object"},
        max_tokens=200,
    )
    if reply.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(reply.choices[0].message.content), dict)
    assert reply.choices[0].message.content.lstrip().startswith("{")


def test_an_unknown_model_names_the_nearest(server):
    with pytest.raises(openai.NotFoundError, match="smollm2"):
        server.chat("hello", model="smolm2")


def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(server):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(server, "word " * 3000)
    assert caught.value.code == "context_length_exceeded"
    assert "2048" in caught.value.message
    assert str(caught.value.body["details"]["tokens"]) in caught.value.message


def test_tokens_of_a_text_are_the_models_own(server):
    sent = {"model": "smollm2", "text": "The capital of France is Paris."}
    tokens = server.http.post("/api/tokenize", json=sent).json()["tokens"]
    back = server.http.post("/api/detokenize", json={"model": "smollm2", "tokens": tokens})
    assert back.json()["text"] == sent["text"]
    reply = server.openai.completions.create(
        model="smollm2", prompt=tokens[:-2], max_tokens=3, temperature=0
    )
    assert "Paris" in reply.choices[0].text


def test_a_client_that_hangs_up_frees_its_slot_within_half_a_second(server):
    stream = ask(server, "Count to one thousand.", max_tokens=1500, stream=True)
    for _ in range(5):
        next(stream)
    assert server.resident("smollm2").active == 1
    stream.close()
    started = time.monotonic()
    while server.resident("smollm2").active:
        assert time.monotonic() - started < 20
        time.sleep(0.005)
    freed = time.monotonic() - started
    assert freed < 0.5, f"freed after {freed:.2f} s"


def test_clients_are_answered_at_the_same_time(server):
    slots = server.resident("smollm2").worker.info.parallel
    assert slots > 1
    begun = threading.Barrier(slots)
    lengths = []

    def one(number):
        asked = {"max_tokens": 32, "stream": True, "extra_body": {"ignore_eos": True}}
        chunks = iter(ask(server, f"Story {number}.", **asked))
        pieces = [next(chunks), next(chunks)]
        begun.wait(PATIENCE)  # nobody gets past this unless all have begun
        lengths.append(len([*pieces, *chunks]))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(slots)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(lengths) == slots


def test_a_worker_that_is_killed_in_a_stream_ends_it_clearly_and_the_next_request_works(server):
    stream = ask(server, "Count to one thousand.", max_tokens=1500, stream=True)
    for _ in range(5):
        next(stream)
    os.kill(server.resident("smollm2").pid, signal.SIGKILL)
    with pytest.raises(openai.APIError) as caught:
        for _ in stream:
            pass
    assert caught.value.code == "worker_died"
    assert "smollm2" in caught.value.message
    assert server.http.get("/health").status_code == 200
    assert "Paris" in ask(server).choices[0].message.content
