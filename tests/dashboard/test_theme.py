"""The dashboard's look."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamlit import config

from jackfield.dashboard import theme
from jackfield.dashboard.main import ICON


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_letters_can_be_read_on_every_background(appearance: str) -> None:
    options = theme.theme_options()

    def colour(name: str) -> str:
        return str(options[f"theme.{appearance}.{name}"])

    text = colour("textColor")
    for background in (
        "backgroundColor",
        "secondaryBackgroundColor",
        "codeBackgroundColor",
        "sidebar.backgroundColor",
        "sidebar.secondaryBackgroundColor",
    ):
        assert contrast(text, colour(background)) >= 7, background
    assert contrast("#ffffff", colour("primaryColor")) >= 4.5
    assert contrast(colour("linkColor"), colour("backgroundColor")) >= 4.5


def test_streamlit_knows_every_option_of_the_theme() -> None:
    known = set(config.get_config_options())
    assert set(theme.theme_options()) <= known


def test_the_icon_is_a_local_drawing_that_loads_nothing() -> None:
    drawing = Path(ICON).read_text(encoding="utf-8")
    assert drawing.startswith("<svg")
    assert re.findall(r"https?://\S+?\"", drawing) == ['http://www.w3.org/2000/svg"']
