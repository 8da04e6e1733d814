"""Mends what programs do to text in PDFs: letters drawn twice or apart, and characters named in another encoding."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import islice

from orbit.documents.formats.pdf.piece import Piece

_SHIFT = 0.2
"""Text is drawn again at most this many of its heights away."""
_FEWEST = 4
"""Different letters of a doubled line, at least: "AABB" may be a grade."""
_OVER = 1.3
"""The parts of a line are together this many times as wide as the line if some lie over others."""
_MOST_SPACES = 100
_SPACE = re.compile(" ")
_TWICE = re.compile(r"(\S)\1")
_DOUBLED = re.compile(r"(?:(\S)\1|\s)+")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_MISREAD = re.compile("[\ud080-\ud0bf\ud180-\ud1bf]")
"""Two bytes of a Cyrillic letter in UTF-8, taken for one character in UTF-16: syllables of Korean."""
_KINDS = 5
"""Different syllables, at least. Korean has others among them."""
_MACINTOSH = re.compile(r"[A-Za-z]\u2030[a-z]|[a-z][\u00c8\u00cb][a-z]")
"""An a with an umlaut or an e with an accent of Windows, taken for what the Macintosh had in its place."""
_SIGNS = "\u2030\u00c8\u00cb"
_WINDOWS = {
    sign: bytes([code]).decode("cp1252")
    for code in range(192, 256)
    if (sign := bytes([code]).decode("mac_roman")) not in "«»…–—“”‘’"  # noqa: RUF001  # signs of other fonts
}
_MISTAKEN = re.compile(rf"(?<=[A-Za-z])[{''.join(_WINDOWS)}]|[{''.join(_WINDOWS)}](?=[a-z])")
_LAST_LETTER = re.compile(r" (?<=\S )(?=\S )")
_NOTHING = "\u2060"
_FEWEST_APART = 10
_MANY_APART = 0.3
"""Part of a page's spaces that are before the last letter of a word, at least."""


def restored(content: str) -> str:
    """Return a page's text with the letters that its fonts name in another encoding than PDFium takes them for.

    That is Cyrillic in UTF-8, taken for UTF-16, and accents of Windows, taken for signs of the Macintosh.
    """
    if content.isascii():
        return content
    if any(sign in content for sign in _SIGNS) and _MACINTOSH.search(content):
        content = _MISTAKEN.sub(lambda sign: _WINDOWS[sign.group()], content)
    if not _MISREAD.search(content):
        return content
    syllables = set(_HANGUL.findall(content))
    if len(syllables) < _KINDS or any(not _MISREAD.match(one) for one in syllables):
        return content
    return _MISREAD.sub(lambda found: found.group().encode("utf-16-be").decode(), content)


def closed(content: str, added: Callable[[int], bool]) -> str:
    """Return a page's text with words whole whose last letter text recognition has drawn apart from the others.

    ``added`` says of a position whether PDFium has added the space there, instead of the file. Invisible characters
    take the places of such spaces, so that positions stay the same.
    """
    apart = [space.start() for space in _LAST_LETTER.finditer(content)]
    fewest = max(_FEWEST_APART, _MANY_APART * content.count(" "))
    if len(apart) > fewest:
        apart = [place for place in apart if added(place) and not added(place + 2)]
        if len(apart) > fewest:
            letters = list(content)
            for place in apart:
                letters[place] = _NOTHING
            return "".join(letters)
    return content


def without_overprints(pieces: Sequence[Piece]) -> list[Piece]:
    """Return a page's text without what is drawn again at nearly the same place."""
    kept: list[Piece] = []
    seen: dict[str, list[Piece]] = {}
    for piece in pieces:
        piece.text = _single(piece.text)
        others = seen.get(piece.text)
        if others is None:
            seen[piece.text] = [piece]
        elif any(_near(piece, other) for other in others[-3:]):
            continue
        else:
            others.append(piece)
        kept.append(piece)
    return kept


def drawn_once(text: str, boxes: Sequence[tuple[float, float, float, float]]) -> str:
    """Return a line without its end if that is drawn over its start: "a b" for "a b a b" and for "a b a"."""
    if len(boxes) < 2:  # noqa: PLR2004  # one lies over nothing
        return text
    lefts, _, rights, _ = zip(*boxes, strict=True)
    if sum(rights) - sum(lefts) > _OVER * (max(rights) - min(lefts)):
        for space in islice(_SPACE.finditer(text), _MOST_SPACES):
            if text[space.end() :] in text[: space.start()]:
                return text[: space.start()]
    return text


def _single(text: str) -> str:
    """Return "Ab" for "AAbb"."""
    if len(text) < 2 * _FEWEST or text[0] != text[1] or not _DOUBLED.fullmatch(text):
        return text
    letters = _TWICE.sub(r"\1", text)
    return letters if len(set(letters)) >= _FEWEST else text


def _near(one: Piece, other: Piece) -> bool:
    most = _SHIFT * one.height
    return abs(one.left - other.left) <= most and abs(one.top - other.top) <= most
