"""The list of downloads: how far each is, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import streamlit as st

from jackfield.application import Application
from jackfield.catalog.downloads import Download
from jackfield.dashboard.chat import turns
from jackfield.dashboard.chat.tab import new_draft, this_tab
from jackfield.dashboard.go import go
from jackfield.dashboard.models.state import attempt, begin_load, has_trouble
from jackfield.dashboard.words import amount, duration, plain, say_error
from jackfield.errors import JackfieldError

QUICK = 0.5
RUNNING = ("queued", "running")
MUCH = 50_000_000
"""From so many bytes on they are not thrown away unasked."""


def draw_downloads(app: Application) -> None:
    """Downloads that run, wait, rest or have ended; looks again by itself while one runs."""
    seen = _states(app)
    running = any(state in RUNNING for _, state in seen)
    st.fragment(_draw, run_every=QUICK if running else None, key="models-downloads")(app, seen)


def _states(app: Application) -> tuple[tuple[str, str], ...]:
    return tuple((one.id, one.state) for one in app.downloads.list())


def _draw(app: Application, seen: tuple[tuple[str, str], ...]) -> None:
    if _states(app) != seen or has_trouble():
        st.rerun()  # a model came, or a button is no longer right
    latest: dict[str, Download] = {}
    for job in app.downloads.list():  # newest first: of one model only its last counts
        latest.setdefault(job.offer, job)
    if latest:
        st.header("Downloads", anchor=False)
    waiting = sorted(
        (one for one in latest.values() if one.state == "queued"), key=lambda one: one.started
    )
    for job in latest.values():
        with st.container(border=True, key=f"download-{job.offer}", gap="small"):
            _draw_download(app, msgspec.structs.replace(job), waiting)


def _draw_download(app: Application, job: Download, waiting: Sequence[Download]) -> None:
    """One download.

    Args:
        job: a copy, for the original changes while this is drawn.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(job.title or job.offer)}**", width="stretch")
        _draw_state(job)
    match job.state:
        case "queued" | "running":
            st.progress(_part(job), text=plain(_progress(job, waiting)))
        case "paused":
            st.progress(_part(job), text=plain(_rest(job)))
        case "done":
            st.caption(f"{plain(job.model)} is here and checked.")
        case "cancelled":
            st.caption("Nothing of it was kept.")
        case "failed":
            say_error(job.error or "It failed.", job.hint)
            if job.kept and job.done:
                st.caption(f"{amount(job.done)} are kept; trying again goes on from there.")
    with st.container(horizontal=True, vertical_alignment="center"):
        _draw_buttons(app, job)


def _draw_state(job: Download) -> None:
    match job.state:
        case "queued":
            st.badge("Waiting", icon=":material/hourglass_top:", color="gray")
        case "running":
            st.badge("Downloading", icon=":material/download:", color="blue")
        case "paused":
            word = "Interrupted" if job.interrupted else "Paused"
            st.badge(word, icon=":material/pause_circle:", color="orange")
        case "done":
            st.badge("Here", icon=":material/check_circle:", color="green")
        case "cancelled":
            st.badge("Cancelled", icon=":material/close:", color="gray")
        case "failed":
            st.badge("Failed", icon=":material/error:", color="red")


def _part(job: Download) -> float:
    return min(1.0, job.done / job.total) if job.total else 0.0


def _amounts(job: Download) -> str:
    return f"{amount(job.done)} of {amount(job.total)}" if job.total else amount(job.done)


def _progress(job: Download, waiting: Sequence[Download]) -> str:
    """How far a download is, in words."""
    if job.state == "queued":
        place = [one.id for one in waiting].index(job.id) + 1
        return f"Number {place} of those that wait; two are fetched at once"
    words = [(job.stage or "starting").capitalize(), _amounts(job)]
    if job.bytes_per_second > 0:
        words.append(f"{amount(job.bytes_per_second)}/s")
    if job.seconds_left is not None and job.total > job.done:
        words.append(f"{duration(job.seconds_left)} left")
    if job.elsewhere:
        words.append("another Jackfield process fetches it")
    return " · ".join(words)


def _rest(job: Download) -> str:
    """What is kept of a download that rests, in words."""
    why = "Jackfield ended while it ran" if job.interrupted else "paused"
    return f"{_amounts(job)} · {why}, what has arrived is kept"


def _draw_buttons(app: Application, job: Download) -> None:
    if job.elsewhere:
        return
    match job.state:
        case "queued" | "running":
            if job.kept:
                _draw_button(app, job, "Pause", "pause", app.downloads.pause)
            _draw_discard(app, job, "Cancel")
        case "paused":
            _draw_button(app, job, "Resume", "play_arrow", app.downloads.resume)
            _draw_discard(app, job, "Cancel")
        case "failed":
            _draw_button(app, job, "Try again", "refresh", app.downloads.resume)
            _draw_discard(app, job, "Dismiss")
        case "done":
            _draw_arrived(app, job)
            _draw_button(app, job, "Dismiss", "close", app.downloads.remove)
        case "cancelled":
            _draw_button(app, job, "Dismiss", "close", app.downloads.remove)


def _draw_button(
    app: Application, job: Download, label: str, icon: str, act: Callable[[str], object]
) -> None:
    st.button(
        label,
        key=f"models:download:{label}:{job.id}",
        icon=f":material/{icon}:",
        on_click=_act,
        args=(act, job.id),
    )


def _act(act: Callable[[str], object], id_: str) -> None:
    attempt(lambda: act(id_))


def _draw_discard(app: Application, job: Download, label: str) -> None:
    """Throws away what has arrived; asks first when that is much."""
    act = app.downloads.remove if job.state == "failed" else app.downloads.cancel
    if not (job.kept and job.done >= MUCH):
        _draw_button(app, job, label, "close", act)
        return
    with st.popover(label, icon=":material/close:", key=f"models:download:ask:{job.id}"):
        st.write(f"What has arrived of **{plain(job.offer)}** would have to be fetched anew.")
        _draw_button(app, job, f"Throw away {amount(job.done)}", "delete", act)


def _draw_arrived(app: Application, job: Download) -> None:
    """What to do with a model that has just come."""
    st.button(
        "Load it",
        key=f"models:load-it:{job.id}",
        icon=":material/play_arrow:",
        on_click=_load_it,
        args=(app, job),
    )
    try:
        writes = app.catalog.find(job.model).writes
    except JackfieldError:  # removed since
        return
    if writes and st.button("Chat", key=f"models:chat:{job.id}", icon=":material/chat_bubble:"):
        _act(app.downloads.remove, job.id)
        _chat(app, job.model)


def _load_it(app: Application, job: Download) -> None:
    _act(app.downloads.remove, job.id)
    begin_load(app, job.model)


def _chat(app: Application, model: str) -> None:
    """Begin a new chat with a model, and load it."""
    tab = this_tab()
    tab.show("")
    tab.draft = msgspec.structs.replace(new_draft(app), model=model)
    tab.later(turns.load_model, model)
    go("chat")
