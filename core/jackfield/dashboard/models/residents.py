"""Models in memory: how loading goes, what they take, and the proof when they are gone."""

from __future__ import annotations

import time

import streamlit as st

from jackfield.application import Application
from jackfield.dashboard.models.adapters import collect_attaching, draw_attached, is_attaching
from jackfield.dashboard.models.state import (
    begin_load,
    begin_unload,
    collect_reports,
    dismiss_report,
    has_trouble,
    is_unloading,
)
from jackfield.dashboard.notices import notify
from jackfield.dashboard.words import amount, duration, plain, say_error
from jackfield.engine import Resident, UnloadReport
from jackfield.worker.log import ModelLog

QUICK, SLOW = 0.5, 3.0
"""Seconds between looks while something changes, and otherwise."""
LOG_LINES = 60
STAGES = {
    "starting": "Starting its process",
    "importing": "Starting the engine",
    "loading": "Reading the weights",
}


def draw_residents(app: Application) -> None:
    """The models in memory; looks again by itself, and redraws the page when one comes or goes."""
    seen = _states(app)
    busy = (
        is_unloading()
        or is_attaching()
        or any(state in ("loading", "unloading") for _, state in seen)
    )
    st.fragment(_draw, run_every=QUICK if busy else SLOW, key="models-residents")(app, seen)


def _states(app: Application) -> tuple[tuple[str, str], ...]:
    return tuple((one.model, one.state) for one in app.engine.residents())


def _draw(app: Application, seen: tuple[tuple[str, str], ...]) -> None:
    was_busy = is_unloading(), is_attaching()
    reports = collect_reports()
    collect_attaching()
    _announce(seen, _states(app))
    if _states(app) != seen or was_busy != (is_unloading(), is_attaching()) or has_trouble():
        st.rerun()
    residents = app.engine.residents()
    if residents or reports:
        st.header("In memory", anchor=False)
    for place, report in enumerate(reports):
        _draw_report(report, place)
    for resident in residents:
        with st.container(border=True, key=f"resident-{resident.model}"):
            _draw_resident(app, resident)


def _announce(before: tuple[tuple[str, str], ...], now: tuple[tuple[str, str], ...]) -> None:
    """Say how a load ended: who began it from a card may have scrolled away from here."""
    for model, state in now:
        if dict(before).get(model) == "loading" and state == "ready":
            notify(f"{model} is in memory.", ":material/check_circle:")
        elif dict(before).get(model) == "loading" and state == "failed":
            notify(f"{model} could not be loaded. Why stands above.", ":material/error:")


def _draw_report(report: UnloadReport, place: int) -> None:
    """The proof of an unload."""
    with st.container(border=True, key=f"unloaded-{report.model}-{place}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f":green[:material/check_circle:] **{plain(report.model)}** is unloaded, "
                f"in {duration(report.seconds)}",
                width="stretch",
            )
            st.button(
                "Dismiss",
                key=f"models:report:{place}",
                type="tertiary",
                on_click=dismiss_report,
                args=(place,),
            )
        freed = f"{amount(report.freed)} freed"
        gain = report.available_after - report.available_before
        with st.container(horizontal=True):
            st.metric("Jackfield before", amount(report.before))
            st.metric(
                "Jackfield after",
                amount(report.after),
                freed,
                delta_color="green" if report.freed > 0 else "off",
                delta_arrow="down" if report.freed > 0 else "off",
            )
            st.metric(
                "Free on this computer",
                amount(report.available_after),
                f"{amount(gain)} more" if gain > 0 else None,
                delta_color="green",
            )


def _draw_resident(app: Application, resident: Resident) -> None:
    state = resident.state  # read once: it may change while this is drawn
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(resident.model)}**", width="stretch")
        match state:
            case "loading":
                st.badge("Loading", icon=":material/hourglass_top:", color="blue")
            case "ready":
                st.badge("Ready", icon=":material/check_circle:", color="green")
            case "unloading":
                st.badge("Unloading", icon=":material/hourglass_bottom:", color="orange")
            case "failed":
                st.badge("Failed", icon=":material/error:", color="red")
    match state:
        case "loading":
            stage = STAGES.get(resident.stage, resident.stage)
            waited = duration(time.time() - resident.began)
            st.progress(resident.progress, text=f"{plain(stage)}, {waited}")
        case "ready":
            st.caption(_facts(resident))
            _draw_options(resident)
            _draw_reasons(resident)
        case "failed":
            failure = resident.failure
            say_error(failure.message if failure else "", failure.hint if failure else "")
    with st.container(horizontal=True, vertical_alignment="center"):
        _draw_buttons(app, resident, state)
        if state == "ready":
            draw_attached(app, resident)
        log = st.toggle("Log", key=f"models:log:{resident.model}", help="What its engine prints")
    if log:
        text = ModelLog(app.paths.logs, resident.model).tail(LOG_LINES)
        st.code(text or "It has printed nothing.", language=None, wrap_lines=True, height=260)


def _draw_buttons(app: Application, resident: Resident, state: str) -> None:
    labels = {
        "loading": ("Cancel", ":material/close:"),
        "ready": ("Unload", ":material/eject:"),
        "failed": ("Dismiss", ":material/close:"),
    }
    if state == "failed":
        st.button(
            "Try again",
            key=f"models:again:{resident.model}",
            icon=":material/refresh:",
            on_click=_load_again,
            args=(app, resident),
        )
    if state in labels:
        label, icon = labels[state]
        st.button(
            label,
            key=f"models:{label.lower()}:{resident.model}",
            icon=icon,
            on_click=begin_unload,
            args=(app, resident.model),
        )


def _load_again(app: Application, resident: Resident) -> None:
    """With what was given then."""
    given = resident.plan.options.model_dump(mode="json", exclude_unset=True)
    begin_load(app, resident.model, resident.loader, given, force=resident.forced)


def _facts(resident: Resident) -> str:
    """What a resident takes and does, in words."""
    work = []
    if resident.active:
        work.append(f"answering {resident.active}")
    if resident.queued:
        work.append(f"{resident.queued} waiting")
    idle = time.time() - resident.last_used
    facts = [
        f"{amount(resident.memory)} of memory",
        ", ".join(work) or f"idle for {duration(idle) if idle >= 60 else 'less than a minute'}",
        f"loader {resident.loader}",
        f"loaded in {duration(resident.load_seconds)}",
    ]
    if resident.info is not None:
        facts.insert(2, f"context {resident.info.context_length:,} tokens")
        facts.insert(3, f"{resident.info.parallel} at once")
    return plain(" · ".join(facts))


def _draw_reasons(resident: Resident) -> None:
    """Why it was loaded as it was."""
    plan = resident.plan
    loader = f"Loader {resident.loader}: {plan.match.reason}."
    forced = ("It was loaded though it was not expected to fit.",) if resident.forced else ()
    st.caption(plain(" ".join((loader, *plan.settled.reasons, *forced))))


def _draw_options(resident: Resident) -> None:
    """The load options that are not the loader's own defaults."""
    fields = type(resident.plan.options).model_fields
    changed = {
        name: value
        for name, value in resident.options.items()
        if name in fields and getattr(resident.plan.options, name) != fields[name].get_default()
    }
    if changed:
        words = ", ".join(f"{name} = {value}" for name, value in changed.items())
        st.caption(f"Options: {plain(words)}")
