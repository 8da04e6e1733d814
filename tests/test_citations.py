"""Citations of passages that were never given do not reach the client, however the text is cut."""

import pytest

from orbit.citations import CitationFilter

CASES = {
    "It is so [1].": "It is so [1].",
    "It is so [3].": "It is so .",
    "Both [1][2] and [3][9].": "Both [1][2] and .",
    "None [0] or [007].": "None  or .",
    "A list: items[7] and f(x)[8].": "A list: items[7] and f(x)[8].",
    "[5] at the start": " at the start",
    "```\nx = [5]\n``` but [5]": "```\nx = [5]\n``` but ",
    "an open [": "an open [",
    "an open [12": "an open [12",
    "words [not a number] [1, 9]": "words [not a number] [1, 9]",
    "a `code` and ``more`` [9] text": "a `code` and ``more``  text",
    "[99999] is no citation": "[99999] is no citation",
    "": "",
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("text", CASES)
def test_citations(text: str, size: int) -> None:
    citations = CitationFilter(2)
    pieces = [citations.add(text[start : start + size]) for start in range(0, len(text), size)]
    assert "".join(pieces) + citations.rest() == CASES[text]


def test_text_without_brackets_is_not_held_back() -> None:
    citations = CitationFilter(2)
    assert [citations.add(piece) for piece in ("one ", "two ", "[1", "] ", "x")] == ["one ", "two ", "", "[1] ", "x"]
