"""Models of real servers of other makers, and of a second Jackfield, each in its own process."""

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import openai
import pytest
from benchmarks.peers import llama_cpp_server, transformers_serve
from benchmarks.setting import Setting, free_port

import parts
from installation import Installation, RunningServer

QUESTION = "Which city is the capital of France?"
ASKED = {"temperature": 0, "max_tokens": 24}


def setting() -> Setting:
    return Setting(parts.smollm2(), parts.smollm2_folder(), parts.minilm(), 1, 16, 1)


@contextlib.contextmanager
def second_jackfield(folder: Path, port: int) -> Iterator[None]:
    home = Installation(folder / "second")
    if not (home.paths.models / "smollm2").exists():
        home.add_model(parts.smollm2(), "smollm2", n_ctx=512, parallel=2, n_threads=1)
    with home.serving("--port", str(port)) as server:
        server.answer("smollm2", "Hello", max_tokens=1)
        yield


@dataclass
class Peer:
    """A server that can be stopped and started again where it was.

    Attributes:
        model: the name that its model has here.
        gives_logprobs: whether it tells them in a stream.
    """

    start: Callable[[Path, int], contextlib.AbstractContextManager[object]]
    model: str
    gives_logprobs: bool = True
    port: int = 0
    running: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def begin(self, folder: Path) -> None:
        self.port = self.port or free_port()
        self.running.enter_context(self.start(folder, self.port))


PEERS = {
    "jackfield": lambda: Peer(second_jackfield, "up.smollm2"),
    "llama-cpp-python": lambda: Peer(lambda _, port: llama_cpp_server(setting(), port), "up.peer"),
    "transformers": lambda: Peer(
        lambda _, port: transformers_serve(setting(), port, continuous=False),
        f"up.{parts.smollm2_folder().name}",
        gives_logprobs=False,
    ),
}


@pytest.fixture(scope="module", params=PEERS)
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    made = PEERS[request.param]()
    made.folder = tmp_path_factory.mktemp("peer")
    made.begin(made.folder)
    with made.running:
        yield made


@pytest.fixture(scope="module")
def home(peer: Peer, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    made = Installation(tmp_path_factory.mktemp("here") / "home")
    servers = json.dumps([f"up = http://127.0.0.1:{peer.port}/v1"])
    done = made.run("plugins", "configure", "remote", f"servers={servers}")
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def here(home: Installation) -> Iterator[RunningServer]:
    with home.serving() as server:
        yield server


def test_its_model_is_listed(peer: Peer, here: RunningServer):
    assert [one.id for one in here.openai.models.list()] == [peer.model]


def test_it_answers_token_by_token(peer: Peer, here: RunningServer):
    chunks = list(
        here.chat(
            peer.model, QUESTION, stream=True, stream_options={"include_usage": True}, **ASKED
        )
    )
    pieces = [one.choices[0].delta.content or "" for one in chunks if one.choices]
    assert "Paris" in "".join(pieces)
    assert len([piece for piece in pieces if piece]) > 3
    assert [one.choices[0].finish_reason for one in chunks if one.choices][-1] == "stop"
    assert 5 < chunks[-1].usage.completion_tokens < 24


def test_it_answers_on_the_command_line(peer: Peer, home: Installation, here: RunningServer):
    done = home.run("run", peer.model, QUESTION, "--temperature", "0", "--max-tokens", "24")
    assert done.returncode == 0, done.stderr
    assert "Paris" in done.stdout


def test_log_probabilities_come_where_it_gives_them(peer: Peer, here: RunningServer):
    reply = here.chat(peer.model, QUESTION, logprobs=True, top_logprobs=2, **ASKED).choices[0]
    assert "Paris" in reply.message.content
    told = (reply.logprobs.content if reply.logprobs else None) or []
    assert bool(told) == peer.gives_logprobs
    for token in told:
        assert sum(math.exp(one.logprob) for one in token.top_logprobs) <= 1.001
    if told:
        assert "".join(token.token for token in told).strip() == reply.message.content.strip()


def test_a_stop_string_ends_its_reply_and_does_not_show(peer: Peer, here: RunningServer):
    whole = here.answer(peer.model, QUESTION, **ASKED)
    cut = here.chat(peer.model, QUESTION, stop=["Paris", "never"], **ASKED).choices[0]
    assert cut.message.content == whole[: whole.index("Paris")]
    assert cut.finish_reason == "stop"


def test_max_tokens_cuts_its_reply(peer: Peer, here: RunningServer):
    reply = here.chat(peer.model, "Tell me a long story.", temperature=0, max_tokens=5)
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 5


def test_it_answers_others_after_one_hung_up(peer: Peer, here: RunningServer):
    stream = here.chat(peer.model, "Tell me a long story.", stream=True, max_tokens=400)
    for _ in range(3):
        next(stream)
    stream.close()
    assert "Paris" in here.answer(peer.model, QUESTION, **ASKED)


def test_while_it_is_down_that_is_said_and_it_is_used_when_it_is_back(
    peer: Peer, here: RunningServer
):
    assert "Paris" in here.answer(peer.model, QUESTION, **ASKED)
    peer.running.close()
    with pytest.raises(openai.APIStatusError) as down:
        here.answer(peer.model, QUESTION, **ASKED)
    assert f"The server 'http://127.0.0.1:{peer.port}/v1' cannot be reached" in str(down.value)
    assert [one.id for one in here.openai.models.list()] == [peer.model]
    peer.begin(peer.folder)
    assert "Paris" in here.answer(peer.model, QUESTION, **ASKED)
