"""Installing and removing plugins, with what it would change shown first."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard.background import Background
from jackfield.dashboard.words import duration, listed, plain, show_error
from jackfield.errors import JackfieldError
from jackfield.installer import Change, Installer, Plan
from jackfield.plugin_record import PluginRecord

PLAN, WORK, SAID = "plugins:plan", "plugins:work", "plugins:said"


def draw_install(app: Application) -> None:
    """Install a plugin: what, what that would change, and the installation."""
    st.write(
        "A plugin is a Python package. Name one from the Python package index, or give the path "
        "of a folder or wheel on this computer."
    )
    with st.form("plugins:install", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            spec = st.text_input(
                "Package or path",
                key="plugins:spec",
                placeholder="jackfield-example, or /home/me/my-plugin",
                persist_state="session",
            )
            check = st.form_submit_button("Check", icon=":material/fact_check:")
        editable = st.toggle(
            "Use the folder in place",
            key="plugins:editable",
            help="For a plugin you are writing: changes in its folder take effect at the next "
            "start, without installing it again.",
            persist_state="session",
        )
        isolated = st.checkbox(
            "Install in an environment of its own",
            key="plugins:isolated",
            persist_state="session",
        )
        st.caption(
            "Wanted for a loader whose dependencies clash with those of others, such as an old "
            "version of a library: they go into a separate environment, where its models run."
        )
    if check and spec and spec.strip():
        _begin_plan(app, spec.strip(), editable, isolated)
    plan: Background[Plan] | None = st.session_state.get(PLAN)
    if plan is not None and not working():
        _draw_plan(app, plan)
    st.caption(
        "A plugin is a program: it runs with your rights. Install what you trust. Nothing is "
        "changed before you have seen what it would be."
    )


def _installer(app: Application) -> Installer:
    return Installer(app.paths, app.settings, app.plugins)


def _begin_plan(app: Application, spec: str, editable: bool, isolated: bool) -> None:
    installer = _installer(app)
    st.session_state[PLAN] = Background(
        spec,
        lambda line: installer.plan(spec, editable=editable, isolated=isolated, progress=line),
    )


def _draw_plan(app: Application, plan: Background[Plan]) -> None:
    """What an installation would change; asked for while pip works it out."""
    if not plan.done:
        st.fragment(_watch_plan, run_every=0.5)(plan)
        return
    try:
        found = plan.result()
    except JackfieldError as error:
        show_error(error)
        return
    with st.container(border=True, key="plugins-plan"):
        st.markdown(f"**Installing {plain(plan.title)} would change**")
        _draw_changes(found.changes)
        if found.isolated:
            needs = ", ".join(f"`{text}`" for text in found.requirements)
            st.write(
                ":material/deployed_code: In an environment of its own: "
                + (needs or "nothing but what a worker needs")
            )
        with st.container(horizontal=True):
            st.button(
                "Install",
                key="plugins:go",
                type="primary",
                icon=":material/download:",
                disabled=not found.changes and not found.isolated,
                on_click=_install,
                args=(app, found, bool(st.session_state.get("plugins:editable"))),
            )
            st.button("Cancel", key="plugins:cancel", on_click=_forget_plan)


def _watch_plan(plan: Background[Plan]) -> None:
    if plan.done:
        st.rerun()
    st.caption(f":material/hourglass_top: Looking at what {plain(plan.title)} needs...")


def _draw_changes(changes: Sequence[Change]) -> None:
    """New packages, then those that would move: the latter may matter to other plugins."""
    new = [one for one in changes if not one.old]
    moved = [one for one in changes if one.old]
    if new:
        st.write(":material/add: New: " + ", ".join(f"{plain(c.name)} {c.new}" for c in new))
    if moved:
        st.warning(
            "Packages that are here already would move, which may affect other plugins: "
            + ", ".join(f"{plain(c.name)} {c.old} → {c.new}" for c in moved),
            icon=":material/warning:",
        )
    if not changes:
        st.write("Nothing: it is here already.")


def _forget_plan() -> None:
    st.session_state.pop(PLAN, None)


def _install(app: Application, plan: Plan, editable: bool) -> None:
    installer = _installer(app)
    st.session_state[WORK] = Background(
        f"Installing {plan.spec}",
        lambda line: _installed(
            installer.install(
                plan.spec, editable=editable, isolated=plan.isolated, plan=plan, progress=line
            )
        ),
    )
    _forget_plan()


def uninstall(app: Application, name: str) -> None:
    """Begin to remove a plugin's package or file."""
    installer = _installer(app)
    st.session_state[WORK] = Background(
        f"Uninstalling {name}", lambda line: installer.uninstall(name, progress=line)
    )


def working() -> bool:
    """Whether an installation or removal is running in this browser tab."""
    job: Background[str] | None = st.session_state.get(WORK)
    return job is not None and not job.done


def draw_work() -> None:
    """The installation or removal that runs or has just ended, with its output."""
    job: Background[str] | None = st.session_state.get(WORK)
    if job is None:
        return
    if not job.done:
        st.fragment(_watch_work, run_every=0.5)(job)
        return
    lines = job.lines
    try:
        said = job.result()
    except JackfieldError as error:
        show_error(error, about=job.title)
    else:
        st.success(plain(said), icon=":material/check_circle:")
        if st.session_state.get(SAID) is not job:  # once, for who has scrolled down
            st.session_state[SAID] = job
            st.toast(plain(said), icon=":material/check_circle:")
    with st.container(horizontal=True):
        if lines:
            with st.popover("What pip said", icon=":material/terminal:", key="plugins:output"):
                st.code("\n".join(lines), language=None, wrap_lines=True, height=320)
        st.button("Dismiss", key="plugins:dismiss", on_click=_dismiss)


def _watch_work(job: Background[str]) -> None:
    if job.done:
        st.rerun()
    st.markdown(
        f":material/hourglass_top: **{plain(job.title)}**, "
        f"{duration(time.monotonic() - job.started)}"
    )
    st.code("\n".join(job.lines[-14:]) or "...", language=None, wrap_lines=True)


def _dismiss() -> None:
    st.session_state.pop(WORK, None)


def _installed(records: Sequence[PluginRecord]) -> str:
    """What an installation brought, a sentence."""
    if not records:
        return "Installed, but it offers no plugin for Jackfield."
    wrong = [one.name for one in records if one.state == "set aside"]
    said = f"Installed {listed(one.name for one in records)}. In use at once, without a restart."
    return f"{said} Set aside: {listed(wrong)}; see below why." if wrong else said
