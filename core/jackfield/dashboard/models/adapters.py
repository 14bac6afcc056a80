"""LoRA adapters: what is here, and attaching them to a model in memory."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import streamlit as st

from jackfield.application import Application
from jackfield.catalog.adapters import AdapterFolder
from jackfield.dashboard.models.saving import save, saved_for
from jackfield.dashboard.models.state import put_trouble
from jackfield.dashboard.notices import notify
from jackfield.dashboard.words import amount, plain
from jackfield.engine import Resident
from jackfield.errors import JackfieldError
from jackfield.settings import AdapterSettings

STRONGEST = 2.0
_ATTACHING = "models:attaching"


def draw_adapter_list(app: Application) -> None:
    """The adapters on this computer."""
    found = app.catalog.adapters()
    if not found:
        return
    st.markdown("##### LoRA adapters")
    st.caption("Load a model and attach them to it above, under *In memory*.")
    for one in found:
        facts = [f"made for {one.base}" if one.base else "does not say for which model"]
        facts += [f"rank {one.rank}"] if one.rank else []
        facts += [amount(one.size)] if one.size else []
        told = one.error.partition("\n")[0] or " · ".join(facts)
        sign = ":red[:material/error:]" if one.error else ":material/extension:"
        st.markdown(f"{sign} **{plain(one.name)}** · {plain(told)}")


def draw_attached(app: Application, resident: Resident) -> None:
    """The adapters of a model in memory, for models that take any."""
    if resident.info is None or "lora" not in resident.info.capabilities:
        return
    name = resident.model
    attached = _attached(resident)
    title = f"LoRA adapters ({len(attached)})" if attached else "LoRA adapters"
    with st.popover(title, icon=":material/extension:", key=f"models:adapters:{name}"):
        if is_attaching(name):
            st.caption("They change as soon as the replies that are being written have ended.")
        for place, one in enumerate(attached):
            _draw_one(app, name, attached, place, one)
        _draw_more(app, name, attached)
        if attached != saved_for(app, name).adapters:
            st.button(
                "Attach these at each load",
                key=f"models:adapters-save:{name}",
                icon=":material/bookmark:",
                help="Save them with the model, so that they are attached whenever it is loaded",
                on_click=_save,
                args=(app, name, attached),
            )


def collect_attaching() -> None:
    """Note what has been attached by now, and what could not be."""
    running: dict[str, Future[Resident]] = st.session_state.setdefault(_ATTACHING, {})
    for name, future in list(running.items()):
        if not future.done():
            continue
        del running[name]
        try:
            future.result()
        except JackfieldError as error:
            put_trouble(error)
        else:
            notify(f"The adapters of {name} are changed.", ":material/extension:")


def is_attaching(name: str = "") -> bool:
    """Whether a change that this browser tab asked for, for that model or any, is under way."""
    running: dict[str, Future[Resident]] = st.session_state.get(_ATTACHING, {})
    return name in running if name else bool(running)


def _attached(resident: Resident) -> list[AdapterSettings]:
    return [AdapterSettings(path=str(one.path), scale=one.scale) for one in resident.adapters]


def _draw_one(
    app: Application,
    name: str,
    attached: Sequence[AdapterSettings],
    place: int,
    one: AdapterSettings,
) -> None:
    others = [other for other in attached if other is not one]
    key = f"models:adapter:{name}:{one.path}:{one.scale}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.slider(
            plain(Path(one.path).name),
            min(0.0, one.scale),
            max(STRONGEST, one.scale),
            one.scale,
            0.05,
            key=key,
            help="How strongly it is applied: 0 is not at all, 1 as it was made",
            on_change=_strengthen,
            args=(app, name, list(attached), place, key),
        )
        st.button(
            "Detach",
            key=f"{key}:off",
            icon=":material/close:",
            on_click=_set,
            args=(app, name, others),
        )


def _draw_more(app: Application, name: str, attached: Sequence[AdapterSettings]) -> None:
    taken = {one.path for one in attached}
    here = {
        str(one.path): one
        for one in app.catalog.adapters()
        if not one.error and str(one.path) not in taken
    }
    key = f"models:adapter-more:{name}:{'|'.join(taken)}"  # empty again once one is attached
    chosen = st.selectbox(
        "Attach",
        list(here),
        index=None,
        format_func=lambda path: _named(here, path),
        accept_new_options=True,
        placeholder="Choose one, or type a path",
        key=key,
        help="A LoRA adapter changes how a model writes without a reload. Adapters are looked for "
        f"in {app.paths.adapters!s} and in the models' folders.",
    )
    if chosen:
        st.button(
            "Attach",
            key=f"{key}:go",
            icon=":material/add:",
            type="primary",
            on_click=_set,
            args=(app, name, [*attached, AdapterSettings(path=chosen)]),
        )


def _named(here: dict[str, AdapterFolder], path: str) -> str:
    one = here.get(path)
    return path if one is None else f"{one.name}, made for {one.base or 'a model it does not name'}"


def _strengthen(
    app: Application, name: str, attached: list[AdapterSettings], place: int, key: str
) -> None:
    path = attached[place].path
    attached[place] = AdapterSettings(path=path, scale=st.session_state[key])
    _set(app, name, attached)


def _set(app: Application, name: str, wanted: list[AdapterSettings]) -> None:
    """Begin to attach these and no others; it waits until running replies have ended."""
    running = st.session_state.setdefault(_ATTACHING, {})
    running[name] = app.portal.start_task_soon(app.engine.adapters.set, name, wanted)


def _save(app: Application, name: str, attached: list[AdapterSettings]) -> None:
    changes = {"adapters": [one.model_dump(mode="json") for one in attached]}
    if error := save(app, name, changes):
        put_trouble(error)
    else:
        notify(f"Saved for {name}.")
