"""Workers that crash, hang, eat memory, or lose their host: nothing else may suffer."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from jackfield.errors import JackfieldError, LoaderError, LoadFailed, WorkerDied
from jackfield.loader import Prompt
from jackfield.sampling import SamplingParams
from jackfield.worker.ending import ending_in_words
from jackfield.worker.host import Worker
from jackfield.worker.memory import Limits
from leaving_loader import LeavingLoader
from worker_bench import launch, run, said, tokens, until, working

HOST = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from worker_bench import launch, tokens
from jackfield.worker.host import Worker

async def main():
    worker = Worker(launch(Path(sys.argv[2]), delay=0.02, replies=["a b c " * 1000],
                           crash_on_load=sys.argv[3]))
    loading = asyncio.create_task(worker.start())
    while worker.stage not in ("loading", "ready"):
        await asyncio.sleep(0.01)
    print(worker.pid, flush=True)
    await loading
    await tokens(worker)

asyncio.run(main())
"""


async def failed_load(folder: Path, **arguments: object) -> tuple[Worker, JackfieldError]:
    worker = Worker(launch(folder, **arguments))
    with pytest.raises(JackfieldError) as caught:
        await worker.start()
    assert not psutil.pid_exists(worker.pid)
    return worker, caught.value


@pytest.mark.parametrize(
    ("crash", "message", "logged"),
    [
        ("segfault", "SIGSEGV, its native code crashed", "Segmentation fault"),
        ("exit", "exit code 3", "started"),
        ("raise", "RuntimeError: told to fail", "Traceback"),
    ],
)
def test_a_load_that_crashes_says_how_with_the_logs_last_lines(
    tmp_path: Path, crash: str, message: str, logged: str
) -> None:
    _, error = run(failed_load(tmp_path, crash_on_load=crash))
    assert type(error) is LoadFailed
    assert message in error.message
    assert logged in error.details["log"]


def test_a_load_that_eats_memory_is_ended_at_its_limit(tmp_path: Path) -> None:
    limits = Limits(worker=150_000_000)
    _, error = run(failed_load(tmp_path, crash_on_load="memory", limits=limits))
    assert type(error) is LoadFailed
    assert "150.0 MB are allowed" in error.message
    assert "smaller model" in error.hint


def test_a_load_is_ended_before_the_computer_runs_out_of_memory(tmp_path: Path) -> None:
    left = psutil.virtual_memory().available
    limits = Limits(reserve=left - 400_000_000)
    _, error = run(failed_load(tmp_path, crash_on_load="memory", limits=limits))
    assert type(error) is LoadFailed
    assert "are kept for everything else" in error.message


def test_a_model_that_grew_after_loading_is_ended_at_its_limit(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path, memory=100_000_000, delay=0.1, replies=["a " * 999]) as worker:
            asked = asyncio.create_task(said(worker))
            await until(lambda: worker.active)
            worker.limits = Limits(worker=50_000_000)
            with pytest.raises(WorkerDied, match=r"50\.0 MB are allowed"):
                await asked

    run(main())


def test_a_request_that_would_end_the_process_fails_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path, loader=LeavingLoader()) as worker:
            for asked in (said(worker), worker.tokenize("x")):
                with pytest.raises(LoaderError, match="SystemExit: 3"):
                    await asyncio.wait_for(asked, 20)
            assert await worker.detokenize([1])

    run(main())


def test_a_shortage_of_memory_that_is_not_its_doing_leaves_a_worker_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path, replies=["fine"]) as worker:
            worker.limits = Limits(reserve=1 << 62)
            await asyncio.sleep(2.5)
            assert await said(worker) == "fine"

    run(main())


@pytest.mark.parametrize("how", ["hang", "freeze"])
def test_a_load_that_hangs_can_be_given_up(tmp_path: Path, how: str) -> None:
    async def main() -> None:
        worker = Worker(launch(tmp_path, crash_on_load=how))
        loading = asyncio.create_task(worker.start())
        await until(lambda: worker.stage == "loading")
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        assert not psutil.pid_exists(worker.pid)

    run(main())


def test_a_death_in_mid_stream_fails_every_request_with_what_happened(tmp_path: Path) -> None:
    async def main() -> None:
        deaths: list[JackfieldError] = []
        worker = Worker(
            launch(tmp_path, parallel=2, delay=0.05, replies=["a " * 999]), deaths.append
        )
        await worker.start()
        asked = [asyncio.create_task(tokens(worker)) for _ in range(3)]
        await until(lambda: worker.active == 2)
        os.kill(worker.pid, signal.SIGKILL)
        errors = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(error) for error in errors] == [WorkerDied] * 3
        assert all("SIGKILL" in str(error) for error in errors)
        assert len({id(error) for error in errors}) == 3
        assert deaths[0].details["exit_code"] == -9
        with pytest.raises(WorkerDied):
            await worker.count("x")
        await worker.close()

    run(main())


def test_what_was_written_before_the_crash_arrives(tmp_path: Path) -> None:
    async def main() -> None:
        told = {"replies": ["one two six"], "crash_after_tokens": 2, "delay": 0.2}
        async with working(tmp_path, **told) as worker:
            seen = []
            with pytest.raises(WorkerDied, match="SIGSEGV"):
                async for token in worker.complete(Prompt("x"), SamplingParams()):
                    seen.append(token.text)
            assert seen == ["one", " two"]

    run(main())


def test_a_request_that_fails_leaves_the_others_and_the_model(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path, replies=["one two six"], raise_after_tokens=2) as worker:
            with pytest.raises(LoaderError, match="RuntimeError: told to fail after 2"):
                await said(worker)
            assert await said(worker, max_tokens=2) == "one two"
            assert "Traceback" in worker.launch.log.tail()

    run(main())


def test_requests_of_a_model_that_is_closed_end_with_a_reason(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path, delay=0.05, replies=["a " * 999]) as worker:
            asked = asyncio.create_task(said(worker))
            await until(lambda: worker.active)
            await worker.close()
            with pytest.raises(WorkerDied, match="unloaded while it was answering"):
                await asked

    run(main())


def test_output_that_is_no_frame_ends_the_worker_with_an_error(tmp_path: Path) -> None:
    async def main() -> None:
        async with working(tmp_path, delay=1000) as worker:
            asked = asyncio.create_task(said(worker))
            await until(lambda: worker.active)
            worker.received(b"\xff\xff\xff\xff")
            with pytest.raises(WorkerDied, match="sent a frame of"):
                await asked

    run(main())


@pytest.mark.parametrize("doing", ["", "hang", "freeze"], ids=["streaming", "loading", "frozen"])
def test_no_worker_outlives_a_host_that_is_killed(tmp_path: Path, doing: str) -> None:
    here = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", HOST, here, str(tmp_path), doing]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        worker = psutil.Process(int(host.stdout.readline()))
        time.sleep(0.5)  # well into the stream, or the hanging load
        assert worker.is_running()
        host.kill()
    deadline = time.monotonic() + 5
    while lives(worker):
        assert time.monotonic() < deadline, "the worker lives on"
        time.sleep(0.05)


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_endings_are_told_in_words() -> None:
    assert ending_in_words(3) == "exit code 3"
    assert ending_in_words(-11).startswith("SIGSEGV")
    assert ending_in_words(-signal.SIGUSR1) == "SIGUSR1"
    assert ending_in_words(-60) == "signal 60"
