"""Engines in processes of their own."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import psutil
import pytest

from jackfield import InvalidRequest, JackfieldError
from jackfield_plugins.child_process import ChildProcess, EngineDied

ENGINE = """
import os, sys, time
from jackfield import InvalidRequest
from jackfield_plugins.child_process import serve

def answer(request):
    print("the engine prints this", flush=True)
    match request["do"]:
        case "echo": return request["value"]
        case "pid": return os.getpid()
        case "sleep": time.sleep(request["seconds"]); return "slept"
        case "refuse": raise InvalidRequest("Not so.", hint="But so.")
        case "fail": raise RuntimeError("it broke")
        case "unsendable": return object()
        case "exit":
            print("last words", file=sys.stderr, flush=True)
            os._exit(3)

serve(answer)
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChildProcess]:
    (tmp_path / "engine_of_test.py").write_text(ENGINE)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    child = ChildProcess("engine_of_test", (), title="The engine", idle=lambda: 60.0)
    yield child
    child.stop()


def test_it_starts_when_first_asked_and_answers(engine: ChildProcess) -> None:
    assert engine.pid == 0
    data = bytes(range(256)) * 10_000
    assert engine.ask(do="echo", value=data) == data
    assert engine.pid == engine.ask(do="pid")


def test_what_it_prints_comes_between_no_answers(engine: ChildProcess) -> None:
    assert [engine.ask(do="echo", value=n) for n in range(20)] == list(range(20))


def test_errors_come_back_and_the_process_stays(engine: ChildProcess) -> None:
    with pytest.raises(InvalidRequest, match="Not so") as refused:
        engine.ask(do="refuse")
    assert refused.value.hint == "But so."
    first = engine.pid
    for what, words in (("fail", "it broke"), ("unsendable", "TypeError")):
        with pytest.raises(JackfieldError, match=words):
            engine.ask(do=what)
    assert engine.pid == first


def test_a_crash_is_one_error_with_its_last_words_and_the_next_request_works(
    engine: ChildProcess,
) -> None:
    with pytest.raises(EngineDied, match=r"(?s)exit code 3.*last words"):
        engine.ask(do="exit")
    assert engine.ask(do="echo", value="again") == "again"


def test_killed_in_the_middle_of_a_request_it_says_so(engine: ChildProcess) -> None:
    pid = engine.ask(do="pid")
    threading.Timer(0.3, os.kill, (pid, signal.SIGKILL)).start()
    with pytest.raises(EngineDied, match="SIGKILL"):
        engine.ask(do="sleep", seconds=60)
    assert engine.ask(do="pid") != pid


def test_killed_while_it_rests_nobody_notices(engine: ChildProcess) -> None:
    pid = engine.ask(do="pid")
    os.kill(pid, signal.SIGKILL)
    assert engine._running is not None
    engine._running.process.wait(10)
    assert engine.ask(do="pid") != pid


def test_it_ends_when_nobody_asks_for_long(engine: ChildProcess) -> None:
    engine._idle = lambda: 0.1
    pid = engine.ask(do="pid")
    until = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not psutil.pid_exists(pid)
    assert engine.pid == 0
    assert engine.ask(do="echo", value=1) == 1


def test_a_caller_that_is_cancelled_leaves_at_once_and_long_work_is_ended(
    engine: ChildProcess,
) -> None:
    pid = engine.ask(do="pid")

    async def give_up() -> float:
        started = time.monotonic()
        with anyio.move_on_after(0.3):
            await anyio.to_thread.run_sync(
                lambda: engine.ask(do="sleep", seconds=60), abandon_on_cancel=True
            )
        return time.monotonic() - started

    assert anyio.run(give_up) < 3
    started = time.monotonic()
    assert engine.ask(do="echo", value="next") == "next"
    assert time.monotonic() - started < 10
    assert not psutil.pid_exists(pid)


def test_work_that_is_nearly_done_when_its_caller_leaves_costs_no_new_start(
    engine: ChildProcess,
) -> None:
    pid = engine.ask(do="pid")

    async def give_up() -> None:
        with anyio.move_on_after(0.1):
            await anyio.to_thread.run_sync(
                lambda: engine.ask(do="sleep", seconds=0.8), abandon_on_cancel=True
            )

    anyio.run(give_up)
    assert engine.ask(do="pid") == pid


def test_requests_of_many_threads_are_answered_each_with_its_own(engine: ChildProcess) -> None:
    answers: dict[int, int] = {}

    def ask(number: int) -> None:
        answers[number] = engine.ask(do="echo", value=number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == {number: number for number in range(8)}


def test_it_does_not_outlive_a_host_that_is_killed(tmp_path: Path, engine: ChildProcess) -> None:
    program = (
        "import os, signal\n"
        "from jackfield_plugins.child_process import ChildProcess\n"
        "child = ChildProcess('engine_of_test', (), title='', idle=lambda: 60.0)\n"
        "print(child.ask(do='pid'), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    pid = int(shown.stdout)
    until = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not psutil.pid_exists(pid)
