import pytest

from jackfield_plugins.knowledge.citing import Citer

PASSAGES = {
    1: "Boats longer than twelve metres moor at the north pier. The fee is eighteen euros a night.",
    2: "The harbour office opens at seven in the morning and closes at four in the afternoon.",
}


def cited(text: str, size: int = 0) -> str:
    citer = Citer(PASSAGES, {3})
    pieces = [text[at : at + size] for at in range(0, len(text), size)] if size else [text]
    return "".join(citer.feed(piece) for piece in pieces) + citer.finish()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7])
def test_a_sentence_made_of_a_passages_words_gets_its_number(size: int) -> None:
    text = "The office opens at seven in the morning. The fee is eighteen euros a night.\n"
    wanted = (
        "The office opens at seven in the morning. [2] The fee is eighteen euros a night. [1]\n"
    )
    assert cited(text, size) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "It opens at seven in the morning [2].",
        "The office opens at seven in the morning. [2] Good.",
        "Nobody knows when the museum on the hill was built.",
        "Yes. No. Well then.",
        "The office opens at seven in the morning. [2][1] Good. [1] [2]",
        "Four [3] is another source, and a[9] = 3 is code: `a[1]`.",
        "```\nthe fee is eighteen euros a night, fees[2]\n```\n",
        "```\nopens at seven in the morning.\ncloses at four.\n```\n",
        "",
    ],
)
@pytest.mark.parametrize("size", [0, 1, 3])
def test_what_is_cited_is_code_or_comes_from_elsewhere_stays(text: str, size: int) -> None:
    assert cited(text, size) == text


def test_items_of_a_list_are_sentences() -> None:
    text = "- office opens at seven in the morning\n- fee of eighteen euros a night\n"
    assert cited(text) == (
        "- office opens at seven in the morning [2]\n- fee of eighteen euros a night [1]\n"
    )


@pytest.mark.parametrize("size", [0, 1, 2, 5])
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "[2] The office opens at seven in the morning.",
            "The office opens at seven in the morning. [2]",
        ),
        (
            "[2] The office opens at seven in the morning. [1] The fee is eighteen euros.\nGood.",
            "The office opens at seven in the morning. [2] The fee is eighteen euros. [1]\nGood.",
        ),
        ("[1] Nobody knows that here.", "Nobody knows that here. [1]"),
        ("[1] It closes at four in the afternoon [2].", "It closes at four in the afternoon [2]."),
        ("[2]", " [2]"),
    ],
)
def test_citations_before_a_sentence_are_moved_behind_it(text: str, wanted: str, size: int) -> None:
    assert cited(text, size) == wanted


@pytest.mark.parametrize("size", [0, 1, 2, 5])
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "The office opens at seven in the morning. [1] Good.",
            "The office opens at seven in the morning. [2] Good.",
        ),
        (
            "The office opens at seven in the morning [1].",
            "The office opens at seven in the morning [2].",
        ),
        (
            "[1] The harbour office closes at four in the afternoon.",
            "The harbour office closes at four in the afternoon. [2]",
        ),
        ("Museums are closed on winter Mondays. [1]", "Museums are closed on winter Mondays. [1]"),
    ],
)
def test_a_citation_of_a_passage_that_lacks_the_words_becomes_that_of_one_that_has_them(
    text: str, wanted: str, size: int
) -> None:
    assert cited(text, size) == wanted


@pytest.mark.parametrize("size", [0, 1, 2, 5])
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Her dog is called Lina. [4]", "Her dog is called Lina."),
        ("Her dog is called Lina [4].\n", "Her dog is called Lina.\n"),
        ("[4] Her dog is called Lina [3]. Yes. [5] No.", "Her dog is called Lina [3]. Yes. No."),
        (
            "The office opens at seven in the morning. [7] Good.",
            "The office opens at seven in the morning. [2] Good.",
        ),
    ],
)
def test_citations_of_nothing_are_left_out(text: str, wanted: str, size: int) -> None:
    assert cited(text, size) == wanted
