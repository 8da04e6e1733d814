"""Files of questions: what is read, and what is said of a mistake."""

import msgspec
import pytest

from orbit.errors import OrbitError
from orbit.evaluation.questions import read_questions
from orbit.types import ChatRecord, SourceRef


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


def test_a_line_of_the_chat_log_is_a_question_whose_answer_is_unknown(tmp_path) -> None:
    source = SourceRef("1", "leave.md", 0.8, {"page": 3})
    record = ChatRecord(timestamp=1.8e9, request_id="r1", query="How much leave?", response="30", sources=(source,))
    title = ChatRecord(timestamp=1.8e9, request_id="r2", query="Name this conversation.", task="title_generation")
    (tmp_path / "chat.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, (record, title))))
    (question,) = read_questions(tmp_path / "chat.jsonl")
    assert (question.asked, question.labelled, question.sources) == ("How much leave?", None, ())
