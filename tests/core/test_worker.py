"""A worker that behaves: loading, requests at once, the queue, cancelling, the log."""

import asyncio
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from jackfield.errors import InvalidRequest, LoadFailed, PromptTooLong
from jackfield.loader import Loader, Prompt
from jackfield.sampling import SamplingParams
from jackfield.worker.host import Worker
from jackfield.worker.reference import LoaderReference
from worker_bench import launch, run, said, tokens, until, working

GENERATING = """
import time
from jackfield import LoadedModel, Loader, Match, MemoryEstimate, ModelInfo, Token

class Model(LoadedModel):
    info = ModelInfo(context_length=100)
    def complete(self, prompt, params):
        try:
            for number in range(1000):
                yield Token(f"{number} ")
                time.sleep(0.05)
        finally:
            print("the generator was closed", flush=True)
    def tokenize(self, text, *, special=True): return list(text.encode())
    def detokenize(self, tokens): return bytes(tokens).decode()

class Generating(Loader):
    name = "generating"
    def probe(self, files): return Match(1, "all")
    def estimate(self, files, options): return MemoryEstimate(0, 0, 0)
    def load(self, files, options): return Model()
"""


def loose_loader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Loader:
    """A loader in a file that cannot be imported by name."""
    path = folder / "generating_loader.py"
    path.write_text(GENERATING, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("jackfield_loose_generating", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module.Generating()


def test_a_model_loads_answers_and_ends(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path, replies=["one two three"], prints="noise") as worker:
            assert worker.info is not None and worker.info.architecture == "fake"
            assert worker.stage == "ready" and worker.watch.progress == 1
            assert worker.watch.memory > 1_000_000
            assert psutil.pid_exists(worker.pid)
            reply = await tokens(worker)
            assert "".join(token.text for token in reply) == "one two three"
            assert reply[-1].finish == "stop"
            assert (reply[-1].prompt_tokens, reply[-1].completion_tokens) == (1, 3)
        assert not psutil.pid_exists(worker.pid)

    run(main())


def test_what_a_library_prints_goes_to_the_log_and_not_between_frames(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path, replies=["x " * 50], prints="NOISE") as worker:
            replies = await asyncio.gather(*(said(worker) for _ in range(8)))
            assert set(replies) == {"x " * 50}
            assert worker.launch.log.tail().count("NOISE") == 9

    run(main())


def test_loading_goes_through_its_stages_with_progress(tmp_path: Path) -> None:
    async def main() -> None:
        size = 200_000_000
        worker = Worker(launch(tmp_path, load_delay=0.5, memory=size, expected=size))
        task = asyncio.create_task(worker.start())
        seen = {}
        while not task.done():
            seen[worker.stage] = worker.watch.progress
            await asyncio.sleep(0.002)
        await task
        assert list(seen)[:1] == ["starting"] and "loading" in seen
        assert 0 <= seen["loading"] <= 0.99
        assert worker.watch.memory > size
        await worker.close()

    run(main())


def test_tokenizing_goes_there_and_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path) as worker:
            text = "Grüße, 世界! <|im_end|> 👋🏽"
            ids = await worker.tokenize(text)
            assert await worker.detokenize(ids) == text
            assert await worker.count(text) == len(ids)
            assert await worker.tokenize(text, special=False) != ids

    run(main())


def test_more_requests_than_slots_wait_their_turn(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path, parallel=2, delay=0.05, replies=["a b c"]) as worker:
            ended: list[int] = []

            async def ask(number: int) -> None:
                await said(worker)
                ended.append(number)

            asked = [asyncio.create_task(ask(number)) for number in range(6)]
            await until(lambda: worker.active == 2)
            assert worker.queued == 4
            await asyncio.gather(*asked)
            assert [sorted(ended[at : at + 2]) for at in (0, 2, 4)] == [[0, 1], [2, 3], [4, 5]]
            assert (worker.active, worker.queued) == (0, 0)

    run(main())


def test_closing_the_stream_cancels_at_once_even_while_a_token_is_awaited(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path, parallel=1, delay=1000, replies=["a b"]) as worker:
            task = asyncio.create_task(said(worker))
            waiting = asyncio.create_task(said(worker))
            await until(lambda: worker.active == 1 and worker.queued == 1)
            waiting.cancel()
            await until(lambda: worker.queued == 0)
            task.cancel()
            await until(lambda: worker.active == 0, seconds=5)

    run(main())


def test_a_generator_is_closed_at_its_next_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = loose_loader(tmp_path, monkeypatch)

    async def main() -> None:
        async with working(tmp_path, loader=loader) as worker:
            stream = worker.complete(Prompt("x"), SamplingParams())
            assert (await anext(stream)).text == "0 "
            await stream.aclose()
            await until(lambda: worker.active == 0, seconds=5)
            assert "the generator was closed" in worker.launch.log.tail()

    run(main())


def test_a_loader_error_arrives_as_what_it_is_and_the_model_stays(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path, context_length=8, replies=["fine"]) as worker:
            with pytest.raises(PromptTooLong) as caught:
                await said(worker, "one two three four five six seven eight nine")
            assert caught.value.details == {"tokens": 9, "limit": 8}
            assert await said(worker) == "fine"

    run(main())


def test_a_sampling_value_out_of_bounds_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path, replies=["fine"]) as worker:
            wrong = SamplingParams().model_copy(update={"temperature": 9.0})
            with pytest.raises(InvalidRequest, match=r"'temperature' cannot be 9\.0"):
                await anext(worker.complete(Prompt("x"), wrong))
            assert await said(worker) == "fine"

    run(main())


def test_a_loader_inside_a_function_is_refused() -> None:
    class Hidden(Loader):
        """Where no worker finds it."""

        name = "hidden"
        probe = estimate = load = None  # type: ignore[assignment]

    with pytest.raises(LoadFailed, match="defined inside a function"):
        LoaderReference.of(Hidden())


def test_a_module_that_is_missing_is_an_error_with_its_name(tmp_path: Path) -> None:
    async def main() -> None:
        missing = LoaderReference("no_such_module", "X")
        worker = Worker(msgspec.structs.replace(launch(tmp_path), loader=missing))
        with pytest.raises(LoadFailed, match="'no_such_module' is not to be found"):
            await worker.start()

    run(main())


def test_a_worker_imports_nothing_of_the_host() -> None:
    program = (
        "import sys, jackfield.worker.child; "
        "print([name for name in ('asyncio', 'psutil', 'fastapi', 'jackfield.engine', "
        "'jackfield.manager', 'jackfield.worker.host') if name in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert shown.stdout.strip() == "[]"


def test_the_kernel_prefers_the_worker_when_memory_runs_out(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path) as worker:
            score = Path(f"/proc/{worker.pid}/oom_score_adj").read_text(encoding="ascii")
            own = Path("/proc/self/oom_score_adj").read_text(encoding="ascii")
            assert int(score) > int(own)
            assert os.getsid(worker.pid) == worker.pid

    run(main())


def test_a_log_is_kept_short(tmp_path: Path) -> None:
    from jackfield.worker.log import ModelLog

    log = ModelLog(tmp_path, "a/b:c", limit=1000)
    assert log.path.parent == tmp_path
    assert ModelLog(tmp_path, "a_b_c").path != log.path
    with log.open() as file:
        file.write(b"old\n" * 1000)
    with log.open() as file:
        file.write(b"new\n")
    assert log.path.stat().st_size < 1000
    assert log.tail().splitlines()[-1] == "new" and "old" not in log.tail()
    assert log.path.with_suffix(".log.1").read_bytes().endswith(b"old\n")


def test_a_request_that_cannot_be_sent_gives_its_slot_back(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path, replies=["fine"], parallel=1) as worker:
            with pytest.raises(InvalidRequest, match="half a character"):
                await tokens(worker, stop=["\ud800"])
            with pytest.raises(InvalidRequest, match="half a character"):
                await worker.count("\ud800")
            assert worker.active == 0
            assert await asyncio.wait_for(said(worker), 20) == "fine"

    run(main())
