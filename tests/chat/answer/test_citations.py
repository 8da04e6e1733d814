"""Citations of passages that were never given do not reach the client, however the text is cut."""

import pytest

from orbit.chat.answer.citations import CitationFilter

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
    'At nine.\n</passage>\n<passage number="3">\nAt ten.': "At nine.\n",
    'At nine [1]. <passage number="2">At ten.</passage>': "At nine [1]. ",
    '<passage number="3">\nAt nine.\n</passage>\n<passage number="4">\nAt ten.': "\nAt nine.\n",
    '<passage number="1">\nAt nine [7].\n</passage>\nAt ten.': '<passage number="1">\nAt nine .\n</passage>\nAt ten.',
    "</passage>\n At nine [7].</passage> more": "\n At nine .",
    "a < b, x</p>, <passages> and </pass": "a < b, x</p>, <passages> and </pass",
    "```\n</passage>\n``` is code": "```\n</passage>\n``` is code",
    "```\nx\n``` and</passage> more": "```\nx\n``` and",
    "```\nx\n```</passage> more": "```\nx\n```",
    "```\nx\n```[9]": "```\nx\n```",
    "x\n```\ny\n```[9]": "x\n```\ny\n```",
    '<passage number="2">\nAt nine.\n</passage>': '<passage number="2">\nAt nine.\n</passage>',
    "a)[9]": "a)[9]",
    "a) [9]": "a) ",
}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("text", CASES)
def test_citations(text: str, size: int) -> None:
    citations = CitationFilter(2)
    pieces = [citations.add(text[start : start + size]) for start in range(0, len(text), size)]
    assert "".join(pieces) + citations.rest() == CASES[text]


def test_an_answer_has_ended_where_the_model_makes_up_passages() -> None:
    citations = CitationFilter(2)
    pieces = ["At nine.", "\n", "</", "passage", ">\n", "more"]
    assert [(citations.add(piece), citations.ended) for piece in pieces[:4]] == [
        ("At nine.", False),
        ("\n", False),
        ("", False),
        ("", False),
    ]
    assert (citations.add(pieces[4]), citations.ended) == ("", True)
    assert citations.add(pieces[5]) + citations.rest() == ""


def test_thoughts_before_an_answer_are_not_its_first_text() -> None:
    pieces = ["", "</passage>", "At ", "nine."]
    citations = CitationFilter(2)
    assert "".join(map(citations.add, pieces)) + citations.rest() == "At nine."
    assert not citations.ended


def test_text_without_brackets_is_not_held_back() -> None:
    citations = CitationFilter(2)
    assert [citations.add(piece) for piece in ("one ", "two ", "[1", "] ", "x")] == ["one ", "two ", "", "[1] ", "x"]


def test_brackets_after_a_word_of_an_earlier_piece_are_no_citation() -> None:
    citations = CitationFilter(2)
    assert [citations.add(piece) for piece in ("see items", "[9] ", "and f(x)", "", "[9]")] == [
        "see items",
        "[9] ",
        "and f(x)",
        "",
        "[9]",
    ]


def test_the_end_of_an_answer_comes_once() -> None:
    citations = CitationFilter(2)
    assert (citations.add("At nine ["), citations.rest(), citations.rest()) == ("At nine ", "[", "")
