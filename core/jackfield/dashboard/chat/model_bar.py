"""The top of the Chat page: which model answers, whether it is in memory, and how to get one."""

from __future__ import annotations

import streamlit as st

from jackfield.application import Application
from jackfield.catalog.downloads import Download
from jackfield.conversations import Conversation
from jackfield.dashboard.callbacks import take
from jackfield.dashboard.chat import turns
from jackfield.dashboard.chat.markdown import markdown
from jackfield.dashboard.chat.reply import draw_loading
from jackfield.dashboard.chat.tab import Tab

STARTER = "smollm2"
POLL = 0.4  # seconds
WIDTH = 380  # pixels: names of models are long, and their state follows them


def draw(app: Application, tab: Tab, chat: Conversation, *, running: bool, told: bool) -> bool:
    """Draw the model chooser and the state of the model; False when there is no model at all.

    Args:
        running: a reply is being written, which tells of a model being loaded itself.
        told: the last message tells already why the model is not there.
    """
    names = app.catalog.writers()
    if not names:
        _draw_no_model(app, tab)
        return False
    states = {one.model: one.state for one in app.engine.residents()} if not running else {}
    if chat.model and chat.model not in names:
        names.append(chat.model)
    state = states.get(chat.model, "")
    # Another model is another widget, for the browser may still send the old one's value; so is
    # another state, for the browser would not change the chosen one's words.
    key = f"chat.model.{chat.id}.{tab.revision}.{chat.model}.{state}"
    st.session_state.setdefault(key, chat.model or names[0])
    with st.container(horizontal=True, vertical_alignment="center", key="chat.model_bar"):
        st.selectbox(
            "Model",
            names,
            key=key,
            format_func=lambda name: _label(name, states.get(name, "")),
            label_visibility="collapsed",
            width=WIDTH,
            on_change=_chosen,
            args=(tab, chat.id, key, chat.model),
        )
        if state != "ready" and not running:
            _draw_state(app, tab, chat, state, told=told)
    place = st.empty()  # claimed in every run, so that what follows keeps its place
    if state == "loading" and not running:
        with place.container():
            _watch_loading(app, chat.model)
    return True


def _label(name: str, state: str) -> str:
    known = {"ready": "in memory", "loading": "loading", "unloading": "unloading"}
    return f"{name} · {known[state]}" if state in known else name


def _draw_state(app: Application, tab: Tab, chat: Conversation, state: str, *, told: bool) -> None:
    if state == "loading":
        return
    if state == "failed" and not told:
        resident = app.engine.resident(chat.model)
        error = markdown(resident.error) if resident else ""
        st.caption(f":red[It could not be loaded.] {error}", width="content")
    else:
        st.caption("Loads with your message", width="content")
    st.button(
        "Load now",
        type="tertiary",
        icon=":material/memory:",
        key="chat.load",
        on_click=tab.later,
        args=(turns.load_model, chat.model),
    )


def _chosen(tab: Tab, chat: str, key: str, drawn: str) -> None:
    def note(model: str) -> None:
        tab.change(chat, model=model)
        tab.later(turns.load_model, model)

    take(key, note, drawn=drawn)


@st.fragment(run_every=POLL)
def _watch_loading(app: Application, model: str) -> None:
    """Show how far a model is; the page is drawn anew when that ends."""
    resident = app.engine.resident(model)
    if resident is None or resident.state != "loading":
        st.rerun(scope="app")
    else:
        draw_loading(st.empty(), model, resident.stage, resident.progress)


# No model yet


def _draw_no_model(app: Application, tab: Tab) -> None:
    with st.container(border=True, key="chat.no_model"):
        st.subheader("No model yet")
        job = _starter_job(app)
        if job is not None and job.state in ("queued", "running"):
            _watch_download(app, tab, job.id)
            return
        offers = app.downloads.offers()
        starter = next((one for one in offers if one[1].name == STARTER), None)
        if starter is None:
            st.write("Put a model file into the models folder, or get one on the Models page.")
            st.caption(f"The models folder is `{app.paths.models}`.")
            return
        source, offer = starter
        st.write(
            "Jackfield runs language models on this computer. To begin, get a small one: "
            f"**{offer.title}**. {offer.description}"
        )
        if job is not None and job.state == "failed":
            st.error(f"{job.error}\n\n{job.hint}".strip(), icon=":material/error:")
        st.button(
            f"Get it ({offer.size / 1e6:.0f} MB)",
            type="primary",
            icon=":material/download:",
            key="chat.get_starter",
            on_click=tab.later,
            args=(_get, source, offer.name),
        )
        st.caption("There are more on the Models page. Your own model files work as well.")


def _starter_job(app: Application) -> Download | None:
    return next((job for job in app.downloads.list() if job.offer == STARTER), None)


def _get(app: Application, tab: Tab, source: str, offer: str) -> None:
    app.downloads.start(source, offer)


@st.fragment(run_every=POLL)
def _watch_download(app: Application, tab: Tab, job_id: str) -> None:
    """Show how far a download is; once it is here the model is loaded."""
    job = app.downloads.get(job_id)
    if job.state in ("queued", "running"):
        share = min(job.done / job.total, 1.0) if job.total else 0.0
        speed = f" · {job.bytes_per_second / 1e6:.1f} MB/s" if job.bytes_per_second else ""
        of = f" of {job.total / 1e6:.0f}" if job.total else ""
        st.progress(share, f"{job.stage or 'Waiting'} · {job.done / 1e6:.0f}{of} MB{speed}")
        st.button(
            "Cancel", key="chat.cancel_starter", on_click=app.downloads.cancel, args=(job.id,)
        )
        return
    if job.state == "done":
        tab.draft = None  # it named no model
        tab.later(turns.load_model, job.model)
    st.rerun(scope="app")
