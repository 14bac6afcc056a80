"""A plugin whose import ends the process, as a crash in native code does."""

import os
import signal

from jackfield import Plugin

os.kill(os.getpid(), signal.SIGSEGV)


class Bad(Plugin):
    """Never seen."""
