from orbit.chat.answer.thoughts import joined, signed
from orbit.types import Thought

PIECES = [Thought("It is "), Thought("tea."), Thought("", "sig-1"), Thought("Steep "), Thought("it.", "sig-2")]


def test_a_signature_ends_a_block() -> None:
    assert list(joined(PIECES)) == [Thought("It is tea.", "sig-1"), Thought("Steep it.", "sig-2")]


def test_the_last_piece_ends_a_block_without_a_signature() -> None:
    assert list(joined([*PIECES, Thought("And "), Thought("drink.")]))[2:] == [Thought("And drink.")]
    assert list(joined([])) == []


def test_a_signature_without_text_is_a_block() -> None:
    assert list(joined([Thought("", "sig-1")])) == [Thought("", "sig-1")]


def test_only_signed_blocks_go_back() -> None:
    assert signed([*PIECES, Thought("And drink.")]) == (Thought("It is tea.", "sig-1"), Thought("Steep it.", "sig-2"))
