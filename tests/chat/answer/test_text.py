"""What a client reads of an answer."""

from orbit import Chunk, ToolCall, Usage
from orbit.chat.answer.text import AnswerText


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


CALL = ToolCall("1", "clock", "{}")  # of seven characters
OTHER = ToolCall("2", "dates", "{}")


def test_tool_calls_are_kept_in_order_beside_the_text() -> None:
    answer = AnswerText(0, 100)
    assert not answer.tool_calls
    assert answer.add(Chunk("Wait.", tool_calls=(CALL,))) == "Wait."
    assert answer.add(Chunk(tool_calls=(OTHER,), finish_reason="tool_calls")) == ""
    assert (answer.tool_calls, answer.finish_reason, answer.ended) == ((CALL, OTHER), "tool_calls", False)


def test_names_and_arguments_of_calls_count_towards_the_length() -> None:
    answer = AnswerText(0, 14)
    answer.add(Chunk(tool_calls=(CALL, OTHER)))
    assert (answer.tool_calls, answer.ended) == ((CALL, OTHER), False)
    assert (answer.add(Chunk("x")), answer.ended, answer.finish_reason) == ("", True, "length")


def test_calls_beyond_the_length_end_the_answer_and_none_is_made() -> None:
    answer = AnswerText(0, 13)
    answer.add(Chunk(tool_calls=(CALL,), usage=Usage(3, 4)))
    assert answer.add(Chunk(tool_calls=(OTHER,))) == ""
    assert (answer.tool_calls, answer.ended, answer.finish_reason) == ((), True, "length")
    assert answer.usage(7) == Usage(7, 0)


def test_what_is_held_back_at_the_longest_length_still_comes() -> None:
    answer = AnswerText(1, 3)
    assert (answer.add(Chunk("abc[")), answer.rest()) == ("abc", "[")
