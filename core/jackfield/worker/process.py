"""What a worker asks of the operating system for itself."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_OOM_SCORE = 500  # of 1000: of all processes the kernel ends a model first, never the server


def private_pipes() -> tuple[int, int]:
    """Move standard input and output aside and return them as (read, write) descriptors.

    Afterwards descriptor 0 is empty and 1 is the same as 2, which the host pointed at the model's
    log: whatever a native library prints goes there and cannot come between two frames.
    """
    read, write = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        # A stray character must not end a request, and lines are wanted when they are written.
        stream.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)  # type: ignore[union-attr]  # the interpreter's own are TextIOWrappers
    return read, write


def die_with(parent: int) -> None:
    """Have the kernel end this process when the host goes, even while native code holds the GIL.

    The kernel watches the *thread* that started this process, not the whole parent: if that
    thread ends while the host lives on, the worker ends too. The host starts workers from its
    event loop's thread, which outlives them. Only Linux has this; elsewhere the end of standard
    input does it, as soon as Python code runs again.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it went before the line above
        os._exit(0)


def volunteer_for_out_of_memory() -> None:
    """Be what the kernel ends first when memory runs out."""
    if sys.platform != "linux":
        return
    try:
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE), encoding="ascii")
    except OSError as error:  # a locked-down container: it works all the same
        print(f"oom_score_adj not set: {error}", file=sys.stderr)  # noqa: T201 - the model's log
