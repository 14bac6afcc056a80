"""How many threads to compute with."""

from __future__ import annotations

import os

import psutil


def threads(wanted: int) -> int:
    """``wanted``, or one thread for each physical core this process may use, if that is 0.

    Threads beyond the physical cores wait for each other and slow the whole machine down.
    """
    if wanted:
        return wanted
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    physical = psutil.cpu_count(logical=False) or usable or 1
    return max(1, min(physical, usable or physical))
