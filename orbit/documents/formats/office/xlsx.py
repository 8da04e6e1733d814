"""Reads Excel workbooks: the rows of each sheet, with values as Excel shows them."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from html import unescape
from typing import Any

import msgspec

from orbit.documents.formats.list_labels import STRUCK
from orbit.documents.formats.office.drawing import described, linked_texts, text_of
from orbit.documents.formats.office.number_format import shown
from orbit.documents.formats.office.package import Package, attribute, descendants, local
from orbit.documents.formats.office.sheets import Groups, Sheets
from orbit.documents.formats.outline import of_margins
from orbit.documents.sections import Content, UnreadableError

MOST_XML = 500_000_000
"""Limit of a workbook's unpacked XML, in bytes. It is read row by row."""
_LAST_ROW = 1_048_576
"""Excel has no further rows. A file that names one would be read as empty rows for hours."""
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell [^>]*?\bref=\"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})\"")
_MARGIN = re.compile(rb"<(?:\w+:)?(?:odd|even|first)(?:Header|Footer)\b[^>]*>([^<]+)<")
_NO_RESULT = re.compile(
    rb"<(?:\w{1,9}:)?c\s(?![^<>]{0,200}\bt=\"str\")[^<>]{0,200}?\br=\"(\w{1,12})\"[^<>]{0,200}>\s*"
    rb"<((?:\w{1,9}:)?f)\b[^<>]{0,500}(?:/>|>[^<]*</\2>)\s*(?:<(?:\w{1,9}:)?v(?:/| /|></v)>\s*)?</(?:\w{1,9}:)?c>"
)
"""A cell with a formula whose result the program that wrote it did not know. As text, a result may be empty."""
_PARTS = re.compile(r"&[LCR]")
_NUMBERS = re.compile(r"(?:\w+\W{0,2})?&P(?:\W+\w+)?(?:\W*&N)?")
_CODES = re.compile(r"&(?:\"[^\"]*\"|K[\dA-F]{2}(?:[\dA-F]{4}|[+-]\d{3})|\d+|[A-Z])")
"""What a page header says of its fonts, colours, pages, dates and names of files."""


def read_xlsx(content: bytes) -> Content:
    """Read all sheets. Formulas have the value that Excel stored last."""
    from openpyxl.reader.excel import ExcelReader  # type: ignore[import-untyped]  # noqa: PLC0415  # it has no types; only readers of Excel pay for it

    with Package(content, "Excel workbook", MOST_XML) as package, warnings.catch_warnings(), _rich_text():
        warnings.simplefilter("ignore")  # of styles and extensions that do not matter for text
        try:
            parts = _parts(package)
            if len(set(parts.values())) < len(parts):  # openpyxl would read it for each
                raise UnreadableError("is not a readable Excel workbook: it has several names of one sheet")
            reader = ExcelReader(io.BytesIO(content), read_only=True, data_only=True, keep_links=False, rich_text=True)
            reader.read_chartsheet = lambda *_: None  # it fails on charts that it does not know
            reader.read()
            book, sheets, unknown = reader.wb, Sheets(), list[str]()
            text_of_cell = _text_or_struck if any(font.strike for font in book._fonts) else _text  # noqa: SLF001  # asking each cell takes long
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # some programs write a wrong size
                part = parts.get(sheet.title, "")
                beside = _beside_values(package, part)
                rows = ([text_of_cell(cell) for cell in row] for row in sheet.iter_rows(max_row=_LAST_ROW))
                sheets.add(sheet.title, _filled(rows, beside.merged), beside.groups)
                unknown += (f"{cell.decode()} of '{sheet.title}'" for cell in beside.unknown)
                sheets.note(sheet.title, "\n\n".join(filter(None, (_over_cells(package, part), *beside.margins))))
            book.close()
            cells = {sheet.title for sheet in book.worksheets}
            for name in [name for name in parts if name not in cells]:  # a sheet that is a chart
                sheets.note(name, _over_cells(package, parts[name]))
        except (MemoryError, UnreadableError):
            raise
        except Exception as error:  # openpyxl raises anything on a broken file
            raise package.unreadable(error) from error
    if not sheets.rows:
        raise UnreadableError("has no text")
    return msgspec.structs.replace(sheets.content(), warnings=_warnings(unknown))


def _warnings(unknown: Sequence[str]) -> tuple[str, ...]:
    if not unknown:
        return ()
    few = "A formula has no result" if len(unknown) == 1 else f"{len(unknown):,} formulas have no result"
    return (f"{few} in the file, the first in {unknown[0]}: save it with Excel or LibreOffice.",)


@contextmanager
def _rich_text() -> Iterator[None]:
    """Let openpyxl keep how a part of a cell's own text looks. It has a setting only for texts that cells share."""
    from openpyxl.worksheet import _read_only  # type: ignore[import-untyped]  # noqa: PLC0415  # see above

    parser = _read_only.WorkSheetParser
    _read_only.WorkSheetParser = partial(parser, rich_text=True)
    try:
        yield
    finally:
        _read_only.WorkSheetParser = parser


def _parts(package: Package) -> dict[str, str]:
    """Return the part of each sheet by its name."""
    main = package.main("xl/workbook.xml")
    links = package.relations(main)
    listed = descendants(package.xml(main), "sheet")
    return {attribute(item, "name"): links[name].target for item in listed if (name := attribute(item, "id")) in links}


class _BesideValues(msgspec.Struct, frozen=True):
    """What a sheet's part says beside the values of its cells. Rows and columns count from 1."""

    margins: Sequence[str]
    merged: Sequence[tuple[int, int, int]]
    """Cells that stand for several rows: column, first and last row."""
    groups: Groups
    unknown: Sequence[bytes]
    """Cells of formulas without a result."""


def _beside_values(package: Package, part: str) -> _BesideValues:
    """Search a sheet's part. Parsing all of it again would take as long as reading its cells."""
    content = package.read(part)
    end = content[content.rfind(b"sheetData") :]
    ranges = [
        (_column(left), int(first), _column(right), int(last)) for left, first, right, last in _MERGED.findall(end)
    ]
    texts = (part for text in _MARGIN.findall(end) for part in _PARTS.split(unescape(text.decode(errors="replace"))))
    plain = (_CODES.sub("", _NUMBERS.sub("", text.replace("&&", "\0"))).replace("\0", "&").strip() for text in texts)
    groups: dict[int, list[tuple[int, int]]] = {}
    for left, first, right, _ in ranges:
        if right > left:
            groups.setdefault(first, []).append((left - 1, right - 1))
    merged = [(left, first, last) for left, first, _, last in ranges if last > first]
    unknown = [cell for cell, _ in _NO_RESULT.findall(content)]
    return _BesideValues(of_margins(plain), merged, groups, unknown)


def _column(letters: bytes) -> int:
    """Return the number of a column from 1: 28 for AB."""
    return sum((letter - 64) * 26**place for place, letter in enumerate(reversed(letters)))


def _filled(rows: Iterable[list[str]], merged: Sequence[tuple[int, int, int]]) -> Iterator[list[str]]:
    """Yield rows in which a cell that stands for several rows is repeated, unless there is nothing else in them."""
    waiting, open_ones = sorted(merged, key=lambda one: one[1], reverse=True), dict[int, tuple[int, str]]()
    for number, row in enumerate(rows, start=1):
        if open_ones and any(row):
            for column, (_, text) in open_ones.items():
                row.extend([""] * (column - len(row)))
                row[column - 1] = row[column - 1] or text
        while waiting and waiting[-1][1] <= number:
            column, _, last = waiting.pop()
            open_ones[column] = last, row[column - 1] if column <= len(row) else ""
        open_ones = {column: one for column, one in open_ones.items() if one[0] > number}
        yield row


def _marked(text: str, struck: object) -> str:
    return f"{STRUCK}{text}{STRUCK}" if struck and text else text


def _over_cells(package: Package, sheet: str) -> str:
    """Return the text boxes, charts, diagrams and comments of a sheet."""
    texts: list[str] = []
    links = package.linked(sheet) if sheet else []
    answered = {
        attribute(comment, "ref")
        for link in links
        if link.kind == "threadedComment"
        for comment in descendants(package.xml(link.target), "threadedComment")
    }
    for link in links:
        if link.kind == "drawing":
            drawing = package.xml(link.target)
            texts += map(text_of, descendants(drawing, "txBody"))
            texts += map(described, descendants(drawing, "pic", "graphicFrame"))
            texts += linked_texts(package, link.target)
        elif link.kind in {"comments", "threadedComment"}:
            for comment in descendants(package.xml(link.target), "comment", "threadedComment"):
                place = attribute(comment, "ref")
                if local(comment) == "comment" and place in answered:
                    continue  # a copy, with a hint for older programs
                text = "".join(run.text or "" for run in descendants(comment, "t", "text") if run.text).strip()
                texts.append(f"Comment on {place}: {text}" if text else "")
    return "\n\n".join(filter(None, texts))


def _text_or_struck(cell: Any) -> str:
    text = _text(cell)
    return _marked(text.replace(STRUCK, ""), struck=True) if cell.font.strike else text


def _text(cell: object) -> str:
    value = getattr(cell, "value", None)
    if isinstance(value, list):
        parts = (part if isinstance(part, str) else _marked(part.text, part.font.strike) for part in value)
        return "".join(parts).replace(STRUCK * 2, "")
    return shown(value, getattr(cell, "number_format", None)) if value is not None else ""
