"""How often the check of answers is right, on answers written for it: right ones in other words, and invented ones."""

from __future__ import annotations

import json
from pathlib import Path

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
