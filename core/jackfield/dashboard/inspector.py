"""What was done to a reply: each plugin's step, the difference it made, and the final prompt."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import streamlit as st

from jackfield.messages import UsageEvent
from jackfield.trace import Trace, TraceLine

STEPS = {
    "before_turn": "Before the turn",
    "transform_messages": "Conversation",
    "transform_input": "Your message",
    "add_context": "Added context",
    "modify_sampling": "Sampling parameters",
    "transform_prompt": "Rendered prompt",
    "logits_processors": "Choice of tokens",
    "tools": "Call of a tool",
    "filter_stream": "Reply as it streamed",
    "transform_reply": "Whole reply",
    "after_turn": "After the turn",
}
"""What each hook of a turn works on, in the reader's words."""

LONG_PROMPT = 1500
"""A prompt of more characters scrolls in a box of its own."""


def draw(trace: Trace) -> None:
    """Draw a turn's trace."""
    facts = [f"**{trace.model}**" if trace.model else "", trace.loader, trace.template]
    st.caption(" · ".join(fact for fact in facts if fact))
    if trace.error:
        st.error(trace.error, icon=":material/error:")
    _draw_steps(trace.lines)
    _draw_accounts(trace.accounts)
    for dropped in trace.dropped:
        st.warning(dropped, icon=":material/content_cut:")
    if trace.sampling:
        st.markdown("**Sampling parameters in force**")
        st.table(
            {name: f"`{value}`" for name, value in trace.sampling.items()},
            border="horizontal",
            width="content",
        )
    if trace.usage is not None:
        st.markdown("**Tokens and times**")
        st.table(_usage(trace.usage), border="horizontal", width="content")
    st.markdown("**The prompt, as the model read it**")
    if trace.prompt:
        long = len(trace.prompt) > LONG_PROMPT
        st.code(trace.prompt, language=None, wrap_lines=True, height=400 if long else "content")
    else:
        st.caption("The turn ended before a prompt was made.")


def _draw_steps(lines: list[TraceLine]) -> None:
    st.markdown("**What plugins did, in order**")
    if not lines:
        st.caption("No plugin took part in this reply.")
    for number, line in enumerate(lines, 1):
        what = STEPS.get(line.hook, line.hook)
        mark = (
            ":red-badge[failed]" if line.error else ":green-badge[changed]" if line.changed else ""
        )
        title = f"{number}. **{line.plugin}** · {what} · {line.ms:.1f} ms {mark}"
        if not (line.error or line.changed):
            st.markdown(title)
            continue
        with st.expander(title):
            if line.error:
                st.error(line.error, icon=":material/extension_off:")
            if line.changed:
                st.code(difference(line.before, line.after), language="diff", wrap_lines=True)


def _draw_accounts(accounts: Mapping[str, list[dict[str, Any]]]) -> None:
    """What plugins tell of the turn themselves."""
    for plugin, rows in accounts.items():
        if rows:
            st.markdown(f"**{plugin} · What it found and did**")
            st.dataframe(rows, hide_index=True)


def difference(before: str, after: str) -> str:
    """The lines that were taken away and added, with what is around them."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm="")
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _usage(usage: UsageEvent) -> dict[str, str]:
    rows = {
        "Prompt": f"{usage.prompt_tokens:,} tokens",
        "of these reused": f"{usage.cached_tokens:,}",
        "Reply": f"{usage.completion_tokens:,} tokens",
        "First token after": f"{usage.first_token_s:.2f} s",
        "In all": f"{usage.seconds:.2f} s",
    }
    if usage.context_length:
        rows["Context holds"] = f"{usage.context_length:,} tokens"
    return rows
