"""Texts cut into sentences while they come: nothing is lost, code and marks are left alone."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield_plugins.translation.cutting import Cut, Cutter

PAGE = """# Making bread

You need **flour. And water.** Use `foo. Bar` now! See [the docs. More](http://x.y/z) today.
This is a long line that was wrapped by its author at about sixty-five characters, and
goes on here. Next one.

- [ ] First item. Second sentence.
    - nested item
1. one

> quoted text here. And more.

| name | what `x|y` is |
|------|---------------|
| cell one | cell two |

```python
def f():
    return "Hello. World."

# ~~~ no end of it
```
After.

    indented = code

***
Dr. Smith paid 3.50 euros. Done 🎉
~~~
left open. Really"""

SENTENCES = [
    "Making bread",
    "You need **flour. And water.** Use `foo. Bar` now!",
    "See [the docs. More](http://x.y/z) today.",
    "This is a long line that was wrapped by its author at about sixty-five characters, and\n"
    "goes on here.",
    "Next one.",
    "First item.",
    "Second sentence.",
    "nested item",
    "one",
    "quoted text here.",
    "And more.",
    "name",
    "what `x|y` is",
    "cell one",
    "cell two",
    "After.",
    "Dr. Smith paid 3.50 euros.",
    "Done 🎉",
]


def cut(text: str, sizes: list[int], *, markdown: bool = True) -> list[Cut]:
    """The cuts of a text that comes in pieces of these sizes, over and over."""
    cutter = Cutter("en", markdown=markdown)
    cuts, at, turn = [], 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        cuts += cutter.feed(text[at : at + size])
        at, turn = at + size, turn + 1
    return cuts + cutter.finish()


def words(cuts: list[Cut]) -> list[str]:
    return [one.text for one in cuts if one.words]


def joined(cuts: list[Cut]) -> str:
    return "".join(one.text for one in cuts)


def test_a_page_is_cut_into_its_sentences_and_the_rest_is_kept() -> None:
    cuts = cut(PAGE, [len(PAGE)])
    assert joined(cuts) == PAGE
    assert words(cuts) == SENTENCES


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
def test_a_page_that_comes_in_pieces_is_cut_as_if_it_came_at_once(size: int) -> None:
    cuts = cut(PAGE, [size])
    assert joined(cuts) == PAGE
    assert words(cuts) == words(cut(PAGE, [len(PAGE)]))


def test_a_sentence_is_given_as_soon_as_the_next_one_begins() -> None:
    cutter = Cutter("en")
    assert words(cutter.feed("This is the first one. ")) == []
    assert words(cutter.feed("And ")) == ["This is the first one."]


def test_a_line_of_a_list_is_given_when_it_ends() -> None:
    cutter = Cutter("en")
    assert words(cutter.feed("- bread\n- mi")) == ["bread"]


def test_a_code_block_comes_line_by_line_before_it_ends() -> None:
    cutter = Cutter("en")
    assert joined(cutter.feed("```\na = 1\nb")) == "```\na = 1\n"


@pytest.mark.parametrize(
    "block",
    [
        "```\nOne. Two.\n```\n",
        "~~~~\nOne.\n~~~\nTwo.\n~~~~\n",
        "- ```sh\n  ls. Now\n  ```\n",
        "> ```\n> One. Two.\n> ```\n",
        "\n    four = spaces. Yes\n",
        "***\n",
        "|---|:-:|\n",
        "1. ```sh\n   ls. Now\n   ```\n",
        "1. \n\n    ```sh\n    ls. Now\n\n    cd there. Yes\n    ```\n",
        "- \n    - \n      ```sh\n      ls. Now\n      ```\n",
        "\\[\nE = \\frac{one}{two}. \\text{ where it holds}\n\\]\n",
        "$$\nx = y \\text{ if it holds}\n$$\n",
        "$$ x =\nmany\n$$\n",
    ],
)
def test_nothing_in_a_block_of_code_or_a_rule_is_a_sentence(block: str) -> None:
    assert words(cut(block, [4])) == []
    assert words(cut(block + "After it.", [4])) == ["After it."]


@pytest.mark.parametrize(
    "first",
    ["Let me look that up.", "A long line that was wrapped by its author at some place\nand more"],
)
def test_a_text_that_follows_another_begins_anew(first: str) -> None:
    cutter = Cutter("en")
    cutter.feed(first)
    cutter.finish()
    assert words(cutter.feed("```\nOne. Two.\n```\nAfter it.\n")) == ["After it."]


def test_a_formula_that_is_not_closed_ends_with_its_paragraph() -> None:
    assert words(cut("\\[\nx = many\n\nAfter it.\n", [3])) == ["After it."]
    assert words(cut("\\[Ten\\] of them.\n", [3])) == ["\\[Ten\\] of them."]


def test_plain_text_knows_no_marks() -> None:
    text = "# One\n```\nTwo three.\n```\n"
    assert words(cut(text, [5], markdown=False)) == ["# One", "Two three."]


def test_a_sentence_without_end_is_cut_between_words() -> None:
    text = "word " * 3000
    cuts = cut(text, [500])
    assert joined(cuts) == text
    assert max(len(one.text) for one in cuts) <= 2000


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet="ab A.!?\n`~*_-#>|[]()1 \t$\\。é🎉", max_size=120),
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.booleans(),
)
def test_whatever_comes_in_whatever_pieces_nothing_is_lost(
    text: str, sizes: list[int], markdown: bool
) -> None:
    assert joined(cut(text, sizes, markdown=markdown)) == text


def test_a_long_text_is_cut_in_time_that_grows_with_its_length() -> None:
    lines = "".join(f"Line {number} of the text. It goes on.\n" for number in range(5000))
    pieces = [random.Random(1).randint(1, 8) for _ in range(50)]
    assert len(words(cut(lines, pieces))) == 10_000
