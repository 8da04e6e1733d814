"""Reads Excel workbooks: the rows of each sheet, with values as Excel shows them."""

from __future__ import annotations

import io
import warnings
from typing import Any

from orbit.documents.formats.list_labels import STRUCK
from orbit.documents.formats.office.drawing import described, linked_texts, text_of
from orbit.documents.formats.office.number_format import shown
from orbit.documents.formats.office.package import Package, attribute, descendants, local
from orbit.documents.formats.office.sheets import Sheets
from orbit.documents.sections import Content, UnreadableError

MOST_XML = 500_000_000
"""Limit of a workbook's unpacked XML, in bytes. It is read row by row."""
_LAST_ROW = 1_048_576
"""Excel has no further rows. A file that names one would be read as empty rows for hours."""


def read_xlsx(content: bytes) -> Content:
    """Read all sheets. Formulas have the value that Excel stored last."""
    from openpyxl.reader.excel import ExcelReader  # type: ignore[import-untyped]  # noqa: PLC0415  # it has no types; only readers of Excel pay for it

    with Package(content, "Excel workbook", MOST_XML) as package, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions that do not matter for text
        try:
            parts = _parts(package)
            if len(set(parts.values())) < len(parts):  # openpyxl would read it for each
                raise UnreadableError("is not a readable Excel workbook: it has several names of one sheet")
            reader = ExcelReader(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
            reader.read_chartsheet = lambda *_: None  # it fails on charts that it does not know
            reader.read()
            book, sheets = reader.wb, Sheets()
            text_of_cell = _text_or_struck if any(font.strike for font in book._fonts) else _text  # noqa: SLF001  # asking each cell takes long
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # some programs write a wrong size
                sheets.add(
                    sheet.title, ([text_of_cell(cell) for cell in row] for row in sheet.iter_rows(max_row=_LAST_ROW))
                )
                sheets.note(sheet.title, _over_cells(package, parts.get(sheet.title, "")))
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
    return sheets.content()


def _parts(package: Package) -> dict[str, str]:
    """Return the part of each sheet by its name."""
    main = package.main("xl/workbook.xml")
    links = package.relations(main)
    listed = descendants(package.xml(main), "sheet")
    return {attribute(item, "name"): links[name].target for item in listed if (name := attribute(item, "id")) in links}


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
    return f"{STRUCK}{text}{STRUCK}" if text and cell.font.strike else text


def _text(cell: object) -> str:
    value = getattr(cell, "value", None)
    return shown(value, getattr(cell, "number_format", None)) if value is not None else ""
