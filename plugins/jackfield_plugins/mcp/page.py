"""The page of MCP servers. Imports Streamlit only when drawn."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Literal

from jackfield import JackfieldError
from jackfield_plugins.mcp import changes

if TYPE_CHECKING:
    from jackfield.application import Application
    from jackfield_plugins.mcp import Mcp

Colour = Literal["green", "orange", "red", "gray"]
LOOKS: dict[str, tuple[str, Colour, str]] = {
    "connected": ("connected", "green", ":material/check_circle:"),
    "connecting": ("being connected", "orange", ":material/hourglass_top:"),
    "failed": ("not connected", "red", ":material/error:"),
    "stopped": ("off", "gray", ":material/pause_circle:"),
}
"""State to what the user reads, its colour and its sign."""


def draw(app: Application, plugin: Mcp) -> None:
    """The servers and how they are, and a form to add one."""
    import streamlit as st

    st.title("MCP servers")
    st.write(
        "A server of the Model Context Protocol offers tools that models can call: it reads your "
        "calendar, looks into a database, drives a browser. A program that is started here may do "
        "all that you may do: add only servers that you trust."
    )
    if st.button("Add a server", icon=":material/add:", key="mcp-add", type="primary"):
        st.dialog("Add a server", width="medium")(_draw_form)(app, plugin)

    @st.fragment(run_every=2)
    def servers() -> None:
        states = plugin.states()
        if not states:
            st.info("There is no server yet. Add one with the button above.")
        for state in states:
            _draw_server(app, plugin, state)

    servers()


def _draw_server(app: Application, plugin: Mcp, state: dict[str, Any]) -> None:
    """One server with its tools and what can be done."""
    import streamlit as st

    name = state["name"]
    label, colour, icon = LOOKS[state["state"]]
    with st.container(border=True, key=f"mcp-{name}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{name}**", width="content")
            st.badge(label, icon=icon, color=colour)
        st.caption(f"`{state['where']}`")
        if state["error"]:
            st.error(state["error"])
        if state["tools"]:
            st.write(f"Tools: {', '.join(f'`{one}`' for one in state['tools'])}")
        with st.container(horizontal=True):
            if state["state"] != "stopped":
                st.button(
                    "Connect again",
                    key=f"mcp-again-{name}",
                    icon=":material/refresh:",
                    on_click=plugin.again,
                    args=(name,),
                )
            enabled = state["enabled"]
            st.button(
                "Switch off" if enabled else "Switch on",
                key=f"mcp-switch-{name}",
                icon=":material/power_settings_new:",
                on_click=changes.switch,
                args=(app, plugin, name),
                kwargs={"enabled": not enabled},
            )
            with st.popover("Remove", icon=":material/delete:", key=f"mcp-remove-{name}"):
                st.write(f"Remove the server {name}? Its tools will be gone.")
                st.button(
                    "Remove it",
                    key=f"mcp-removed-{name}",
                    on_click=changes.remove,
                    args=(app, plugin, name),
                )


def _draw_form(app: Application, plugin: Mcp) -> None:
    """A new server."""
    import streamlit as st

    with st.form("mcp-new", border=False):
        name = st.text_input(
            "Name", key="mcp-new-name", help="Short, without blanks; its tools' names begin so"
        )
        where = st.text_input(
            "Command or address",
            key="mcp-new-where",
            placeholder="uvx mcp-server-time, or https://example.org/mcp",
            help="A program is started here; an address is asked over HTTP",
        )
        pairs = st.text_area(
            "Environment or headers",
            key="mcp-new-pairs",
            placeholder="NAME=value",
            help="One a line: environment variables for a program, headers for an address. "
            "${NAME} stands for a secret, which is set in the plugin's options.",
        )
        always = st.checkbox("Run its tools without asking", key="mcp-new-always")
        if not st.form_submit_button("Add", icon=":material/add:"):
            return
    try:
        added = changes.add(app, plugin, _values(name, where, pairs, always=always))
    except (JackfieldError, ValueError) as error:
        st.error(str(error))
        return
    st.toast(f"Added {added.name}.", icon=":material/check:")
    st.rerun()


def _values(name: str, where: str, pairs: str, *, always: bool) -> dict[str, Any]:
    """What was typed, as a server's fields.

    Raises:
        ValueError: a quotation mark has no end, or a line has no ``=``.
    """
    lines = [line.strip() for line in pairs.splitlines() if line.strip()]
    if bad := next((line for line in lines if "=" not in line), ""):
        raise ValueError(f"{bad!r} is not of the form NAME=value.")
    table = {key.strip(): value for key, _, value in (line.partition("=") for line in lines)}
    is_http = where.strip().startswith(("http://", "https://"))
    program, *args = ([] if is_http else shlex.split(where)) or [""]
    return {
        "name": name.strip(),
        "transport": "http" if is_http else "stdio",
        "command": program,
        "args": args,
        "url": where.strip() if is_http else "",
        "headers" if is_http else "env": table,
        "approval": "always" if always else "ask",
    }
