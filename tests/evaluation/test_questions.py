"""Files of questions: what is read, and what is said of a mistake."""

import pytest

from orbit.errors import OrbitError
from orbit.evaluation.questions import read_questions


def written(tmp_path, text):
    path = tmp_path / "questions.jsonl"
    path.write_text(text, "utf-8")
    return path


def test_questions_of_all_kinds(tmp_path) -> None:
    lines = '\ufeff{"question": " q1 ", "sources": ["a"], "more": 1}\n\n{"question": "q2", "answerable": false}\n'
    log = '{"query": "q3", "response": "r", "sources": []}\n'
    read = read_questions(written(tmp_path, lines + log))
    assert [(one.asked, one.labelled) for one in read] == [("q1", True), ("q2", False), ("q3", None)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no questions"),
        ('{"question": "a"}\n{"question": 5}', r"line 2: Expected `str`"),
        ("[1]", "line 1"),
        ('{"question": " "}', 'line 1: it has no "question"'),
        ('{"question": "a", "answerable": false, "facts": ["x"]}', "but the line says what is right"),
        ('{"question": "a"', "line 1"),
    ],
)
def test_mistakes_name_their_line(tmp_path, text, message) -> None:
    with pytest.raises(OrbitError, match=message):
        read_questions(written(tmp_path, text))
