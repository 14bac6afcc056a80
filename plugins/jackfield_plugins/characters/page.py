"""The Characters page: a gallery, import and export, and the way into a chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import streamlit as st

from jackfield import Character, InvalidRequest, JackfieldError, message

from . import editor
from .access import exported
from .files import read_file
from .macros import Names, filled
from .page_text import escaped
from .playing import greetings
from .store import slug

if TYPE_CHECKING:
    from jackfield.application import Application

    from . import Characters

COLUMNS = 3
MOST_GREETINGS = 20


@dataclass
class View:
    """What one browser tab shows of the page.

    Attributes:
        editing: id of the character that is edited, "" for a new one; None: the gallery.
        deleted: id and name of the character deleted last.
        told: sentences for the next drawing, each with how bad it is.
        uploads, saves: count them, so that widgets are fresh after each.
    """

    editing: str | None = None
    deleted: tuple[str, str] = ("", "")
    told: list[tuple[str, str]] = field(default_factory=list)
    uploads: int = 0
    saves: int = 0


def draw(app: Application, plugin: Characters) -> None:
    """Draw the page."""
    view: View = st.session_state.setdefault("characters.view", View())
    st.title("Characters", anchor=False)
    if view.editing is not None:
        _draw_told(view)
        scope = f"characters.edit.{view.editing}.{view.saves}"
        done = editor.draw(app, plugin, view.editing, scope)
        if done is not None:
            view.editing, view.saves = done or None, view.saves + 1
            view.told += [("success", "Saved.")] if done else []
            st.rerun()
        return
    st.caption(
        "Who a model plays: somebody with a way of speaking, a greeting and things to know. "
        "Choose one and talk."
    )
    _draw_tools(plugin, view)
    _draw_told(view)
    _draw_undo(plugin, view)
    yours, own = plugin.store.all(), plugin.store.own() if plugin.config.with_own else {}
    if yours:
        _draw_gallery(app, plugin, view, list(yours.values()))
    else:
        st.info(
            "None is yours yet. Make a new one, import a character card (PNG or JSON), or make "
            "a copy of one below.",
            icon=":material/theater_comedy:",
        )
    if own:
        st.subheader("Ready-made", anchor=False)
        _draw_gallery(app, plugin, view, list(own.values()))


def _draw_tools(plugin: Characters, view: View) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.button("New character", icon=":material/add:", type="primary", key="characters.new"):
            view.editing = ""
            st.rerun()
        with st.popover(
            "Import", icon=":material/upload:", key=f"characters.importing.{view.uploads}"
        ):
            sent = st.file_uploader(
                "Character cards",
                type=["png", "json", "charx"],
                accept_multiple_files=True,
                key=f"characters.upload.{view.uploads}",
                help="Character Card V2 and V3, as PNG, JSON or CHARX; the first version as well.",
            )
            if sent and st.button("Import them", key="characters.import", width="stretch"):
                for file in sent:
                    _import(plugin, view, file.name, file.getvalue())
                view.uploads += 1
                st.rerun()


def _import(plugin: Characters, view: View, name: str, data: bytes) -> None:
    try:
        read = read_file(data)
        character = plugin.store.create(read.character, read.picture)
    except JackfieldError as error:
        view.told.append(("error", f"{escaped(name)}: {escaped(error.message)}"))
        return
    view.told.append(("success", f"{escaped(character.name)} is here."))
    view.told += [("warning", f"{escaped(name)}: {escaped(note)}") for note in read.notes]


def _draw_told(view: View) -> None:
    icons = {"error": ":material/error:", "warning": ":material/info:"}
    for level, text in view.told:
        if level == "success":
            st.toast(text, icon=":material/check:")
        else:
            getattr(st, level)(text, icon=icons[level])
    view.told = []


def _draw_undo(plugin: Characters, view: View) -> None:
    id_, name = view.deleted
    if not id_:
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        st.markdown(f"{escaped(name)} was deleted.", width="stretch")
        if st.button("Undo", icon=":material/undo:", key="characters.undo"):
            view.deleted = ("", "")
            try:
                plugin.store.restore(id_)
            except JackfieldError as error:
                view.told.append(("error", escaped(error.message)))
            st.rerun()


def _draw_gallery(
    app: Application, plugin: Characters, view: View, characters: Sequence[Character]
) -> None:
    for at in range(0, len(characters), COLUMNS):
        row = characters[at : at + COLUMNS]
        for column, character in zip(st.columns(COLUMNS), row, strict=False):
            with column.container(
                border=True, height="stretch", key=f"characters.card.{character.id}"
            ):
                _draw_card(app, plugin, view, character)


def _draw_card(app: Application, plugin: Characters, view: View, character: Character) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.image(plugin.look(character), width=64)
        with st.container(gap=None):
            st.markdown(f"**{escaped(character.name[:80])}**")
            if character.creator and not plugin.is_own(character.id):
                st.caption(f"by {escaped(character.creator[:60])}")
    with st.container(height="stretch"):
        st.markdown(escaped(_about(character)))
    if character.tags:
        st.caption(" · ".join(escaped(tag[:30]) for tag in character.tags[:5]))
    id_ = character.id
    with st.container(horizontal=True):
        if st.button("Chat", key=f"characters.chat.{id_}"):
            _begin(app, plugin, view, character)
        edits = "Make a copy to edit" if plugin.is_own(id_) else "Edit"
        if not plugin.is_own(id_):
            if st.button("Edit", key=f"characters.change.{id_}"):
                view.editing = id_
                st.rerun()
            edits = "Duplicate"
        options = [edits, "Export", *([] if plugin.is_own(id_) else ["Delete"])]
        chosen = st.menu_button("More", options, key=f"characters.more.{id_}", type="tertiary")
    if chosen == edits:
        _copy(plugin, view, character)
    elif chosen == "Export":
        _draw_export(plugin, character)
    elif chosen == "Delete":
        plugin.store.delete(id_)
        view.deleted = (id_, character.name)
        st.rerun()


def _about(character: Character) -> str:
    text = " ".join((character.notes or character.description).split())
    return text if len(text) <= 140 else f"{text[:137]}..."


def _copy(plugin: Characters, view: View, character: Character) -> NoReturn:
    picture = b"" if plugin.is_own(character.id) else plugin.store.picture(character.id)
    made = plugin.store.create(character, picture)
    view.told.append(("success", f"This is a copy of {escaped(character.name)}."))
    view.editing = made.id
    st.rerun()


@st.dialog("Export")
def _draw_export(plugin: Characters, character: Character) -> None:
    st.markdown(f"**{escaped(character.name)}** as a character card, for other programs as well.")
    kind = st.segmented_control(
        "File", ["PNG", "JSON"], default="PNG", key="characters.export.kind", required=True
    )
    version = st.segmented_control(
        "Version of the card",
        ["Its own", "2", "3"],
        default="Its own",
        key="characters.export.version",
        required=True,
        help="Most programs read version 2; version 3 keeps more.",
    )
    ending = (kind or "PNG").lower()
    number = version if version in ("2", "3") else None
    st.download_button(
        f"Download {kind or 'PNG'}",
        partial(exported, plugin, character, ending, number),  # made when it is wanted
        file_name=f"{slug(character.name)}.{ending}",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
        key="characters.export.download",
    )


# Into a chat


def _begin(app: Application, plugin: Characters, view: View, character: Character) -> None:
    try:
        id_ = begin(app, plugin, character)
    except JackfieldError as error:
        view.told.append(("error", f"{escaped(error.message)} {escaped(error.hint)}"))
        st.rerun()
    st.switch_page(
        st.Page(_chat, title="chat", url_path="chat", default=True), query_params={"c": id_}
    )


def begin(app: Application, plugin: Characters, character: Character) -> str:
    """Begin a chat with a character; its other greetings are versions of the first message.

    Returns:
        The chat's id.

    Raises:
        InvalidRequest: there is no model to play it.
    """
    model = _model(app)
    if not model:
        raise InvalidRequest(
            "There is no model to play a character.", hint="Get one on the Models page."
        )
    options: dict[str, Any] = {"character": character.id}
    chat = app.conversations.create(
        title=character.name[:200], model=model, options={plugin.context.name: options}
    )
    names = Names.of(character, plugin.config.user)
    texts = [filled(one, names) for one in greetings(character)[:MOST_GREETINGS]]
    nodes = [app.conversations.add(chat.id, None, message("assistant", one)) for one in texts]
    if nodes:
        app.conversations.update(chat.id, head=nodes[0].id)
    return chat.id


def _model(app: Application) -> str:
    """The model that a new chat begins with, as on the Chat page."""
    names = app.catalog.writers()
    ready = [one.model for one in app.engine.residents() if one.state == "ready"]
    wished = [app.settings.value.chat.model, *ready, *names]
    return next((name for name in wished if name in names), "")


def _chat() -> None:
    """Stands for the Chat page's own function: Streamlit finds the page by its address."""
