"""Getting more models: what the sources offer, and the downloads."""

from __future__ import annotations

import streamlit as st

from jackfield.application import Application
from jackfield.catalog.downloads import Download
from jackfield.catalog.source import Offer
from jackfield.dashboard.models.state import attempt, begin_load, has_trouble
from jackfield.dashboard.words import amount, duration, plain, say_error

QUICK = 0.5
RUNNING = ("queued", "running")
_DISMISSED = "models:dismissed"


def draw_offers(app: Application) -> None:
    """What can be fetched, with its size and licence before anything is."""
    offers = app.downloads.offers()
    if not offers:
        st.info(
            "No plugin offers models to download. The plugin **packages** brings a small one; "
            "switch it on, on the Plugins page. You can always put files into the models folder.",
            icon=":material/extension:",
        )
        return
    if app.settings.value.offline:
        st.warning(
            "Offline mode is on, so nothing can be fetched. Switch it off in the settings.",
            icon=":material/wifi_off:",
        )
    here = {model.name for model in app.catalog.scan()}
    running = {one.offer for one in app.downloads.list() if one.state in RUNNING}
    for source, offer in offers:
        _draw_offer(app, source, offer, here, runs=offer.name in running)


def _draw_offer(app: Application, source: str, offer: Offer, here: set[str], *, runs: bool) -> None:
    with st.container(border=True, key=f"offer-{offer.name}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(plain(offer.title), anchor=False)
            if offer.quantization:
                st.badge(offer.quantization, color="gray")
        if offer.description:
            st.write(plain(offer.description))
        sources = app.plugins.model_sources()
        origin = sources[source].title if source in sources else source
        st.caption(
            plain(
                f"{amount(offer.size)} to download · licence {offer.license or 'unknown'} · "
                f"from {origin} · will be called {offer.name}"
            )
        )
        if offer.name in here:
            st.markdown(":green[:material/check_circle:] It is here already.")
            return
        st.button(
            "Downloading..." if runs else f"Download ({amount(offer.size)})",
            key=f"models:fetch:{source}:{offer.name}",
            icon=":material/download:",
            type="secondary" if here else "primary",
            disabled=runs or app.settings.value.offline,
            on_click=_fetch,
            args=(app, source, offer.name),
        )


def _fetch(app: Application, source: str, offer: str) -> None:
    attempt(lambda: app.downloads.start(source, offer))


def draw_downloads(app: Application) -> None:
    """Downloads that run or have ended; looks again by itself while one runs."""
    seen = _states(app)
    running = any(state in RUNNING for _, state in seen)
    st.fragment(_draw, run_every=QUICK if running else None, key="models-downloads")(app, seen)


def _states(app: Application) -> tuple[tuple[str, str], ...]:
    return tuple((one.id, one.state) for one in app.downloads.list())


def _draw(app: Application, seen: tuple[tuple[str, str], ...]) -> None:
    if _states(app) != seen or has_trouble():
        st.rerun()  # a model came, or a button is no longer right
    dismissed: set[str] = st.session_state.setdefault(_DISMISSED, set())
    shown = [one for one in app.downloads.list() if one.id not in dismissed]
    if shown:
        st.header("Downloads", anchor=False)
    for job in shown:
        with st.container(border=True, key=f"download-{job.offer}"):
            _draw_download(app, job)


def _draw_download(app: Application, job: Download) -> None:
    state = job.state  # read once: it may change while this is drawn
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(job.offer)}**", width="stretch")
        if state in RUNNING:
            st.button(
                "Cancel",
                key=f"models:stop:{job.id}",
                icon=":material/close:",
                on_click=app.downloads.cancel,
                args=(job.id,),
            )
        else:
            st.button("Dismiss", key=f"models:hide:{job.id}", on_click=_dismiss, args=(job,))
    if state in RUNNING:
        part = min(1.0, job.done / job.total) if job.total else 0.0
        st.progress(part, text=plain(_progress(job)))
    elif state == "done":
        st.markdown(f":green[:material/check_circle:] **{plain(job.model)}** is here and checked.")
        st.button(
            "Load it",
            key=f"models:load-it:{job.id}",
            icon=":material/play_arrow:",
            on_click=_load_it,
            args=(app, job),
        )
    elif state == "cancelled":
        st.caption("Cancelled. Nothing of it was kept.")
    else:
        say_error(job.error or "It failed.", job.hint)
        st.button(
            "Try again",
            key=f"models:retry:{job.id}",
            icon=":material/refresh:",
            on_click=_retry,
            args=(app, job),
        )


def _dismiss(job: Download) -> None:
    st.session_state[_DISMISSED].add(job.id)


def _progress(job: Download) -> str:
    """How far a download is, in words."""
    if job.state == "queued":
        return "Waiting for another download"
    words = [job.stage or "starting"]
    words.append(f"{amount(job.done)} of {amount(job.total)}" if job.total else amount(job.done))
    if job.bytes_per_second > 0:
        words.append(f"{amount(job.bytes_per_second)}/s")
        if job.total > job.done:
            words.append(f"{duration((job.total - job.done) / job.bytes_per_second)} left")
    return " · ".join([words[0].capitalize(), *words[1:]])


def _retry(app: Application, job: Download) -> None:
    _dismiss(job)
    _fetch(app, job.source, job.offer)


def _load_it(app: Application, job: Download) -> None:
    _dismiss(job)
    begin_load(app, job.model)
