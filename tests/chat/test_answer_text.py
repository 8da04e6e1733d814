"""What a client reads of an answer."""

from orbit import Chunk, Usage
from orbit.chat.answer_text import AnswerText


def test_pieces_pass_and_are_counted() -> None:
    answer = AnswerText(0, 100)
    assert (answer.finish_reason, answer.pieces, answer.ended) == ("stop", 0, False)
    assert [answer.add(Chunk(text)) for text in ("one [9]", "", " two")] == ["one [9]", "", " two"]
    assert (answer.pieces, answer.ended, answer.rest()) == (2, False, "")


def test_the_providers_reason_and_usage_count() -> None:
    answer = AnswerText(0, 100)
    assert answer.usage(7) == Usage()
    answer.add(Chunk("x", finish_reason="length", usage=Usage(3, 4)))
    answer.add(Chunk("y"))
    assert (answer.finish_reason, answer.usage(7)) == ("length", Usage(3, 4))


def test_an_answer_at_its_longest_is_not_cut() -> None:
    answer = AnswerText(0, 5)
    assert [answer.add(Chunk("abc")), answer.add(Chunk("de"))] == ["abc", "de"]
    assert (answer.ended, answer.finish_reason) == (False, "stop")


def test_a_longer_answer_is_cut_and_its_tokens_are_estimated() -> None:
    answer = AnswerText(0, 5)
    answer.add(Chunk("abc", usage=Usage(1, 1)))
    assert answer.add(Chunk("defg", finish_reason="stop")) == "de"
    assert (answer.ended, answer.finish_reason, answer.usage(7)) == (True, "length", Usage(7, 2))


def test_citations_of_unknown_passages_are_left_out() -> None:
    answer = AnswerText(1, 100)
    assert [answer.add(Chunk(text)) for text in ("Yes [1]", " and [2", "]", " [")] == ["Yes [1]", " and ", "", " "]
    assert answer.rest() == "["
    assert not answer.ended


def test_an_answer_ends_where_the_model_goes_on_with_passages() -> None:
    answer = AnswerText(1, 100)
    assert answer.add(Chunk("Yes.")) == "Yes."
    assert answer.add(Chunk('<passage number="2">')) == ""
    assert (answer.ended, answer.finish_reason, answer.rest()) == (True, "stop", "")


def test_nothing_follows_a_cut() -> None:
    answer = AnswerText(1, 3)
    assert answer.add(Chunk("abcd [")) == "abc"
    assert answer.rest() == ""
