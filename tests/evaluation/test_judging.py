"""The measures follow from what was found, answered and refused."""

import pytest

from orbit.evaluation.asking import Asked
from orbit.evaluation.judging import judge
from orbit.evaluation.questions import EvalQuestion
from orbit.types import Document, Source


def found(*sources, text="Some text."):
    return tuple(Document(str(number), text, source) for number, source in enumerate(sources))


def measured(question, passages=(), **more):
    return judge([Asked(question, passages, **more)])[0]


def cites(*sources):
    return tuple(
        Source(number, str(number), "t", source, "", None, "") for number, source in enumerate(sources, start=1)
    )


def test_the_rank_of_a_file_counts_each_file_once() -> None:
    measures = measured(EvalQuestion("q", sources=("b",)), found("a", "a", "a", "b"))
    assert (measures["R@1"], measures["R@3"], measures["RR"]) == (0, 1, 0.5)


def test_any_right_file_will_do() -> None:
    assert measured(EvalQuestion("q", sources=("x", "b")), found("b", "a"))["R@1"] == 1


def test_words_make_a_passage_the_right_one() -> None:
    passages = (Document("1", "The fee is 10.", "a"), Document("2", "The fee  is\n20.", "a"))
    measures = measured(EvalQuestion("q", sources=("a",), text="fee IS 20"), passages)
    assert (measures["R@1"], measures["RR"]) == (0, 0.5)


def test_nothing_found_is_rank_zero_not_left_out() -> None:
    measures = measured(EvalQuestion("q", sources=("a",)), refused=True)
    assert (measures["R@1"], measures["RR"], measures["kept"]) == (0, 0, 0)


@pytest.mark.parametrize(("refused", "value"), [(True, 1), (False, 0)])
def test_a_question_without_an_answer_should_be_refused(refused, value) -> None:
    measures = measured(EvalQuestion("q", answerable=False), refused=refused)
    assert measures["refused"] == value
    assert "kept" not in measures


def test_an_unknown_question_gives_neither() -> None:
    assert set(measured(EvalQuestion(query="from the log"), refused=True)) == {"failed", "search_ms"}


@pytest.mark.parametrize(
    ("fact", "answer", "right"),
    [
        ("2", "It exits with 2.", True),
        ("2", "It takes 120 seconds, or 2.5.", False),
        ("2", "in version 0.2", False),
        ("index", "The hook `index` stores them.", True),
        ("index", "Indexes are stored.", False),
        ("--prune", "Use --prune, which deletes", True),
        ("32768", "at most 32,768 characters", True),
        ("1,000", "1000 pages", True),
        ("六周", "工资发六周。", True),
        (("30", "thirty"), "You have thirty days.", True),
        (("30", "thirty"), "You have some days.", False),
    ],
)
def test_a_fact_is_whole_words_in_one_of_its_spellings(fact, answer, right) -> None:
    assert measured(EvalQuestion("q", facts=(fact,)), answer=answer)["facts"] == right


def test_facts_are_compared_without_letter_case_spaces_and_forms_of_characters() -> None:
    question = EvalQuestion("q", facts=("42 Days", "Übermorgen", "missing"))
    answer = "After 42\ndays, or u\u0308bermorgen."
    assert measured(question, answer=answer)["facts"] == pytest.approx(2 / 3)


def test_citations() -> None:
    question = EvalQuestion("q", sources=("a",))
    measures = measured(question, found("a"), answer="So [1]. And [2]. And [9].", sources=cites("a", "b"))
    assert measures["citation_precision"] == pytest.approx(1 / 3)
    assert measures["citation_recall"] == 1
    silent = measured(question, found("a"), answer="So.", sources=cites("a"))
    assert "citation_precision" not in silent
    assert silent["citation_recall"] == 0


def test_an_error_counts_as_nothing_else() -> None:
    assert measured(EvalQuestion("q", sources=("a",)), error="the store is down") == {"failed": 1, "search_ms": 0}
