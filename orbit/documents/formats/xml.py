"""Reads XML of any kind: a line for each element with text, named by its path."""

from __future__ import annotations

import re
from xml.parsers import expat

from orbit.documents.formats.encoding import decode
from orbit.documents.sections import Content, Section, UnreadableError

_DECLARED = re.compile(rb"\s*<\?xml\b[^>]{0,200}?\bencoding\s*=\s*[\"']([\w.:-]+)")
_BLOCK = 2_000
"""Characters after which a new section may begin, at an element that is as deep as the records are."""
_MOST_NAMES = 2_000
"""Depth at which a file is refused."""


def read_xml(content: bytes) -> Content:
    """Read the text of all elements and their attributes. ``line`` in the metadata counts from 1."""
    declared = _DECLARED.match(content)
    decoded = decode(content, declared[1].decode() if declared else "")  # expat knows few of the encodings
    reader = _Reader()
    parser = expat.ParserCreate("utf-8", "\x1f")
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: reader.start(name, attributes, parser.CurrentLineNumber)
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(decoded.text.encode("utf-8", "replace"), True)  # noqa: FBT003  # expat takes it by position
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise UnreadableError(f"is not readable XML: {error}") from error
    return Content(tuple(reader.finish()), "", decoded.warnings)


class _Reader:
    """Collects lines. Text of an element with other elements in it, such as a paragraph, stays one line.

    For each open element there are its name, its text, and whether that is more than space.
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._texts: list[list[str]] = []
        self._mixed: list[bool] = []
        self._lines: list[str] = []
        self._size = 0
        self._line = 1
        self._sections: list[Section] = []

    def start(self, name: str, attributes: dict[str, str], line: int) -> None:
        if len(self._names) >= _MOST_NAMES:
            raise UnreadableError("is nested too deeply")
        if len(self._names) == 1 or (self._size > _BLOCK and len(self._names) <= 2):  # noqa: PLR2004  # a record
            self._flush()
        if not self._lines:
            self._line = line
        if self._mixed and self._mixed[-1]:  # the inner text belongs to the line
            self._texts[-1].append(" ")
        self._names.append(_local(name))
        self._texts.append([])
        self._mixed.append(False)
        for key, value in attributes.items():
            if value.strip() and not key.startswith(("http://www.w3.org/", "xmlns")):
                self._add(f"{self._path()} {_local(key)}: {' '.join(value.split())}")

    def text(self, text: str) -> None:
        if self._texts:
            self._texts[-1].append(text)
            self._mixed[-1] = self._mixed[-1] or not text.isspace()

    def end(self, _name: str) -> None:
        texts = self._texts.pop()
        if not self._mixed.pop():
            pass
        elif self._mixed and self._mixed[-1]:
            self._texts[-1] += texts
        else:
            self._add(f"{self._path()}: {' '.join(''.join(texts).split())}")
        self._names.pop()

    def finish(self) -> list[Section]:
        self._flush()
        return self._sections

    def _path(self) -> str:
        """Return the names of the innermost two elements below the root."""
        return " ".join(self._names[1:][-2:]) or self._names[0]

    def _add(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line)

    def _flush(self) -> None:
        if self._lines:
            self._sections.append(Section("\n".join(self._lines), metadata={"line": self._line}, kind="code"))
        self._lines, self._size = [], 0


def _local(name: str) -> str:
    return name.rpartition("\x1f")[2]
