"""The form in which a character is made and edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import regex
import streamlit as st

from jackfield import Character, JackfieldError, LoreEntry, SamplingParams

from .macros import Names, filled
from .page_text import escaped
from .playing import Playing, greetings

if TYPE_CHECKING:
    from jackfield.application import Application

    from . import Characters

NUMBERS = (
    "temperature",
    "top_p",
    "max_tokens",
    "frequency_penalty",
    "presence_penalty",
    "repeat_penalty",
)
"""Sampling parameters that the form has, beside the texts that end a reply."""
PLACES = {True: "before the description", False: "after it"}


class Form(msgspec.Struct, frozen=True):
    """The character as it is saved, and what keys of its widgets begin with."""

    old: Character
    scope: str

    def key(self, name: str) -> str:
        """The key of a widget."""
        return f"{self.scope}.{name}"


def draw(app: Application, plugin: Characters, id_: str, scope: str) -> str | None:
    """Draw the form for a character, "" for a new one.

    Args:
        scope: a prefix for keys; another one begins with fresh widgets.

    Returns:
        The id of the character that was saved, "" when the user wants to leave, None otherwise.
    """
    if st.button("All characters", icon=":material/arrow_back:", type="tertiary"):
        return ""
    old = plugin.store.get(id_) if id_ else Character(id="", name="")
    with st.form(f"{scope}.form", border=False, enter_to_submit=False):
        *tabs, preview = st.tabs(["Who", "Talk", "Lore", "Voice and parameters", "Preview"])
        values, picture = _draw_fields(app, Form(old, scope), tabs)
        with preview:
            _draw_preview(plugin, old)
        is_saved = st.form_submit_button("Save", type="primary", icon=":material/save:")
    if not is_saved:
        return None
    if not values["name"]:
        st.error("A character needs a name.", icon=":material/error:")
        return None
    new = msgspec.structs.replace(old, **values)
    try:
        if id_:
            return plugin.store.update(new, picture).id
        return plugin.store.create(new, picture or b"").id
    except JackfieldError as error:
        st.error(f"{error.message} {error.hint}", icon=":material/error:")
        return None


def _draw_fields(
    app: Application, form: Form, tabs: Sequence[Any]
) -> tuple[dict[str, Any], bytes | None]:
    """All fields; their values, and the new picture, b"" to remove it, None to leave it."""
    who, talk, lore, more = tabs
    with who:
        values, picture = _draw_who(form)
    with talk:
        values |= _draw_talk(form)
    with lore:
        values |= _draw_lore(form)
    with more:
        values["voice"] = _draw_voice(app, form)
        values["sampling"] = _draw_sampling(form)
    return values, picture


def _draw_who(form: Form) -> tuple[dict[str, Any], bytes | None]:
    old = form.old
    left, right = st.columns(2)
    name = left.text_input("Name", old.name, max_chars=1000, key=form.key("name"))
    values: dict[str, Any] = {
        "name": old.name if name == old.name else name.strip(),
        "nickname": right.text_input(
            "Called",
            old.nickname,
            max_chars=200,
            placeholder="by its name",
            key=form.key("nickname"),
            help="What {{char}} stands for in its texts.",
        ).strip(),
        "description": _area(form, "description", "Description", 160, "Who it is."),
        "personality": _area(form, "personality", "Personality", 80, "Its nature, in short."),
        "scenario": _area(form, "scenario", "Scenario", 80, "Where and how you two meet."),
        "notes": _area(form, "notes", "Notes for people", 80, "Never told to the model."),
    }
    left, right = st.columns(2)
    values["creator"] = left.text_input("Made by", old.creator, key=form.key("creator"))
    tags = right.multiselect(
        "Tags", sorted(set(old.tags)), list(dict.fromkeys(old.tags)), accept_new_options=True,
        key=form.key("tags"),
    )  # fmt: skip
    values["tags"] = old.tags if set(tags) == set(old.tags) else tuple(tags)
    sent = st.file_uploader("Picture", type=["png", "jpg", "jpeg", "webp"], key=form.key("picture"))
    if sent is not None:
        return values, sent.getvalue()
    removes = bool(old.picture) and st.checkbox("Remove the picture", key=form.key("remove"))
    return values, b"" if removes else None


def _draw_talk(form: Form) -> dict[str, Any]:
    old = form.old
    st.caption("In all texts {{char}} stands for the character and {{user}} for you.")
    values: dict[str, Any] = {
        "greeting": _area(form, "greeting", "Greeting", 120, "Its first message in a chat."),
    }
    others = [
        _typed(one, st.text_area(
            f"Another greeting ({number})", one, height=80, key=form.key(f"greetings.{number}")
        ))
        for number, one in enumerate([*old.greetings, ""], start=1)
    ]  # fmt: skip
    values["greetings"] = tuple(one for one in others if one.strip())
    values["examples"] = _area(
        form, "examples", "Example dialogue", 160,
        "How it talks. Begin each dialogue with a line <START>, each line with {{user}}: or "
        "{{char}}:. Left out first where the model's context is short.",
    )  # fmt: skip
    values["instructions"] = _area(
        form, "instructions", "Instructions", 120,
        "What the model is told to do, in place of the chat's agent description; {{original}} "
        "stands for that.",
    )  # fmt: skip
    values["last_words"] = _area(
        form,
        "last_words",
        "Last words",
        80,
        "Put after your message, to keep the model to its part.",
    )
    return values


def _draw_lore(form: Form) -> dict[str, Any]:
    old = form.old
    st.caption(
        "What it knows and is told only when it comes up. A key in one of the latest messages "
        "brings an entry up; where there are second keys, one of them is needed as well."
    )
    rows = [_row(number, entry) for number, entry in enumerate(old.lore)]
    edited = st.data_editor(
        rows or [_row(None, LoreEntry(text=""))],
        num_rows="dynamic",
        hide_index=True,
        column_config=_columns(),
        key=form.key("lore"),
    )
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    return {
        "lore": _entries(edited, old),
        "scan_depth": left.number_input(
            "Messages looked at", 0, 1000, old.scan_depth, key=form.key("scan_depth"),
            help="0: as many as the plugin's options say.",
        ),
        "token_budget": middle.number_input(
            "Most tokens", 0, 1_000_000, old.token_budget, key=form.key("token_budget"),
            help="0: as many as the plugin's options say.",
        ),
        "recursive": right.checkbox(
            "Lore brings up lore", old.recursive, key=form.key("recursive")
        ),
    }  # fmt: skip


def _columns() -> dict[str, Any]:
    config = st.column_config
    return {
        "#": None,
        "on": config.CheckboxColumn("On", default=True, width=50),
        "name": config.TextColumn("Name", default=""),
        "keys": config.ListColumn("Keys", default=[]),
        "text": config.TextColumn("What it knows", width="large", default=""),
        "second": config.ListColumn("Second keys", default=[]),
        "constant": config.CheckboxColumn("Always", default=False, width=70),
        "regex": config.CheckboxColumn(
            "Patterns", default=False, width=80, help="The keys are regular expressions."
        ),
        "case": config.CheckboxColumn("Case counts", default=False, width=100),
        "order": config.NumberColumn("Order", default=100, help="Lower ones are told first."),
        "priority": config.NumberColumn(
            "Priority", default=10, help="Lower ones are dropped first."
        ),
        "place": config.SelectboxColumn(
            "Told", options=list(PLACES.values()), default=PLACES[True]
        ),
    }


def _row(number: int | None, entry: LoreEntry) -> dict[str, Any]:
    return {
        "#": number,
        "on": entry.enabled,
        "name": entry.name,
        "keys": [*entry.keys],
        "text": entry.text,
        "second": [*entry.secondary_keys],
        "constant": entry.constant,
        "regex": entry.regex,
        "case": entry.case_sensitive,
        "order": entry.order,
        "priority": entry.priority,
        "place": PLACES[entry.at_start],
    }


def _entries(rows: Any, old: Character) -> tuple[LoreEntry, ...]:
    """The edited entries; what the card has of them besides stays with them."""
    entries = []
    for row in rows:
        number = row.get("#")
        is_old = isinstance(number, int | float) and number == number  # not NaN
        before = old.lore[int(number)] if is_old else LoreEntry(text="")
        made = msgspec.structs.replace(
            before,
            text=_typed(before.text, row.get("text") or ""),
            keys=_words(row.get("keys")),
            secondary_keys=_words(row.get("second")),
            name=row.get("name") or "",
            enabled=bool(row.get("on")),
            constant=bool(row.get("constant")),
            case_sensitive=bool(row.get("case")),
            regex=bool(row.get("regex")),
            order=_number(row.get("order"), before.order),
            priority=_number(row.get("priority"), before.priority),
            at_start=row.get("place") != PLACES[False],
        )
        if is_old or made.text.strip():
            entries.append(made)
    return tuple(entries)


def _words(value: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if value is not None else ()


def _number(value: Any, usual: float) -> float:
    return value if isinstance(value, int | float) and value == value else usual


def _draw_voice(app: Application, form: Form) -> str:
    old = form.old
    voices = {"": "The usual one"}
    for name, engine in app.plugins.speech_synthesizers().items():
        try:
            found = engine.voices()
        except Exception as error:  # noqa: BLE001 - another plugin's engine
            st.caption(f"The voices of {name} cannot be listed: {error}")
            continue
        voices |= {f"{name}/{one.name}": f"{engine.title}: {one.title}" for one in found}
    voices.setdefault(old.voice, f"{old.voice} (not here)")
    return st.selectbox(
        "Voice",
        list(voices),
        list(voices).index(old.voice),
        format_func=voices.__getitem__,
        key=form.key("voice"),
        help="" if len(voices) > 1 else "Voices come with plugins that speak.",
    )


def _draw_sampling(form: Form) -> dict[str, Any]:
    """The parameters that the form has; others that the character sets stay as they are."""
    old = form.old
    st.markdown("**Parameters**")
    st.caption("An empty one is as the chat or the model has it.")
    schema = SamplingParams.model_json_schema()["properties"]
    values = dict(old.sampling)
    columns = st.columns(2)
    for place, name in enumerate(NUMBERS):
        with columns[place % 2]:
            value = _draw_number(form, name, schema[name])
        values.pop(name, None)
        if value is not None:
            values[name] = value
    stop = st.text_area(
        "Stop sequences", "\n".join(map(_on_a_line, old.sampling.get("stop", []))), height=70,
        key=form.key("stop"),
        help=r"One per line; \n stands for a line break. " + schema["stop"]["description"],
    )  # fmt: skip
    texts = [_of_a_line(line) for line in stop.split("\n") if line]
    values.pop("stop", None)
    return {**values, "stop": texts} if texts else values


def _on_a_line(text: str) -> str:
    r"""A text with ``\n`` for each line break."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _of_a_line(line: str) -> str:
    r"""A text from a line in which ``\n`` stands for a line break."""
    return regex.sub(r"\\(n|\\)", lambda found: "\n" if found[1] == "n" else "\\", line)


def _draw_number(form: Form, name: str, field: Mapping[str, Any]) -> int | float | None:
    plain = next(one for one in field.get("anyOf", [field]) if one.get("type") != "null")
    kind = int if plain["type"] == "integer" else float
    value = form.old.sampling.get(name)
    given: int | float | None = st.number_input(
        name.replace("_", " ").capitalize(),
        kind(plain["minimum"]),
        kind(plain["maximum"]),
        None if value is None else kind(value),
        step=1 if kind is int else 0.05,
        placeholder="not set",
        help=field["description"],
        key=form.key(name),
    )
    return value if given == value else given


def _draw_preview(plugin: Characters, character: Character) -> None:
    if not character.id:
        st.caption("Save it to see how it looks and begins a chat.")
        return
    names = Names.of(character, plugin.config.user)
    st.caption("As it was saved last.")
    first = next(iter(greetings(character)), "")
    picture, words = st.columns([1, 3])
    picture.image(plugin.look(character))
    with words.container(border=True):
        st.markdown(f"**{escaped(names.char)}**")
        st.text(filled(first, names) if first else "It waits for you to begin.")
    playing = Playing(
        character, names, usual=plugin.config.instructions, scan_depth=1, lore_tokens=0
    )
    with st.expander("What the model is told"):
        st.text(playing.description())
        st.caption("Lore and example dialogue come besides.")


def _area(form: Form, name: str, label: str, height: int, help_: str) -> str:
    value: str = getattr(form.old, name)
    return _typed(value, st.text_area(label, value, height=height, help=help_, key=form.key(name)))


def _typed(before: str, now: str) -> str:
    """What was typed; a text in which only the browser changed the ends of lines stays."""
    same = before.replace("\r\n", "\n").replace("\r", "\n")
    return before if now == same else now
