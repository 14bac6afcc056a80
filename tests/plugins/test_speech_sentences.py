"""Sentences that are taken out of a reply while it streams."""

import random

import pytest

from jackfield_plugins.speech.sentences import Sentences, sentences

REPLY = """# A title

Hello Dr. Smith! It costs 3.5 euros, i.e. not much. Then go on... and so on. Great!

- first **item** with `code`
- second item. Has two sentences.
1. one

```python
print("no. Never. Read")
```
| a | b |
|---|---|

> quoted, with_under_scores and _emphasis_.
这是第一句。这是第二句！

***
See [the docs](https://example.org/a.b?c=1) or https://example.org/there. Am 3. Mai war z.B. Ruhe.
"""


def test_markdown_is_read_sentence_by_sentence_without_its_marks() -> None:
    assert sentences(REPLY) == [
        "A title",
        "Hello Dr. Smith!",
        "It costs 3.5 euros, i.e. not much.",
        "Then go on... and so on.",
        "Great!",
        "first item with code",
        "second item.",
        "Has two sentences.",
        "one",
        "quoted, with_under_scores and emphasis.",
        "这是第一句。",
        "这是第二句！",
        "See the docs or.",
        "Am 3. Mai war z.B. Ruhe.",
    ]


@pytest.mark.parametrize("seed", range(50))
def test_it_does_not_matter_how_the_text_is_cut_into_pieces(seed: int) -> None:
    chance = random.Random(seed)
    streamed, found, at = Sentences(), [], 0
    while at < len(REPLY):
        size = chance.randint(1, 7)
        found += streamed.feed(REPLY[at : at + size])
        at += size
    assert found + streamed.finish() == sentences(REPLY)


def test_a_sentence_is_given_as_soon_as_the_next_one_begins() -> None:
    streamed = Sentences()
    assert streamed.feed("The first one is done.") == []
    assert streamed.feed(" T") == ["The first one is done."]
    assert streamed.finish() == ["T"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("*** --- ???", []),
        ("👋🏽 Hi!", ["Hi!"]),
        (
            "J. K. Rowling wrote it. Mr. Jones read it.",
            ["J. K. Rowling wrote it.", "Mr. Jones read it."],
        ),
        ("Il a dit « Oui. » Puis il partit.", ["Il a dit « Oui. »", "Puis il partit."]),
        ("¿Qué tal? ¡Bien! Adiós", ["¿Qué tal?", "¡Bien!", "Adiós"]),
        ("It was in 2020. Then it was not.", ["It was in 2020.", "Then it was not."]),
        ("~~~\ncode. Here.\n~~~\nAfter it.", ["After it."]),
        ("```\nnever closed. At all.", []),
        ("```ls``` lists files.\n\nThis is next.", ["ls lists files.", "This is next."]),
        ("1. ```sh\n   ls. Now\n   ```\n2. Next one.", ["Next one."]),
        ("> ```\n> ls. Now\n> ```\n\nNext one.", ["Next one."]),
    ],
)
def test_texts_of_all_kinds(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_a_text_without_an_end_is_cut_where_one_can_breathe() -> None:
    found = sentences("many words, " * 100)
    assert len(found) > 2
    assert all(len(one) <= 400 and one.endswith(("words,", "words")) for one in found)
