"""Memory of a worker is measured with what it started, without looking for that all the time."""

import subprocess
import sys
import time

import psutil
import pytest

from jackfield.worker.memory import Meter

PARENT = (
    "import subprocess, sys, time\nwhile not sys.stdin.readline(): pass\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; x = b\"x\" * 50_000_000; "
    "print(flush=True); time.sleep(60)']); time.sleep(60)"
)


@pytest.fixture
def parent():
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    for one in [*psutil.Process(process.pid).children(), process]:
        one.kill()
    process.communicate()


def test_what_a_process_starts_is_counted_soon(parent):
    meter = Meter(parent.pid)
    alone = meter.read()
    assert alone > 0
    parent.stdin.write("go\n")
    parent.stdin.flush()
    parent.stdout.readline()  # its child has what it takes
    deadline = time.monotonic() + 20
    while meter.read() < alone + 50_000_000:
        assert time.monotonic() < deadline, "the child was never counted"
        time.sleep(0.05)


def test_looking_for_children_takes_little_of_the_time(parent, monkeypatch):
    now, looks = [1000.0], []
    monkeypatch.setattr("jackfield.worker.memory.time.monotonic", lambda: now[0])

    def slow(self, recursive):
        looks.append(now[0])
        now[0] += 0.1
        return []

    monkeypatch.setattr(psutil.Process, "children", slow)
    meter = Meter(parent.pid)
    for _ in range(400):
        meter.read()
        now[0] += 0.25
    monkeypatch.undo()
    assert 2 <= len(looks) <= 11  # of 110 seconds at most a hundredth, and the first
