"""How a process ends, and how to end one."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

import psutil

_MEANINGS = {
    "SIGSEGV": "its native code crashed with a segmentation fault",
    "SIGABRT": "its native code gave up",
    "SIGBUS": "its native code read a file that is shorter than it was, or bad memory",
    "SIGILL": "its native code was built for another processor",
    "SIGFPE": "its native code divided by zero",
    "SIGKILL": "something killed it, often the system when memory runs out",
    "SIGTERM": "something asked it to end",
}


def ending_in_words(code: int) -> str:
    """An exit code as :mod:`subprocess` gives it (signals negative), in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # real-time signals have no names of their own
        return f"signal {-code}"
    meaning = _MEANINGS.get(name)
    return f"{name}, {meaning}" if meaning else name


def end_family(pid: int) -> None:
    """Kill a process that leads its session, and everything it started."""
    try:
        leader = psutil.Process(pid)
        family = [*leader.children(recursive=True), leader]
    except psutil.Error:  # it is gone already, and its group may not be
        family = []
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.kill()
