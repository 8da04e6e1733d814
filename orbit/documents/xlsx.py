"""Reads Excel workbooks: the rows of each sheet, with values as Excel shows them."""

from __future__ import annotations

import io
import warnings

from orbit.documents.number_format import shown
from orbit.documents.package import Package
from orbit.documents.sections import Content, UnreadableError
from orbit.documents.sheets import Sheets

MOST_XML = 500_000_000
"""Limit of a workbook's unpacked XML, in bytes. It is read row by row."""


def read_xlsx(content: bytes) -> Content:
    """Read all sheets. Formulas have the value that Excel stored last."""
    import openpyxl  # type: ignore[import-untyped]  # noqa: PLC0415  # it has no types; only readers of Excel pay for it

    with Package(content, "Excel workbook", MOST_XML) as package, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and extensions that do not matter for text
        try:
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            sheets = Sheets()
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # some programs write a wrong size
                sheets.add(sheet.title, ([_text(cell) for cell in row] for row in sheet.iter_rows()))
            book.close()
        except MemoryError:
            raise
        except Exception as error:  # openpyxl raises anything on a broken file
            raise package.unreadable(error) from error
    if not sheets.rows:
        raise UnreadableError("has no text")
    return sheets.content()


def _text(cell: object) -> str:
    value = getattr(cell, "value", None)
    return shown(value, getattr(cell, "number_format", None)) if value is not None else ""
