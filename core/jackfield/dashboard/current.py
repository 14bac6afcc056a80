"""The application that the dashboard shows.

Streamlit executes the script by its path and passes nothing to it, so the server leaves the
application here. This is the program's one deliberate module-level holder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jackfield.application import Application

_attached: list[Application] = []


def attach(app: Application) -> None:
    """Make the dashboard show this application."""
    _attached[:] = [app]


def application() -> Application:
    """The application that was attached.

    Raises:
        RuntimeError: the script runs without Jackfield's server.
    """
    if not _attached:
        raise RuntimeError("no application is attached: start the dashboard with `jackfield serve`")
    return _attached[0]
