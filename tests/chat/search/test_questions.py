"""What is searched for: the question alone, and after the questions before it."""

import pytest

from orbit import CallContext, Message
from orbit.chat.search.questions import is_follow_up, questions_of
from orbit.chat.turn import Turn


def texts(question: str, *earlier: str) -> list[str]:
    history = [message for text in earlier for message in (Message("user", text), Message("assistant", "An answer."))]
    return questions_of(Turn(question, CallContext("r"), history=tuple(history)))


def test_a_first_question_is_searched_for_alone() -> None:
    assert texts("When?") == ["When?"]


def test_a_follow_up_is_also_searched_for_after_the_question_before_it() -> None:
    long = "When does the library open?"
    assert texts("And on Sunday?", "Hello there, how are you?", long) == ["And on Sunday?", f"{long}\nAnd on Sunday?"]


def test_short_questions_need_more_context() -> None:
    long = "When does the library open?"
    assert texts("And then?", long, "On Sunday?")[1] == f"{long}\nOn Sunday?\nAnd then?"
    assert texts("And then?", "a", "b", "c", "d")[1] == "b\nc\nd\nAnd then?"


def test_24_characters_are_context_enough() -> None:
    assert texts("x", "before", "c" * 24)[1] == "c" * 24 + "\nx"
    assert texts("x", "before", "c" * 23)[1] == "before\n" + "c" * 23 + "\nx"


@pytest.mark.parametrize(
    ("question", "alone"),
    [
        *[
            ("How do I reset the password of my mail account?", True),
            ("And on Sunday?", False),
            ("What does it cost?", False),
        ],
        *[("Wie beantrage ich meinen Jahresurlaub richtig?", True), ("Und was kostet das zusammen?", False)],
        ("Welche Unterlagen brauche ich dafür genau?", False),
        *[
            ("Quand commence la réunion du conseil municipal ?", True),
            ("Что делать, если это сломалось совсем?", False),
        ],
        *[("今天图书馆几点开门关门?", True), ("它多少钱一个月呢请问?", False), ("周日呢?", False)],
    ],
)
def test_a_complete_question_is_searched_for_alone(question: str, alone: bool) -> None:
    assert (texts(question, "When does the library open?") == [question]) is alone


def test_answers_are_no_questions() -> None:
    turn = Turn("x", CallContext("r"), history=(Message("assistant", "Welcome."), Message("system", "Be kind.")))
    assert questions_of(turn) == ["x"]


def test_a_rewritten_question_takes_the_place_of_the_earlier_ones() -> None:
    asked = Turn("And then?", CallContext("r"), history=(Message("user", "When does it open?"),))
    assert questions_of(asked, "When does it close?") == ["And then?", "When does it close?"]
    assert questions_of(asked, "And then?") == ["And then?"]
    assert questions_of(asked, "Cafe\u0301?") == ["And then?", "Caf\u00e9?"]  # as passages are


def test_a_follow_up_has_a_question_before_it() -> None:
    before, welcome = Message("user", "When does it open?"), Message("assistant", "Welcome.")
    assert is_follow_up(Turn("And then?", CallContext("r"), history=(before, welcome)))
    assert not is_follow_up(Turn("And then?", CallContext("r"), history=(welcome,)))
    assert not is_follow_up(Turn("How do I reset the password of mail?", CallContext("r"), history=(before,)))


@pytest.mark.parametrize(
    ("question", "short"),
    [
        ("Who opens the library?", True),
        ("Who opens the library today?", False),
        ("图书馆几点开门?", True),
        ("图书馆几点钟开门?", False),
    ],
)
def test_four_words_or_eight_characters_leave_something_unsaid(question: str, short: bool) -> None:
    assert (texts(question, "When does the library open?") != [question]) is short
