"""Something done to a model between its requests."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from jackfield import JackfieldError, LoaderError

log = logging.getLogger(__name__)


class Task:
    """Done by the thread that computes, and waited for by another.

    Args:
        do: what to do.
    """

    def __init__(self, do: Callable[[], None]) -> None:
        self._do = do
        self._failure: JackfieldError | None = None
        self._over = threading.Event()

    def run(self) -> None:
        """Do it. A failure is told to whoever waits, and to nobody else."""
        try:
            self._do()
        except JackfieldError as error:
            self._failure = error
        except BaseException as error:  # a panic of Rust is no Exception
            log.warning("The model could not be changed", exc_info=error)
            reason = f"{type(error).__name__}: {error}"
            self._failure = LoaderError(f"The model could not be changed: {reason}")
        finally:
            self._over.set()

    def end(self, error: JackfieldError) -> None:
        """It will not be done."""
        self._failure = error
        self._over.set()

    def wait(self) -> None:
        """Wait until it is done.

        Raises:
            JackfieldError: it failed.
        """
        self._over.wait()
        if self._failure is not None:
            raise self._failure
