"""Tries an import in a process of its own, so that a running server cannot be ended by it."""

from __future__ import annotations

import json
import subprocess
import sys

from jackfield.discovery import Found

LONGEST_IMPORT = 60.0
"""Seconds after which an import counts as one that never ends."""

SURVIVED = 77
PROGRAM = f"""
import json, os, sys
origin, path, sys.path[:] = json.loads(sys.argv[1])
try:
    if origin == "file":
        from pathlib import Path
        from jackfield.discovery import load_file
        load_file(Path(path))
    else:
        import importlib
        importlib.import_module(path.partition(":")[0])
except BaseException:
    pass
os._exit({SURVIVED})
"""


def ends_process(found: Found) -> bool:
    """Whether importing a plugin ends the process, or never ends itself.

    An import that merely raises does not: that is found out, with its reason, when it is loaded.
    """
    request = json.dumps([found.origin, found.path, sys.path])
    try:
        done = subprocess.run(
            # -P: the current folder is no place to import from
            [sys.executable, "-P", "-c", PROGRAM, request],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LONGEST_IMPORT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != SURVIVED
