"""The environments of loaders that have one of their own: their state, repair and removal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard.words import amount, duration, listed, plain, say_error, show_error
from jackfield.environment_jobs import EnvironmentJob, ShownEnvironment
from jackfield.environments import State
from jackfield.errors import JackfieldError

TROUBLE = "plugins:environments:trouble"
Colour = Literal["green", "orange", "blue", "gray"]
BADGES: Mapping[State, tuple[str, Colour, str]] = {
    "ready": ("Ready", "green", ":material/check_circle:"),
    "half made": ("Half made", "orange", ":material/warning:"),
    "outdated": ("Outdated", "orange", ":material/update:"),
    "being made": ("Being made", "blue", ":material/hourglass_top:"),
    "not made": ("Not made yet", "gray", ":material/radio_button_unchecked:"),
}
MEANING: Mapping[State, str] = {
    "ready": "",
    "half made": "Its making did not come to its end, so it is not used. It is made anew when a "
    "model needs it, or now with Repair.",
    "outdated": "Its loader or Python has changed since. It is made anew when a model needs it, or "
    "now with Repair.",
    "being made": "",
    "not made": "It is made when a model first needs it, or now.",
}


def draw_environments(app: Application) -> None:
    """All environments, with what can be done with them."""
    st.write(
        "A loader whose back-end cannot be installed beside others has an interpreter and packages "
        "of its own, and its models run there."
    )
    trouble: JackfieldError | None = st.session_state.pop(TROUBLE, None)
    if trouble is not None:
        show_error(trouble)
    shown = app.environment_jobs.list()
    if not shown:
        st.caption("No loader needs one.")
    for one in shown:
        with st.container(border=True, gap="xsmall", key=f"environment-{one.name}"):
            _draw(app, one)


def _draw(app: Application, one: ShownEnvironment) -> None:
    job = one.job
    making = (job is not None and job.state == "running") or one.state == "being made"
    label, colour, icon = BADGES["being made" if making else one.state]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(plain(one.name), anchor=False)
        st.badge(label, color=colour, icon=icon)
    loaders = listed(plain(name) for name in one.loaders)
    size = f"{amount(one.size)} on disk" if one.size and not making else ""
    words = [f"For the loader {loaders}" if loaders else "No enabled loader needs it", size]
    st.caption(" · ".join(word for word in words if word))
    if one.requirements:
        st.caption("Holds " + ", ".join(f"`{text}`" for text in one.requirements))
    if making:
        st.fragment(_watch, run_every=0.5)(app, one.name)
        return
    if job is not None and job.state == "failed":
        say_error(job.error, job.hint)
    elif MEANING[one.state]:
        st.caption(MEANING[one.state])
    if one.models:
        st.caption(f"In use by {listed(plain(name) for name in one.models)}: unload to change it.")
    _draw_actions(app, one)


def _draw_actions(app: Application, one: ShownEnvironment) -> None:
    used = bool(one.models)
    jobs = app.environment_jobs
    with st.container(horizontal=True, vertical_alignment="center"):
        if one.state == "not made":
            _button(one, "Make now", ":material/download:", lambda: jobs.start(one.name, "make"))
            return
        if one.loaders:
            _button(
                one,
                "Repair",
                ":material/build:",
                lambda: jobs.start(one.name, "repair"),
                disabled=used,
                help_="Makes it anew, fetching what it holds",
            )
        with st.popover(
            "Remove", icon=":material/delete:", key=f"plugins:{one.name}:discard", disabled=used
        ):
            again = " It is made again when a model needs it." if one.loaders else ""
            st.write(f"Free {amount(one.size)} of disk?{again}")
            _button(one, f"Remove {one.name}", ":material/delete:", lambda: jobs.remove(one.name))


def _button(
    one: ShownEnvironment,
    label: str,
    icon: str,
    act: Callable[[], object],
    *,
    disabled: bool = False,
    help_: str | None = None,
) -> None:
    st.button(
        label,
        key=f"plugins:environment:{one.name}:{label}",
        icon=icon,
        help=help_,
        disabled=disabled,
        on_click=_attempt,
        args=(act,),
    )


def _attempt(act: Callable[[], object]) -> None:
    """Do something; a failure is shown at the next run."""
    try:
        act()
    except JackfieldError as error:
        st.session_state[TROUBLE] = error


def _watch(app: Application, name: str) -> None:
    """How far one is that is being made, here or by another process."""
    try:
        one = app.environment_jobs.get(name)
    except JackfieldError:  # it is gone
        st.rerun()
    job = one.job
    if job is None or job.state != "running":
        if one.state != "being made":
            st.rerun()
        st.caption(":material/hourglass_top: Another process is making it...")
        return
    _draw_progress(job)


def _draw_progress(job: EnvironmentJob) -> None:
    seconds = time.time() - job.started
    st.markdown(f":material/hourglass_top: **Making it**, {duration(seconds)}")
    st.code("\n".join(job.lines[-8:]) or "...", language=None, wrap_lines=True)
