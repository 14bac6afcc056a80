"""What the Models page remembers in one browser tab, and what it asks the engine to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard.words import show_error
from jackfield.engine import Resident, UnloadReport
from jackfield.errors import JackfieldError

_OPEN, _TROUBLE = "models:open", "models:trouble"
_UNLOADING, _REPORTS = "models:unloading", "models:reports"


def opened() -> str:
    """The model whose card is open, or ""."""
    return str(st.session_state.get(_OPEN, ""))


def open_card(name: str) -> None:
    """Open a model's card, and close the others."""
    st.session_state[_OPEN] = name


def attempt(what: Callable[[], object]) -> bool:
    """Do something in a callback; a failure is shown at the next run."""
    try:
        what()
    except JackfieldError as error:
        st.session_state[_TROUBLE] = error
        return False
    return True


def draw_trouble() -> None:
    """What failed in the last callback."""
    error: JackfieldError | None = st.session_state.pop(_TROUBLE, None)
    if error is not None:
        show_error(error)


def put_trouble(error: JackfieldError) -> None:
    """Let the page show a failure at its next run."""
    st.session_state[_TROUBLE] = error


def has_trouble() -> bool:
    """Whether something failed that the page as a whole has yet to show."""
    return _TROUBLE in st.session_state


def resident_of(app: Application, name: str) -> Resident | None:
    """A model that is in memory or on its way there or out; not one that failed."""
    found = [one for one in app.engine.residents() if one.model == name and one.state != "failed"]
    return found[0] if found else None


def begin_load(
    app: Application,
    name: str,
    loader: str = "",
    options: Mapping[str, Any] | None = None,
    *,
    force: bool = False,
) -> bool:
    """Begin to load a model; how it goes on stands at the top of the page."""
    begin = partial(app.engine.begin_load, name, loader=loader, options=options, force=force)
    return attempt(lambda: app.portal.call(begin))


def load(app: Application, name: str) -> None:
    """A callback: load a model as it is kept."""
    begin_load(app, name)


def begin_unload(app: Application, name: str) -> None:
    """Begin to unload a model, or to stop loading it, or to forget that it failed."""
    running = st.session_state.setdefault(_UNLOADING, {})
    running[name] = app.portal.start_task_soon(app.engine.unload, name)


def collect_reports() -> list[UnloadReport]:
    """Proofs of the unloads of this browser tab that were not dismissed yet."""
    running: dict[str, Future[UnloadReport]] = st.session_state.setdefault(_UNLOADING, {})
    reports: list[UnloadReport] = st.session_state.setdefault(_REPORTS, [])
    for name, future in list(running.items()):
        if not future.done():
            continue
        del running[name]
        try:
            reports.append(future.result())
        except JackfieldError as error:
            st.session_state[_TROUBLE] = error
    return reports


def is_unloading() -> bool:
    """Whether an unload that this browser tab asked for goes on."""
    return bool(st.session_state.get(_UNLOADING))


def dismiss_report(place: int) -> None:
    """Take a proof off the page."""
    del st.session_state[_REPORTS][place]
