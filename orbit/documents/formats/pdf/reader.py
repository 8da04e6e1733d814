"""Reads a PDF into the text of its pages."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any

import msgspec

from orbit.documents.formats.pdf.furniture import remove_furniture
from orbit.documents.formats.pdf.layout import Block, arrange
from orbit.documents.formats.pdf.overleaf import without_rest
from orbit.documents.formats.pdf.owner import opened_as_owner
from orbit.documents.formats.pdf.page import read_page
from orbit.documents.formats.pdf.pictures import Reader, Recognised, has_pictures, is_scanned, recognise
from orbit.documents.formats.pdf.piece import Piece
from orbit.documents.formats.pdf.tables import Table
from orbit.documents.formats.pdf.words import Words, clean, prose
from orbit.documents.formats.titles import real_title
from orbit.documents.sections import Content, Section, UnreadableError
from orbit.types import MetadataValue

_ALONE = threading.Lock()
"""PDFium must not run in two threads of a process at once."""
_END, _TAIL = b"%%EOF", 4_096
"""The last line of a file. Some have a little junk after it."""
_CATALOG = re.compile(rb"/Type\s{0,9}/Catalog\b")
_OBJECT = re.compile(rb"(\d{1,9})\s{1,9}(\d{1,9})\s{1,9}obj\b[^>]*\Z")
_LONGEST_OBJECT = 2_000
_MOST_CATALOGS = 100
_SENTENCE = re.compile(r".*?[.!?…。！？](?=\s|$)", re.DOTALL)  # noqa: RUF001  # the signs of Chinese and Japanese
_ENDS = tuple(".!?…。！？")  # noqa: RUF001  # the same
_NAMELESS = re.compile("[\x00-\x08\x0e-\x1f\ue000-\uf8ff\ufffd]")
"""What stands in the text for glyphs whose characters the file does not name."""
_MANY = 0.3
_LONGEST_REST = 400
"""Characters of a sentence that a page takes over from the next one."""


def read_pdf(content: bytes, read_picture: Reader | None = None) -> Content:
    """Return the text of all pages, tables apart. ``page`` in a section's metadata counts from 1.

    ``read_picture`` reads the pages that hold pictures alone. Warnings name the pages without text, those that were
    read from their pictures, and those that cannot be read.
    """
    with _ALONE:
        document = _open(content)
        try:
            _init_forms(document)
            pages = [_page(document, number) for number in range(len(document))]
            title = real_title(document.get_metadata_value("Title"))
            kept = remove_furniture([page or [] for page in pages])
            for number, page in enumerate(pages):
                if page and not kept[number]:
                    if is_scanned(document, number):
                        pages[number] = []  # a picture of text under a running header
                    else:
                        kept[number] = page
            empty = [number for number, page in enumerate(pages) if page is not None and not page]
            seen = [number + 1 for number in empty if read_picture is not None and has_pictures(document, number)]
            found = recognise(document, seen, read_picture) if read_picture is not None else Recognised()
        finally:
            document.close()
    sections = _sections(kept)
    sections += (section for page in found.sections.values() for section in page)
    if not sections:
        reason = f" ({found.warnings[0].rstrip('.')})" if found.warnings else ""
        raise UnreadableError(f"is a PDF without text; scanned pages need text recognition{reason or ' first'}")
    if found.sections:
        sections.sort(key=lambda section: int(str(section.metadata["page"])))
    warnings = _warnings(pages, found, cut_off=_END not in content[-_TAIL:])
    return Content(tuple(sections), title, (*warnings, *found.warnings))


def _page(document: Any, number: int) -> list[Block] | None:
    """Return a page's text in reading order, or None if PDFium cannot load it."""
    from pypdfium2 import PdfiumError  # type: ignore[import-untyped]  # noqa: PLC0415  # see _open

    try:
        page = read_page(document, number)
    except PdfiumError:
        return None
    return arrange(page.pieces, page.grids, page.across)


def _warnings(pages: Sequence[Sequence[Block] | None], found: Recognised, *, cut_off: bool) -> Iterator[str]:
    def numbers(condition: Callable[[Sequence[Block] | None], bool]) -> list[int]:
        return [number for number, page in enumerate(pages, start=1) if condition(page)]

    if broken := numbers(lambda page: page is None):
        yield f"{listed(broken)} cannot be read: the file is damaged there."
    if cut_off:
        yield "The end of the file is missing, so some of its text may be missing, too."
    if found.sections:
        verb = "is" if len(found.sections) == 1 else "are"
        yield f"{listed(list(found.sections))} {verb} read from pictures; the text there may have mistakes."
    if found.left:
        yield f"There was no time to read the pictures of {listed(found.left).lower()} (ingest.read_timeout)."
    done = {*found.sections, *found.left}
    if empty := [page for page in numbers(lambda page: page is not None and not page) if page not in done]:
        verb = "has" if len(empty) == 1 else "have"
        yield f"{listed(empty)} {verb} no text; scanned pages need text recognition first."
    if nameless := numbers(_is_nameless):
        yield f"The fonts of {listed(nameless).lower()} do not name their characters; the text there may be wrong."


def _is_nameless(page: Sequence[Block] | None) -> bool:
    text = "".join(block.text for block in page or () if isinstance(block, Piece))
    if text.isprintable() and "\ufffd" not in text:
        return False
    return len(_NAMELESS.findall(text)) > _MANY * len(text)


def _open(content: bytes) -> Any:
    import pypdfium2  # noqa: PLC0415  # only those who read PDF pay for it
    import pypdfium2.raw as pdfium  # type: ignore[import-untyped]  # noqa: PLC0415  # the same

    try:
        return pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if error.err_code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            if (plain := opened_as_owner(content)) is not None:
                return pypdfium2.PdfDocument(plain)
            raise UnreadableError("is encrypted; save it without a password") from error
        catalog = _catalog(content)
        if catalog is None:
            raise UnreadableError("is not a readable PDF") from error
    head = b"" if content.startswith(b"%PDF-") else b"%PDF-1.4\n"
    trailer = b"\ntrailer\n<< /Root %s %s R >>\n%%%%EOF\n" % catalog.groups()
    try:
        return pypdfium2.PdfDocument(head + content + trailer)
    except pypdfium2.PdfiumError as error:
        raise UnreadableError("is not a readable PDF") from error


def _catalog(content: bytes) -> re.Match[bytes] | None:
    """Return the number of the object that a damaged file begins with."""
    for found in islice(_CATALOG.finditer(content), _MOST_CATALOGS):
        if number := _OBJECT.search(content, max(0, found.start() - _LONGEST_OBJECT), found.start()):
            return number
    return None


def _init_forms(document: Any) -> None:
    logger = logging.getLogger("pypdfium2")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns about the second half of some forms, which repeats the first
    try:
        document.init_forms()
    finally:
        logger.setLevel(level)


def _sections(pages: Sequence[Sequence[Block]]) -> list[Section]:
    words = Words([block for page in pages for block in page if isinstance(block, Piece)])
    sections: list[Section] = []
    last: Block | None = None
    header = ""
    for number, blocks in enumerate(pages, start=1):
        place: dict[str, MetadataValue] = {"page": number}
        for _, group in groupby(blocks, key=type):
            lines: list[Piece] = []
            for block in group:
                if isinstance(block, Piece):
                    lines.append(block)
                    continue
                above = last if block is blocks[0] and isinstance(last, Table) and last.width == block.width else None
                header, rows = _rows(block, header if above else "")
                if above and sections[-1].text:
                    last_row = above.rows[-1]
                    rows = without_rest(above.rows, rows, words)
                    block.rows = rows or block.rows
                    if above.rows[-1] is not last_row:
                        kept, gap, _ = sections[-1].text.rpartition("\n")
                        whole = f"{kept}{gap}{_line(above.rows[-1])}"
                        sections[-1] = msgspec.structs.replace(sections[-1], text=whole)
                sections.append(Section("\n".join(map(_line, rows)), metadata=place, header=header, kind="table"))
            if text := prose(lines, words).strip():
                if sections and not isinstance(last, Table) and sections[-1].metadata != place:
                    sections[-1] = _with_rest(sections[-1], text, words)
                sections.append(Section(text, metadata=place))
            last = blocks[-1]
    return [section for section in sections if section.text]


def _rows(table: Table, header: str) -> tuple[str, list[list[str]]]:
    """Return the column names, by default those of the table on the page before, and the rows below them."""
    names = _line(table.rows[0])
    if header == names or (table.header and not header):
        return names, table.rows[1:]
    return header, table.rows


def _line(row: Sequence[str]) -> str:
    return clean(" | ".join(row))


def _with_rest(section: Section, after: str, words: Words) -> Section:
    """Give a page the rest of its last sentence, which the next page keeps, too: each then answers alone."""
    if section.text.endswith(_ENDS) or not after[0].islower():
        return section
    end = _SENTENCE.match(after)
    rest = end.group() if end and end.end() <= _LONGEST_REST else after.partition("\n\n")[0][:_LONGEST_REST]
    return msgspec.structs.replace(section, text=words.joined(section.text, rest) or f"{section.text}\n{rest}")


def listed(pages: Sequence[int]) -> str:
    """Return "Page 1" or "Pages 1, 3 to 5"."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1].append(page)
        else:
            runs.append([page])
    names = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
    return f"{'Page' if len(pages) == 1 else 'Pages'} {names}"
