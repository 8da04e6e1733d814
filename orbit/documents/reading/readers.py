"""Selects the reader for a file, and reads the text formats that need no library."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Annotated

import msgspec

from orbit.documents.file_types import KINDS, PDF, PICTURE, check_type
from orbit.documents.formats.cards import read_cards
from orbit.documents.formats.encoding import decode
from orbit.documents.formats.html.reader import read_html
from orbit.documents.formats.mail import read_eml, read_mbox, read_mht
from orbit.documents.formats.markdown import read_markdown
from orbit.documents.formats.notebook import read_notebook
from orbit.documents.formats.office.docx import read_docx
from orbit.documents.formats.office.epub import read_epub
from orbit.documents.formats.office.odf import read_odp, read_ods, read_odt
from orbit.documents.formats.office.pptx import read_pptx
from orbit.documents.formats.office.rtf import read_rtf
from orbit.documents.formats.office.xlsx import read_xlsx
from orbit.documents.formats.pdf import read_pdf
from orbit.documents.formats.properties import read_properties
from orbit.documents.formats.records import read_json, read_json_lines, read_yaml
from orbit.documents.formats.subtitles import read_subtitles
from orbit.documents.formats.table import read_table
from orbit.documents.formats.xml import read_xml
from orbit.documents.reading.attachments import with_attachments
from orbit.documents.sections import Content, Section, UnreadableError
from orbit.types import SourceFile


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


def _text(text: str) -> Content:
    return Content((Section(text),))


def _code(text: str) -> Content:
    return Content((Section(text, kind="code", metadata={"line": 1}),))


def _json(content: bytes) -> Content:
    """Read a list of questions and answers, or any other JSON."""
    try:
        return read_questions(content)
    except UnreadableError:
        return _of_text(read_json)(content)


def _of_text(reader: Callable[[str], Content]) -> Callable[[bytes], Content]:
    def read_bytes(content: bytes) -> Content:
        decoded = decode(content)
        found = reader(decoded.text)
        return msgspec.structs.replace(found, warnings=(*decoded.warnings, *found.warnings))

    return read_bytes


_READERS: dict[str, Callable[[bytes], Content]] = {
    "markdown": _of_text(read_markdown),
    "text": _of_text(_text),
    "subtitles": _of_text(read_subtitles),
    "cards": _of_text(read_cards),
    "html": read_html,
    "pdf": read_pdf,
    "docx": read_docx,
    "pptx": read_pptx,
    "xlsx": read_xlsx,
    "odt": read_odt,
    "ods": read_ods,
    "odp": read_odp,
    "epub": read_epub,
    "rtf": read_rtf,
    "eml": read_eml,
    "mbox": read_mbox,
    "mht": read_mht,
    "table": _of_text(read_table),
    "json": _json,
    "json lines": _of_text(read_json_lines),
    "yaml": _of_text(read_yaml),
    "xml": read_xml,
    "notebook": _of_text(read_notebook),
    "properties": _of_text(read_properties),
    "code": _of_text(_code),
}
"""The reader of each kind of file."""

Reader = Callable[[SourceFile], Content]
"""A reader of a plugin."""


def read(source: str, content: bytes, plugins: Mapping[str, Reader] = MappingProxyType({})) -> Content:
    """Return a file's text with that of its attachments. Raises UnreadableError with the reason.

    ``plugins`` are further readers by extension, which go before those here.
    """
    ending = PurePath(source).suffix.lower()
    if ending not in plugins:
        check_type(source)
    if not content or content.isspace():
        raise UnreadableError("is empty")
    if ending in plugins:
        read_content = plugins[ending](SourceFile(source, content))
    elif ending == PDF:
        read_content = read_pdf(content, plugins.get(PICTURE))
    else:
        read_content = _READERS[KINDS[ending]](content)
    if read_content.attachments:
        read_content = with_attachments(read_content, plugins, read)
    if not any(section.text.strip() for section in read_content.sections):
        raise UnreadableError("has no text")
    return read_content
