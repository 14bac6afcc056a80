"""From the start of the server to the first byte of the dashboard, and what it then holds."""

from __future__ import annotations

import statistics
import time

from benchmarks.result import Result, spread
from benchmarks.setting import Setting
from benchmarks.stack import Stack

IDLE = 3.0
"""Seconds after which the server counts as idle."""


def run(setting: Setting) -> list[Result]:
    """Seconds to the first byte, and megabytes of the idle server, without a model."""
    seconds: list[float] = []
    megabytes: list[float] = []
    for _ in range(min(setting.rounds, 5)):
        with Stack(setting) as stack:
            seconds.append(stack.seconds)
            time.sleep(IDLE)
            megabytes.append(stack.memory() / 1e6)
    return [
        Result(
            "`jackfield serve` to the first byte of the dashboard, without a model",
            statistics.median(seconds),
            "s",
            3,
            "at most",
            spread(seconds, "s"),
        ),
        Result(
            "The server's process, idle, without a model",
            statistics.median(megabytes),
            "MB",
            250,
            "at most",
            spread(megabytes, "MB"),
        ),
    ]
