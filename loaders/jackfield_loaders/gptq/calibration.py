"""Texts that show a model what it will meet, for choosing how its weights are rounded."""

from __future__ import annotations

SUBJECTS = (
    "the weather in the mountains",
    "how bread is baked",
    "a letter to a friend",
    "the history of bridges",
    "why leaves change their colour",
    "a small program that counts words",
    "the rules of a board game",
    "what to pack for a journey",
)
SENTENCES = (
    "Here is a short text about {0}.",
    "When people ask about {0}, they usually want to know where to begin.",
    "First, look at what you already have; then decide what is missing.",
    "It helps to write the steps down: one, two, three, and so on.",
    "Question: what should a beginner know about {0}? Answer: less than most people think.",
    "In 1998 there were 250 of them, and 10 years later more than 4,000.",
    "def count(words): return {{word: words.count(word) for word in set(words)}}",
    "That is all about {0}; thank you for reading.",
)


def texts() -> list[str]:
    """64 short texts, each in another order."""
    found = []
    for number, subject in enumerate(SUBJECTS):
        for turn in range(len(SENTENCES)):
            ordered = [*SENTENCES[turn:], *SENTENCES[:turn]]
            start = (number + turn) % len(SUBJECTS)
            other = SUBJECTS[start]
            found.append(
                " ".join(one.format(subject if at % 2 else other) for at, one in enumerate(ordered))
            )
    return found
