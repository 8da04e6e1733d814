"""How often the check of answers is right, on answers written for it: right ones in other words, and invented ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orbit.chat.answer.claims import Sources

SET = [json.loads(line) for line in (Path(__file__).parents[2] / "data" / "claims.jsonl").read_text().splitlines()]
RIGHT = [(one, text) for one in SET for text in one["right"]]
WRONG = [(one, text) for one in SET for text in one["wrong"]]


def missing(one: dict[str, str], text: str) -> list[str]:
    return Sources([one["passage"], one["question"]]).missing(text)


def test_how_often_it_is_right() -> None:
    """The figures of docs/architecture.md."""
    false_alarms = [(text, missing(one, text)) for one, text in RIGHT if missing(one, text)]
    passed = [text for one, text in WRONG if not missing(one, text)]
    assert len(false_alarms) <= 0.03 * len(RIGHT), false_alarms
    assert len(passed) <= 0.05 * len(WRONG), passed


@pytest.mark.parametrize(
    ("answer", "claims"),
    [
        ("It opens at 9:00.", []),
        ("It costs 1.000 or 1,000 or 1 000 euros, in 2024.", []),
        ("It costs 7,001 euros.", ["7,001"]),
        ("It costs 100 euros.", ["100"]),
        ("See https://www.example.org/open/, please.", []),
        ("See http://Example.org/open.", []),
        ("See https://example.org/closed!", ["https://example.org/closed"]),
        ("Write to desk@example.org; or to door@example.org.", ["door@example.org"]),
        ("Ask Ada Lovelace or Ada Byron.", ["Ada Byron"]),
        ("Ask Lovelaces friends or Love.", ["Love"]),
        ("Take form B12, not B13.", ["B13"]),
        ("1. It opens.\n12) It closes.\n", []),
        ("It opens [7].", []),
        ("It takes 3 or 03 days.", []),
        ("She asks for Ada X.", []),
        ("The code is ```x = Grace Hopper``` and so on.", []),
        ("They met Ada Byron in 1850, and Ada Byron again.", ["1850", "Ada Byron"]),
    ],
)
def test_what_is_a_claim(answer: str, claims: list[str]) -> None:
    passage = (
        "Open from 9:00. 1 000 euros a year since 2024, within three days. www.example.org/open or desk@example.org. "
        "Form B12 from Ada Lovelace."
    )
    assert sorted(Sources([passage, "What does it cost?"]).missing(answer)) == sorted(claims)


def test_texts_are_apart() -> None:
    assert Sources(["in 20", "24 days"]).missing("It was in 2024.") == ["2024"]


@pytest.mark.parametrize(
    ("names", "claims"),
    [
        ("Das ist bei der Katze von Ada Byron und im Garten", ["Ada Byron"]),  # German: nouns are no names
        ("He asks for the Garden of Ada Byron", ["Garden", "Ada Byron"]),
        ("Der Garden is that of Byron", ["Garden", "Byron"]),  # one German word is none
        ('He said: "Later." Then he went. (Perhaps)', []),
        ("Monday Byron came", ["Byron"]),
    ],
)
def test_which_words_are_names(names: str, claims: list[str]) -> None:
    assert Sources(["nothing of this"]).missing(names) == claims


@pytest.mark.parametrize(
    ("word", "other", "same"),
    [
        ("Anna", "Annas", True),
        ("Ann", "Anna", False),  # too short
        ("Berlin", "Berliner", True),
        ("Berlin", "Berlinische", False),  # five letters more
        ("Maria", "Marien", True),
        ("Maria", "Marlene", False),
        ("Petra", "Petro", False),  # equally long
    ],
)
def test_endings_of_names_may_differ(word: str, other: str, same: bool) -> None:
    for one, two in ((word, other), (other, word)):
        assert (Sources([f"we know {one}"]).missing(f"they know {two}") == []) is same
