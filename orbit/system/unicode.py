"""Unicode's normal form in linear time, and texts that UTF-8 can hold."""

from __future__ import annotations

import unicodedata

_STRETCH = 300
"""Characters to normalize at once: the time grows with the square of the marks on one letter."""
_LONGEST_CLUSTER = 100
"""Marks after a stretch that still belong to its last letter. No language has so many."""
_JAMO = range(0x1160, 0x1200)
"""Vowels and final consonants of Korean, which join the letter before them, as marks do."""


def nfc(text: str) -> str:
    """Return a text in NFC. After hundreds of marks on one letter the further ones may keep their order."""
    if text.isascii():
        return text
    parts: list[str] = []
    start = 0
    while start < len(text):
        end = start + _STRETCH
        furthest = min(end + _LONGEST_CLUSTER, len(text))
        while end < furthest and _joins(text[end]):
            end += 1
        parts.append(unicodedata.normalize("NFC", text[start:end]))
        start = end
    return "".join(parts)


def is_utf8(text: str) -> bool:
    """Return whether UTF-8 can encode a text: it holds no lone surrogates, which systems give for other bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _joins(character: str) -> bool:
    return unicodedata.category(character).startswith("M") or ord(character) in _JAMO
