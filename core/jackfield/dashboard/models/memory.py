"""How much memory a model would need, against what is free."""

from __future__ import annotations

from html import escape

import streamlit as st

from jackfield.dashboard.words import amount
from jackfield.machine import MemoryEstimate

# Colours that stand out on the light and on the dark background alike.
PARTS = (
    ("Weights", "weights", "#2f8f8a"),
    ("Context (KV cache)", "kv_cache", "#c9822b"),
    ("Rest", "overhead", "#7d6bb0"),
)


def draw_estimate(estimate: MemoryEstimate, free: int) -> None:
    """A bar as long as what is free, filled with what the model would take."""
    fits = estimate.total <= free
    where = "" if estimate.device == "cpu" else f" on {estimate.device}"
    needs = f"Needs about **{amount(estimate.total)}**{where}"
    if fits:
        st.markdown(f"{needs}. {amount(free)} are free.")
    else:
        st.markdown(
            f":red[:material/warning:] {needs}, and only {amount(free)} are free. "
            "It may take the place of other models, or not load. A shorter context needs less."
        )
    scale = max(free, estimate.total, 1)
    bars = "".join(
        f'<div style="width:{getattr(estimate, part) / scale:.2%};background:{color}"></div>'
        for _, part, color in PARTS
    )
    legend = "".join(
        f'<span style="white-space:nowrap"><span style="color:{color}">■</span> '
        f"{escape(label)} {amount(getattr(estimate, part))}</span>"
        for label, part, color in PARTS
    )
    limit = min(1.0, free / scale)
    st.html(
        f'<div role="img" aria-label="{amount(estimate.total)} of {amount(free)}" '
        'style="position:relative;display:flex;height:10px;border-radius:5px;overflow:hidden;'
        f'background:#80808038">{bars}'
        + (
            ""
            if fits
            else f'<div style="position:absolute;left:{limit:.2%};top:0;width:2px;'
            'height:10px;background:#d0453b"></div>'
        )
        + '</div><div style="display:flex;flex-wrap:wrap;gap:2px 16px;font-size:0.8rem;'
        f'opacity:0.8;margin-top:6px">{legend}</div>'
    )
