"""Puts a text into the browser's clipboard after a click."""

from __future__ import annotations

import streamlit as st

from jackfield.dashboard.chat.tab import Tab

_SCRIPT = """
export default function ({ data }) {
  if (!data || window.jackfieldCopied === data.number) return;
  window.jackfieldCopied = data.number;
  const byHand = () => {
    const field = document.createElement("textarea");
    field.value = data.text;
    field.style.position = "fixed";
    field.style.opacity = "0";
    document.body.appendChild(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  };
  if (navigator.clipboard) navigator.clipboard.writeText(data.text).catch(byHand);
  else byHand();
}
"""


def draw_copy(tab: Tab) -> None:
    """Copy the text that a message's menu has left, if it has."""
    place = st.empty()  # claimed in every run, so that what follows keeps its place
    text, tab.copied = tab.copied, ""
    if not text:
        return
    tab.copies += 1
    copy = st.components.v2.component("jackfield_copy", js=_SCRIPT)
    with place:
        copy(data={"text": text, "number": tab.copies}, key="chat.clipboard", height=0)
    st.toast("Copied", icon=":material/content_copy:")
