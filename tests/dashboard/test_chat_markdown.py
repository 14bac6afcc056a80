"""A message's text as Markdown: what must not happen to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.dashboard.chat.markdown import MarkdownStream, as_typed, markdown, markdown_pieces

PIECES = [
    *"`~!$[]()\\: \n15.,aé",
    "```",
    "~~~",
    "- ",
    "> ",
    "![x](http://a/b)",
    "$5 and $10",
    "`a`",
    ":red[",
]


@given(
    st.lists(st.sampled_from([*PIECES, "\\(", "x^2$", ":material/home:"]), max_size=30),
    st.lists(st.integers(1, 6), max_size=40),
)
def test_a_stream_gives_the_same_as_the_whole_however_it_is_cut(
    words: list[str], cuts: list[int]
) -> None:
    text = "".join(words)
    stream = MarkdownStream()
    shown = ""
    at = 0
    for cut in cuts:
        shown += stream.feed(text[at : at + cut])
        at += cut
    assert shown + stream.feed(text[at:]) + stream.end() == markdown(text)


@given(st.text(alphabet="ab `~!\n[]()", max_size=60))
def test_a_picture_outside_of_code_never_stays_a_picture(text: str) -> None:
    shown = markdown(f"{text}\n\n![p](http://192.0.2.1/p.png)")
    if "```" not in text and "~~~" not in text:
        assert "\\![p]" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("It costs $5 or $10.", "It costs \\$5 or \\$10."),
        (
            "$1,000.50, and $5/month, $5-$10, $2.5M",
            "\\$1,000.50, and \\$5/month, \\$5-\\$10, \\$2.5M",
        ),
        ("a sum $2x+1$ and $x^2$", "a sum $2x+1$ and $x^2$"),
        (r"\(a+b\) and \[c\]", "$a+b$ and $$c$$"),
        ("![p](http://192.0.2.1/p.png)", "\\![p](http://192.0.2.1/p.png)"),
        (":red[loud] :material/home: at 10:30", "\\:red[loud] \\:material/home: at 10:30"),
        ("`![p](x) $5`", "`![p](x) $5`"),
        ("```\n![p](x) $5\n```\n$5", "```\n![p](x) $5\n```\n\\$5"),
        (
            "1. so:\n\n    ```\n    \\(a\\) $5\n    ```\n$5",
            "1. so:\n\n    ```\n    \\(a\\) $5\n    ```\n\\$5",
        ),
        ("- ```\n  \\(a\\) $5\n  ```\n$5", "- ```\n  \\(a\\) $5\n  ```\n\\$5"),
        (">```\n>\\(a\\) $5\n>```\n$5", ">```\n>\\(a\\) $5\n>```\n\\$5"),
        ("- ```\n  $5\n\n  $5\n\n![p](x)", "- ```\n  $5\n\n  $5\n\n\\![p](x)"),
        ("    ```\n![p](x)", "    ```\n\\![p](x)"),
        ("```ls``` is it.\n$5", "```ls``` is it.\n\\$5"),
        ("~~~py\n```\n$5\n~~~\n$5", "~~~py\n```\n$5\n~~~\n\\$5"),
    ],
)
def test_text_is_shown_as_it_was_meant(text: str, shown: str) -> None:
    assert markdown(text) == shown


def test_a_stream_shows_plain_words_at_once() -> None:
    assert list(markdown_pieces(["Hel", "lo wor", "ld"])) == ["Hel", "lo wor", "ld"]


def test_line_breaks_that_a_person_typed_are_kept_outside_of_code() -> None:
    assert as_typed("a\nb\n```\nx\ny\n```\nz") == "a  \nb  \n```\nx\ny\n```\nz"
