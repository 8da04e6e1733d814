"""Sentences come out whole, as soon as they are complete, and nothing of the text is lost."""

import pytest

from orbit.chat.answer.sentences import SentenceBuffer


@pytest.mark.parametrize(
    ("pieces", "released", "rest"),
    [
        (["One. ", "Two. Three"], ["One.", " Two."], " Three"),
        (["One", ".", " "], ["", "", "One."], " "),
        (["Is it? Yes! It is… so"], ["Is it? Yes! It is…"], " so"),
        (['He said "no." ', "(Really.) x"], ['He said "no."', " (Really.)"], " x"),
        (["3.14 is no end"], [""], "3.14 is no end"),
        (["A line\n\nanother\nline"], ["A line\n\n"], "another\nline"),
        (["图书馆。明天！", "后天"], ["图书馆。明天！", ""], "后天"),  # noqa: RUF001  # meant so
        (["Wait... what"], ["Wait..."], " what"),
        ([""], [""], ""),
    ],
)
def test_sentences_come_out_as_soon_as_they_are_complete(pieces: list[str], released: list[str], rest: str) -> None:
    buffer = SentenceBuffer()
    assert [buffer.add(piece) for piece in pieces] == released
    assert (buffer.rest(), buffer.rest()) == (rest, "")


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_nothing_is_lost_however_the_text_is_cut(size: int) -> None:
    text = "One. Two!  Three?\n\nFour and 5.6 (so). " * 3 + "the end"
    buffer = SentenceBuffer()
    pieces = [buffer.add(text[start : start + size]) for start in range(0, len(text), size)]
    assert "".join(pieces) + buffer.rest() == text


def test_a_sentence_without_an_end_is_released_at_its_longest() -> None:
    buffer = SentenceBuffer(longest=10)
    assert [buffer.add("123456789"), buffer.add("0"), buffer.add("1")] == ["", "1234567890", ""]
    assert buffer.add(" End. 12345678") == "1 End."
    assert buffer.add("x. 123456789") == " 12345678x. 123456789"
    assert buffer.rest() == ""


def test_the_longest_sentence_has_2000_characters() -> None:
    buffer = SentenceBuffer()
    assert buffer.add("x" * 1999) == ""
    assert buffer.add("x") == "x" * 2000
