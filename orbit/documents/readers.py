"""Selects the reader for a file, and reads the text formats that need no library."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Callable
from pathlib import PurePath
from typing import Annotated

import msgspec

from orbit.documents.docx import read_docx
from orbit.documents.html import read_html
from orbit.documents.markdown import read_markdown
from orbit.documents.pdf import read_pdf
from orbit.documents.sections import Content, Section, UnreadableError
from orbit.documents.table import read_table

VERSION = 2
"""Increase it when readers or splitter make other passages of the same file. ORBIT then reads all files again."""

_TEXT_START = 8_192


class Question(msgspec.Struct, frozen=True):
    """One entry of a list of questions and answers. Other fields are ignored."""

    question: Annotated[str, msgspec.Meta(pattern=r"\S")]
    answer: Annotated[str, msgspec.Meta(pattern=r"\S")]


def read_questions(content: bytes) -> Content:
    """Read a JSON list of ``{"question": ..., "answer": ...}``. Each entry becomes one passage."""
    try:
        entries = msgspec.json.decode(content.removeprefix(codecs.BOM_UTF8), type=list[Question])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableError(f'is not a JSON list of {{"question", "answer"}}: {error}') from error
    return Content(
        tuple(
            Section(
                f"Question: {entry.question.strip()}\nAnswer: {entry.answer.strip()}", title=entry.question, whole=True
            )
            for entry in entries
        )
    )


def decode(content: bytes) -> str:
    """Decode UTF-8, or UTF-16 with a byte order mark. Raise UnreadableError rather than guess."""
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    if encoding == "utf-8-sig" and b"\0" in content[:_TEXT_START]:
        raise UnreadableError("is binary, not text")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableError(f"is not {encoding[:6].upper().rstrip('-')} text (byte {error.start})") from error


def _read_markdown(content: bytes) -> Content:
    return read_markdown(_lines(decode(content)))


def _read_text(content: bytes) -> Content:
    return Content((Section(_lines(decode(content))),))


def _read_table(content: bytes) -> Content:
    return read_table(_lines(decode(content)))


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


_READERS: dict[str, tuple[str, Callable[[bytes], Content]]] = {
    **dict.fromkeys((".md", ".markdown", ".mdx"), ("markdown", _read_markdown)),
    **dict.fromkeys((".txt", ".text", ".rst"), ("text", _read_text)),
    **dict.fromkeys((".html", ".htm", ".xhtml"), ("html", read_html)),
    ".pdf": ("pdf", read_pdf),
    ".docx": ("docx", read_docx),
    **dict.fromkeys((".csv", ".tsv"), ("table", _read_table)),
    ".json": ("questions", read_questions),
}

KNOWN = tuple(_READERS)
"""Extensions of the files that can be read."""


def check_type(source: str) -> None:
    """Raise UnreadableError if no reader supports the file's extension."""
    ending = PurePath(source).suffix.lower()
    if ending not in _READERS:
        what = f"'{ending}' is not a known type" if ending else "its name has no extension that shows its type"
        raise UnreadableError(f"{what} ({', '.join(KNOWN)})")


def read(source: str, content: bytes) -> Content:
    """Return a file's text. Raises UnreadableError with the reason."""
    check_type(source)
    if not content.strip():
        raise UnreadableError("is empty")
    read_content = _READERS[PurePath(source).suffix.lower()][1](content)
    if not any(section.text.strip() for section in read_content.sections):
        raise UnreadableError("has no text")
    return read_content


def fingerprint(source: str, content: bytes, *parameters: int) -> str:
    """Return a digest of a file's content and of the settings that read and split it, without parsing it."""
    check_type(source)
    reader = _READERS[PurePath(source).suffix.lower()][0]
    digest = hashlib.sha256(f"{VERSION}:{reader}:{':'.join(map(str, parameters))}\0".encode())
    digest.update(content)
    return digest.hexdigest()[:32]
