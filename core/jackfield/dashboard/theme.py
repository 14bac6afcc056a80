"""How the dashboard looks: colours, letters and corners, light and dark."""

from __future__ import annotations

from typing import Any

_SHAPE = {
    "font": "sans-serif",
    "baseFontSize": 16,
    "baseRadius": "10px",
    "buttonRadius": "8px",
    "headingFontSizes": ["1.9rem", "1.5rem", "1.2rem", "1.05rem", "1rem", "0.9rem"],
    "headingFontWeights": [650, 600, 600, 600, 600, 600],
    "codeFontSize": "0.85rem",
    "paddingTop": "1rem",
    "paddingBottom": "1rem",
    "showSidebarBorder": True,
}
_LIGHT = {
    "primaryColor": "#1d6663",
    "backgroundColor": "#fcfbf9",
    "secondaryBackgroundColor": "#f0eee9",
    "textColor": "#24282c",
    "borderColor": "#dcd8d0",
    "linkColor": "#1d6663",
    "codeTextColor": "#24282c",
    "codeBackgroundColor": "#f3f1ec",
    "redColor": "#b3423a",
    "orangeColor": "#b5701d",
    "yellowColor": "#b08a1e",
    "greenColor": "#2f7d4f",
    "blueColor": "#2f6fa8",
    "violetColor": "#75579e",
    "grayColor": "#6c7074",
    "chartCategoricalColors": ["#1d6663", "#b5701d", "#2f6fa8", "#75579e", "#2f7d4f", "#b3423a"],
    "sidebar.backgroundColor": "#f4f2ed",
    "sidebar.secondaryBackgroundColor": "#e7e4dc",
}
_DARK = {
    "primaryColor": "#2b7f7a",
    "backgroundColor": "#15181a",
    "secondaryBackgroundColor": "#22272a",
    "textColor": "#e6e4df",
    "borderColor": "#363d41",
    "linkColor": "#7cc9c0",
    "codeTextColor": "#e6e4df",
    "codeBackgroundColor": "#1d2225",
    "redColor": "#e07a70",
    "orangeColor": "#dfa25a",
    "yellowColor": "#d9bb5c",
    "greenColor": "#6fbf8b",
    "blueColor": "#79b0de",
    "violetColor": "#b59ad8",
    "grayColor": "#9ba1a5",
    "chartCategoricalColors": ["#56aaa3", "#dfa25a", "#79b0de", "#b59ad8", "#6fbf8b", "#e07a70"],
    "sidebar.backgroundColor": "#1a1e20",
    "sidebar.secondaryBackgroundColor": "#272d30",
}


def theme_options() -> dict[str, Any]:
    """Streamlit's ``theme.*`` options, for ``App.run(config=...)``.

    White letters on ``primaryColor`` and ``textColor`` on both backgrounds keep a contrast of at
    least 4.5 in both appearances; the browser's own preference chooses between them.
    """
    options = {f"theme.{name}": value for name, value in _SHAPE.items()}
    options |= {f"theme.light.{name}": value for name, value in _LIGHT.items()}
    options |= {f"theme.dark.{name}": value for name, value in _DARK.items()}
    return options
