"""Unicode's normal form, and texts that UTF-8 holds."""

from __future__ import annotations

import unicodedata

import pytest

from orbit.system.unicode import is_utf8, nfc


@pytest.mark.parametrize(
    "text", ["plain", "e\u0301 " * 500, "x" * 299 + "e\u0301\u0323", "\u1112\u1161\u11ab" * 300, "\u0958\u093c" * 400]
)
def test_it_is_that_of_the_library_wherever_the_text_is_cut(text: str) -> None:
    assert nfc(text) == unicodedata.normalize("NFC", text)


def test_a_million_marks_on_one_letter_do_not_take_for_ever() -> None:
    assert nfc("a" + "\u0301\u0323" * 500_000).startswith("\u1ea1")


@pytest.mark.parametrize(("text", "holds"), [("", True), ("\U0001f600", True), ("a\udcff", False), ("\ud83d", False)])
def test_texts_that_utf_8_holds(text: str, holds: bool) -> None:
    assert is_utf8(text) == holds
