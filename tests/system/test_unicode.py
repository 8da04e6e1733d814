"""Unicode's normal form."""

from __future__ import annotations

import unicodedata

import pytest

from orbit.system.unicode import nfc


@pytest.mark.parametrize(
    "text", ["plain", "e\u0301 " * 500, "x" * 299 + "e\u0301\u0323", "\u1112\u1161\u11ab" * 300, "\u0958\u093c" * 400]
)
def test_it_is_that_of_the_library_wherever_the_text_is_cut(text: str) -> None:
    assert nfc(text) == unicodedata.normalize("NFC", text)


def test_a_million_marks_on_one_letter_do_not_take_for_ever() -> None:
    assert nfc("a" + "\u0301\u0323" * 500_000).startswith("\u1ea1")
