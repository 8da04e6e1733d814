"""Rows of spreadsheets as text."""

from __future__ import annotations

import io

import openpyxl  # type: ignore[import-untyped]  # it has no types

from orbit.documents.formats.office.sheets import Sheets
from orbit.documents.reading.readers import read


def test_cells_at_the_far_end_of_a_sheet_do_not_make_its_rows_long() -> None:
    book = openpyxl.Workbook()
    for row in range(1, 201):
        book.active.cell(row, 1, f"Tea {row}")
        book.active.cell(row, 16_384, row)
    out = io.BytesIO()
    book.save(out)
    (section,) = read("a.xlsx", out.getvalue()).sections
    assert (section.header, section.text.split("\n")[-1]) == ("Tea 1 | 1", "Tea 200 | 200")


def test_empty_cells_between_others_keep_their_columns() -> None:
    sheets = Sheets()
    sheets.add("Plan", [["", *(["Week"] * 60)], ["Ada", *[""] * 59, "on call"]])
    (section,) = sheets.content().sections
    assert section.text.count(" | ") == 60
