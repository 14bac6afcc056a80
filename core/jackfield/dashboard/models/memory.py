"""How much memory a model would need, against what is free."""

from __future__ import annotations

from html import escape

import streamlit as st

from jackfield.dashboard.words import amount
from jackfield.forecast import Forecast
from jackfield.machine import MemoryEstimate

# Colours that stand out on the light and on the dark background alike.
PARTS = (
    ("Weights", "weights", "#2f8f8a"),
    ("Context (KV cache)", "kv_cache", "#c9822b"),
    ("Rest", "overhead", "#7d6bb0"),
)


def draw_forecast(forecast: Forecast) -> None:
    """What it would need on each device, in words and as a bar."""
    for device, need in forecast.plan.needs.items():
        where = "" if device == "cpu" else f" on {device}"
        told = f"Needs about **{amount(need)}**{where}"
        free = forecast.free.get(device)
        if free is None or need <= free:
            st.markdown(f"{told}. {amount(free)} are free." if free is not None else f"{told}.")
        elif forecast.outcome == "refused":
            st.markdown(
                f":red[:material/warning:] {told}, and only {amount(free)} are free: it will not "
                "load. A shorter context needs less."
            )
        else:
            st.markdown(
                f":orange[:material/warning:] {told}, and only {amount(free)} are free. "
                "It takes the place of other models. A shorter context needs less."
            )
        _draw_bar(_parts_on(forecast.plan.estimate, device), need, free)


def _parts_on(estimate: MemoryEstimate, device: str) -> list[tuple[str, int, str]]:
    """Label, bytes and colour of each part on one device."""
    here = [one for one in (estimate, *estimate.elsewhere) if one.device == device]
    return [(label, sum(getattr(one, part) for one in here), color) for label, part, color in PARTS]


def _draw_bar(parts: list[tuple[str, int, str]], need: int, free: int | None) -> None:
    """A bar as long as what is free, filled with what the model would take."""
    limit = need if free is None else free
    scale = max(limit, need, 1)
    bars = "".join(
        f'<div style="width:{size / scale:.2%};background:{color}"></div>'
        for _, size, color in parts
    )
    legend = "".join(
        f'<span style="white-space:nowrap"><span style="color:{color}">■</span> '
        f"{escape(label)} {amount(size)}</span>"
        for label, size, color in parts
    )
    st.html(
        f'<div role="img" aria-label="{amount(need)} of {amount(limit)}" '
        'style="position:relative;display:flex;height:10px;border-radius:5px;overflow:hidden;'
        f'background:#80808038">{bars}'
        + (
            ""
            if need <= limit
            else f'<div style="position:absolute;left:{limit / scale:.2%};top:0;width:2px;'
            'height:10px;background:#d0453b"></div>'
        )
        + '</div><div style="display:flex;flex-wrap:wrap;gap:2px 16px;font-size:0.8rem;'
        f'opacity:0.8;margin-top:6px">{legend}</div>'
    )
