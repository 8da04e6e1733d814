"""Selects the reader for a file, and reads the text formats that need no library."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Callable, Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Annotated

import msgspec

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
from orbit.documents.formats.pdf.pictures import EXTENSION
from orbit.documents.formats.records import read_json, read_json_lines, read_yaml
from orbit.documents.formats.table import read_table
from orbit.documents.formats.xml import read_xml
from orbit.documents.reading.attachments import with_attachments
from orbit.documents.sections import Content, Section, UnreadableError
from orbit.host.documents.file_plugins import FilePlugins
from orbit.types import SourceFile

_PDF = ".pdf"
VERSION = 6
"""Increase it when readers or splitter make other passages of the same file. ORBIT then reads all files again."""


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


_CODE = (
    *(".py", ".pyi", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".java", ".kt", ".kts", ".scala", ".groovy", ".c"),
    *(".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".cs", ".fs", ".vb", ".go", ".rs", ".rb", ".php", ".pl", ".pm"),
    *(
        ".swift",
        ".m",
        ".lua",
        ".r",
        ".jl",
        ".dart",
        ".ex",
        ".exs",
        ".erl",
        ".hs",
        ".clj",
        ".ml",
        ".sh",
        ".bash",
        ".zsh",
    ),
    *(".ps1", ".bat", ".cmd", ".sql", ".proto", ".graphql", ".css", ".scss", ".less", ".vue", ".svelte", ".tf", ".hcl"),
    *(
        ".toml",
        ".ini",
        ".cfg",
        ".conf",
        ".properties",
        ".gradle",
        ".cmake",
        ".mk",
        ".tex",
        ".bib",
        ".diff",
        ".patch",
    ),
)
"""Source code and configuration, read line by line."""

_READERS: dict[str, tuple[str, Callable[[bytes], Content]]] = {
    **dict.fromkeys((".md", ".markdown", ".mdx"), ("markdown", _of_text(read_markdown))),
    **dict.fromkeys((".txt", ".text", ".rst", ".adoc", ".org", ".srt", ".vtt"), ("text", _of_text(_text))),
    **dict.fromkeys((".ics", ".vcf"), ("cards", _of_text(read_cards))),
    **dict.fromkeys((".html", ".htm", ".xhtml"), ("html", read_html)),
    ".pdf": ("pdf", read_pdf),
    **dict.fromkeys((".docx", ".docm", ".dotx", ".dotm"), ("docx", read_docx)),
    **dict.fromkeys((".pptx", ".pptm", ".ppsx", ".potx"), ("pptx", read_pptx)),
    **dict.fromkeys((".xlsx", ".xlsm", ".xltx", ".xltm"), ("xlsx", read_xlsx)),
    **dict.fromkeys((".odt", ".ott"), ("odt", read_odt)),
    **dict.fromkeys((".ods", ".ots"), ("ods", read_ods)),
    **dict.fromkeys((".odp", ".otp"), ("odp", read_odp)),
    ".epub": ("epub", read_epub),
    ".rtf": ("rtf", read_rtf),
    ".eml": ("eml", read_eml),
    ".mbox": ("mbox", read_mbox),
    **dict.fromkeys((".mht", ".mhtml"), ("mht", read_mht)),
    **dict.fromkeys((".csv", ".tsv"), ("table", _of_text(read_table))),
    ".json": ("json", _json),
    **dict.fromkeys((".jsonl", ".ndjson"), ("json lines", _of_text(read_json_lines))),
    **dict.fromkeys((".yaml", ".yml"), ("yaml", _of_text(read_yaml))),
    **dict.fromkeys((".xml", ".rss", ".atom", ".xsd", ".dita"), ("xml", read_xml)),
    ".ipynb": ("notebook", _of_text(read_notebook)),
    **dict.fromkeys((".log", *_CODE), ("code", _of_text(_code))),
}

_OLD = {
    ".doc": "save it as .docx",
    ".ppt": "save it as .pptx",
    ".xls": "save it as .xlsx, or enable the provider 'old_office'",
    ".xlsb": "save it as .xlsx, or enable the provider 'old_office'",
    ".msg": "save it as .eml, or enable the provider 'old_office'",
}
"""Formats of old Office programs, and what to do about them."""

TEXT = frozenset(
    ending
    for ending, (kind, _) in _READERS.items()
    if kind
    in {"markdown", "text", "cards", "table", "json", "json lines", "yaml", "xml", "code", "notebook", "eml", "mbox"}
)
"""Extensions of the files that people can read as text."""

KNOWN = tuple(_READERS)
"""Extensions of the files that can be read."""


Reader = Callable[[SourceFile], Content]
"""A reader of a plugin."""


def check_type(source: str) -> None:
    """Raise UnreadableError if no reader supports the file's extension."""
    ending = PurePath(source).suffix.lower()
    if ending in _OLD:
        raise UnreadableError(f"is in a format of old Office that cannot be read; {_OLD[ending]}")
    if ending not in _READERS:
        what = f"'{ending}' is not a known type" if ending else "its name has no extension that shows its type"
        raise UnreadableError(f"{what} ({', '.join(KNOWN)})")


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
    elif ending == _PDF:
        read_content = read_pdf(content, plugins.get(EXTENSION))
    else:
        read_content = _READERS[ending][1](content)
    if read_content.attachments:
        read_content = with_attachments(read_content, plugins, read)
    if not any(section.text.strip() for section in read_content.sections):
        raise UnreadableError("has no text")
    return read_content


def fingerprint(source: str, content: bytes, *parameters: int | str, plugins: FilePlugins | None = None) -> str:
    """Return a digest of a file's content and of what reads and splits it, without parsing it."""
    ending = PurePath(source).suffix.lower()
    if plugins is not None and ending in plugins.readers:
        reader = plugins.digest(ending)
    else:
        check_type(source)
        reader = _READERS[ending][0] + (plugins.digest(ending) if plugins is not None else "")
        if ending == _PDF and plugins is not None and EXTENSION in plugins.readers:
            reader += plugins.digest(EXTENSION)
    digest = hashlib.sha256(f"{VERSION}:{reader}:{':'.join(map(str, parameters))}\0".encode())
    digest.update(content)
    return digest.hexdigest()[:32]
