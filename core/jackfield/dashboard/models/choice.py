"""One model that can be fetched: its versions, which of them fits, and the button."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from jackfield.application import Application
from jackfield.catalog.source import Offer
from jackfield.dashboard.models.failing import draw_failure, draw_gate
from jackfield.dashboard.models.fit import Space, names, needed, quality, suggested
from jackfield.dashboard.models.looking import Choice, choose, close
from jackfield.dashboard.models.state import attempt
from jackfield.dashboard.notices import notify
from jackfield.dashboard.words import amount, plain
from jackfield.errors import JackfieldError

POLL = 0.3
RUNNING = ("queued", "running")
NAME_KEY, REVISION_KEY = "models:more:name", "models:more:revision"
VERSION_HELP = (
    "The same model with its weights shortened (quantized) more or less. Fewer bits make it "
    "smaller and faster and cost some quality; with 4 bits one hardly notices."
)


def draw_choice(app: Application, choice: Choice) -> None:
    """The versions of a model, or that they are being looked up, or why they cannot be."""
    if not choice.work.done:
        st.fragment(_watch, run_every=POLL, key="models-looking-up")(choice)
        return
    try:
        found = choice.work.result()
    except JackfieldError as error:
        draw_failure(app, error, again=choice.reference)
        return
    sources = [source for source, _ in found]
    offers = [offer for _, offer in found]
    space = Space.now(app)
    place = _draw_versions(choice, offers, space)
    offer = offers[place]
    _draw_fit(offer, space)
    facts = [f"licence {offer.license or 'unknown'}"]
    if offer.architecture:
        facts.append(f"architecture {offer.architecture}")
    if offer.page:
        facts.append(f"[about it]({offer.page})")
    st.caption(" · ".join(one if one.startswith("[") else plain(one) for one in facts))
    if offer.gated:
        draw_gate(app, offer, sources[place])
    name = _draw_more(app, choice, sources[place], offer)
    draw_button(app, sources[place], offer, name=name, primary=True)


def _watch(choice: Choice) -> None:
    if choice.work.done:
        st.rerun()
    st.caption(f":material/hourglass_top: Looking up {plain(choice.reference)}...")


def _draw_versions(choice: Choice, offers: Sequence[Offer], space: Space) -> int:
    """The versions there are; returns the place of the chosen one."""
    best = suggested(offers, space)
    if len(offers) == 1:
        return 0
    labels = names(offers)

    def told(place: int) -> str:
        words = [labels[place], amount(offers[place].size) if offers[place].size else ""]
        fit = space.judge(offers[place])
        words.append("too big for this computer" if fit == "too big" else fit)
        if place == best:
            words.append("suggested")
        return " · ".join(word for word in words if word)

    place = st.selectbox(
        f"Version ({len(offers)} to choose from)",
        range(len(offers)),
        index=best,
        format_func=told,
        key=f"models:version:{choice.reference}",
        help=VERSION_HELP,
    )
    return int(place or 0)


def _draw_fit(offer: Offer, space: Space) -> None:
    """In plain words whether it fits this computer."""
    need = f"It needs about {amount(needed(offer))} of memory"
    with st.container(horizontal=True, vertical_alignment="center", key="models-fit"):
        match space.judge(offer):
            case "fits":
                st.badge("Fits", icon=":material/check_circle:", color="green")
                st.caption(
                    f"{need}; {amount(space.free)} of {space.device} are free.", width="content"
                )
            case "tight":
                st.badge("Tight", icon=":material/warning:", color="orange")
                st.caption(
                    f"{need}, and only {amount(space.free)} are free now. Unload other models or "
                    "close programs before you load it.",
                    width="content",
                )
            case "too big":
                st.badge("Too big for this computer", icon=":material/error:", color="red")
                st.caption(
                    f"{need}, and models can have {amount(space.limit)} here. Choose a smaller "
                    "version or a smaller model.",
                    width="content",
                )
            case _:
                st.caption("How large it is, its address does not say.", width="content")
    if words := quality(offer):
        st.caption(f"{plain(offer.quantization)}: {words}.")


def _draw_more(app: Application, choice: Choice, source: str, offer: Offer) -> str:
    """What few people need; returns the name that it shall have here, "" for the offer's."""
    if not st.toggle("More options", key=f"models:more:{choice.reference}"):
        return ""
    name = st.text_input(
        "Name here",
        key=f"{NAME_KEY}:{offer.name}",
        placeholder=offer.name,
        help="What the model is called on this computer: lower-case letters, digits, dots, dashes "
        "and underscores.",
    )
    if offer.repository and offer.revision:
        with (
            st.form(f"models:revision:{choice.reference}", border=False),
            st.container(horizontal=True, vertical_alignment="bottom"),
        ):
            revision = st.text_input(
                "Revision",
                key=f"{REVISION_KEY}:{choice.reference}",
                placeholder=offer.revision[:12],
                help="An earlier or other state of the repository: a branch, a tag, or the number "
                "of a commit. Leave it empty for the newest.",
            )
            if st.form_submit_button("Look it up", icon=":material/history:") and revision:
                choose(app, f"{offer.repository}@{revision.strip()}", source, choice.card)
                st.rerun()
    return (name or "").strip()


def draw_button(
    app: Application, source: str, offer: Offer, *, name: str = "", primary: bool = False
) -> None:
    """The button that begins the download, or why there is none."""
    called = name or offer.name
    if called in {model.name for model in app.catalog.scan()}:
        st.markdown(":green[:material/check_circle:] It is here already.")
        return
    runs = any(one.offer == called and one.state in RUNNING for one in app.downloads.list())
    size = f" ({amount(offer.size)})" if offer.size else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Downloading..." if runs else f"Download{size}",
            key=f"models:fetch:{source}:{offer.name}",
            icon=":material/download:",
            type="primary" if primary else "secondary",
            disabled=runs or app.settings.value.offline,
            on_click=_fetch,
            args=(app, source, offer, name),
        )
        st.caption(f"Will be called {plain(called)}", width="content")


def _fetch(app: Application, source: str, offer: Offer, name: str) -> None:
    if attempt(lambda: app.downloads.start(source, offer, name)):
        close()
        notify(f"{name or offer.name} is on its way.", ":material/download:")
