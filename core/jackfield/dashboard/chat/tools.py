"""Calls of tools in a chat: what was called, whether it may run, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from jackfield.dashboard.chat.markdown import markdown
from jackfield.dashboard.words import plain
from jackfield.jobs import Job
from jackfield.messages import Message, TextPart, ToolCallPart, ToolResultPart

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from jackfield.application import Application
    from jackfield.pipeline.turn import Approval

SHOWN = 4_000
"""Characters of a result that are drawn."""
LABEL = 60
"""Characters of arguments in the line of a call."""
ANSWERS: Sequence[tuple[str, Approval, str]] = (
    ("Allow once", "once", "This call only."),
    ("Always allow", "always", "This tool needs no approval from now on."),
    ("Refuse", "refused", "The model is told, and answers without it."),
    ("Never allow", "never", "This tool is refused from now on. Settings → Tools changes it."),
)


def draw_reply(
    message: Message, titles: dict[str, str], draw_text: Callable[[str], object]
) -> None:
    """Draw the texts of a reply and the calls of tools between them.

    Args:
        titles: of tools, by name.
        draw_text: draws a text.
    """
    results = {one.call_id: one for one in message.parts if isinstance(one, ToolResultPart)}
    for part in message.parts:
        if isinstance(part, TextPart) and part.text.strip():
            draw_text(part.text)
        elif isinstance(part, ToolCallPart):
            title = titles.get(part.name, part.name)
            draw_step(st.empty(), part, title, results.get(part.id))


def draw_step(
    place: DeltaGenerator, call: ToolCallPart, title: str, result: ToolResultPart | None
) -> None:
    """Draw one call; without a result it was broken off, or still runs."""
    arguments = _arguments(call)
    short = arguments if len(arguments) <= LABEL else f"{arguments[:LABEL]}…"
    state = "error" if result is None or result.error else "complete"
    took = f" · {result.seconds:.1f} s" if result is not None and result.seconds >= 0.1 else ""
    with place.status(f"**{plain(title)}** `{short}`{took}", state=state, type="step"):  # type: ignore[arg-type] # one of the literals
        st.code(_pretty(call), language="json", wrap_lines=True)
        if result is None:
            st.caption("The reply was stopped before this tool answered.")
            return
        st.caption("The model was told:" if result.error else "It answered:")
        st.code(result.text[:SHOWN], language=None, wrap_lines=True)
        if len(result.text) > SHOWN:
            st.caption(f"{len(result.text) - SHOWN:,} more characters were given to the model.")


def draw_running(place: DeltaGenerator, call: ToolCallPart, title: str) -> None:
    """Draw a call that is being run."""
    with place.status(f":shimmer[{plain(title)}] `{_arguments(call)[:LABEL]}`", type="step"):
        st.code(_pretty(call), language="json", wrap_lines=True)


def draw_question(place: DeltaGenerator, job: Job, call: ToolCallPart, title: str) -> None:
    """Ask whether a call may run."""
    with place.container(border=True, key=f"chat.ask.{call.id}"):
        st.markdown(f":material/build: The model wants to use **{markdown(title)}**:")
        st.code(_pretty(call), language="json", wrap_lines=True)
        with st.container(horizontal=True, gap="small"):
            for number, (label, approval, help_) in enumerate(ANSWERS):
                st.button(
                    label,
                    key=f"chat.ask.{approval}.{call.id}",
                    type="primary" if number == 0 else "secondary",
                    help=help_,
                    on_click=job.answer,
                    args=(call.id, approval),
                )


def titles_of(app: Application) -> dict[str, str]:
    """What tools are called for the user, by name."""
    return {tool.name: tool.title or tool.name for _, tool in app.plugins.tools()}


def _arguments(call: ToolCallPart) -> str:
    """The arguments on one line, without what Markdown would take."""
    return " ".join(call.arguments.split()).replace("`", "'")


def _pretty(call: ToolCallPart) -> str:
    try:
        return json.dumps(json.loads(call.arguments or "{}"), indent=2, ensure_ascii=False)
    except ValueError:
        return call.arguments
