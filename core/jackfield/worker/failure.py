"""Errors on their way from a worker to the host."""

from __future__ import annotations

import jackfield.errors
from jackfield.errors import JackfieldError, LoaderError
from jackfield.worker.frames import Failed


def packed(
    error: BaseException, request: int, *, otherwise: type[JackfieldError], who: str = "The loader"
) -> Failed:
    """An error as a frame; one that is not Jackfield's becomes an ``otherwise`` of ``who``."""
    if isinstance(error, JackfieldError):
        kinds = [kind.__name__ for kind in type(error).__mro__ if issubclass(kind, JackfieldError)]
        return Failed(request, kinds, error.message, error.hint, error.details)
    reason = f": {error}" if str(error) else ""
    text = f"{who} raised {type(error).__name__}{reason.rstrip('.')}."
    hint = "The model's log has the traceback."
    return Failed(request, [otherwise.__name__], text, hint, {})


def unpacked(failed: Failed) -> JackfieldError:
    """The error in a frame, of the nearest class that the host knows."""
    known = [getattr(jackfield.errors, name, None) for name in failed.kinds]
    kinds = [kind for kind in known if isinstance(kind, type) and issubclass(kind, JackfieldError)]
    error = (kinds or [LoaderError])[0](failed.message, hint=failed.hint)
    error.details = failed.details
    return error
