"""The Tools page. Imports Streamlit only when drawn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jackfield_plugins.tools.running import Outcome, find, run

if TYPE_CHECKING:
    from jackfield import Tool
    from jackfield.application import Application

EMPTY = {"string": "", "integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}


def draw(app: Application) -> None:
    """All tools by plugin."""
    import streamlit as st

    st.title("Tools")
    st.write(
        "Things that a model can do besides writing. Choose on the Chat page which of them a chat "
        "may use; those marked “asks” run only after you have allowed it."
    )
    tools = app.plugins.tools()
    if not tools:
        st.info("There are no tools: enable the plugin “tools” on the Plugins page.")
        return
    by_plugin: dict[str, list[Tool]] = {}
    for plugin, one in tools:
        by_plugin.setdefault(plugin, []).append(one)
    for plugin, ones in by_plugin.items():
        st.subheader(plugin)
        for one in ones:
            _draw_tool(app, one)


def _draw_tool(app: Application, tool: Tool) -> None:
    """A tool, unfolded when asked."""
    import streamlit as st

    icon = ":material/front_hand:" if tool.approval == "ask" else ":material/bolt:"
    asks = "asks" if tool.approval == "ask" else "runs by itself"
    label = f"{tool.title or tool.name} · {asks}"
    unfolded = st.expander(label, icon=icon, key=f"tools-{tool.name}", on_change="rerun")
    with unfolded:
        if not unfolded.open:
            return
        st.caption(f"`{tool.name}`")
        st.text(tool.description or "Its author says nothing of it.")
        about, trying = st.tabs(["Try it", "What the model is told"], key=f"tools-tabs-{tool.name}")
        with about:
            _draw_form(app, tool)
        with trying:
            st.json(tool.as_function()["function"])


def _draw_form(app: Application, tool: Tool) -> None:
    """Arguments as JSON, and what came of them."""
    import streamlit as st

    answer = f"tools-answer-{tool.name}"
    with st.form(f"tools-form-{tool.name}", border=False):
        written = st.text_area(
            "Arguments", _example(tool), key=f"tools-arguments-{tool.name}", help="A JSON object"
        )
        if st.form_submit_button("Run", icon=":material/play_arrow:"):
            with st.spinner("Running"):
                st.session_state[answer] = _outcome(app, tool.name, written)
    outcome: Outcome | None = st.session_state.get(answer)
    if outcome is None:
        return
    if outcome.error:
        st.error(outcome.text, icon=":material/error:")
        return
    st.caption(f"Answered in {outcome.seconds:.2f} s")
    st.code(outcome.text[:20_000], language=None, wrap_lines=True)


def _outcome(app: Application, name: str, written: str) -> Outcome:
    """What comes of running a tool with what was typed."""
    try:
        given: Any = json.loads(written or "{}")
    except ValueError as error:
        return Outcome(f"The arguments are no JSON: {error}", True, 0)
    if not isinstance(given, dict):
        return Outcome('The arguments are no JSON object such as {"a": 1}.', True, 0)
    outcome: Outcome = app.portal.call(run, find(app, name), given)
    return outcome


def _example(tool: Tool) -> str:
    """Arguments to begin with: those that have to be given, empty."""
    properties = tool.parameters.get("properties", {})
    wanted = tool.parameters.get("required") or list(properties)[:1]
    values = {
        name: properties[name].get("default", EMPTY.get(str(properties[name].get("type")), ""))
        for name in wanted
        if isinstance(properties.get(name), dict)
    }
    return json.dumps(values, indent=2, ensure_ascii=False)
