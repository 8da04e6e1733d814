"""Rows of spreadsheets as text."""

from __future__ import annotations

import io
import zipfile

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


SHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
SHARED = (
    '<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'spreadsheetml.sharedStrings+xml"/></Types>'
)


def saved(book: openpyxl.Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def texts(content: bytes, name: str = "a.xlsx") -> list[tuple[str, str]]:
    return [(section.header, section.text) for section in read(name, content).sections]


def test_page_headers_and_footers_of_a_workbook_are_read() -> None:
    book = openpyxl.Workbook()
    book.active.append(["Tea", 3])
    book.active.oddHeader.left.text = "Form QM-17 & rules"
    book.active.oddHeader.center.text = "&A"
    book.active.oddHeader.center.font = "Arial,Bold"
    book.active.oddHeader.center.size = 12
    book.active.evenFooter.left.text = "Valid until 31 March 2025"
    book.active.oddFooter.right.text = "Page &P of &N"
    book.create_sheet("Next").append(["Milk", 2])
    assert texts(saved(book)) == [
        *(("", "Tea | 3"), ("", "Form QM-17 & rules\n\nValid until 31 March 2025"), ("", "Milk | 2")),
    ]


def test_a_cell_for_several_rows_is_in_each_and_one_for_several_columns_has_names_below() -> None:
    book = openpyxl.Workbook()
    for row in (
        *(["Region", "Sold", None, "Note"], [None, "2024", "2025", None], ["North", 1, 2, "a"], [None, 3, 4, "b"]),
        *([None, None, None, None], ["South", 5, 6, "c"]),
    ):
        book.active.append(row)
    for cells in ("A1:A2", "B1:C1", "D1:D2", "A3:A5"):
        book.active.merge_cells(cells)
    assert texts(saved(book)) == [
        ("Region | Sold |  | Note\nRegion | 2024 | 2025 | Note", "North | 1 | 2 | a\nNorth | 3 | 4 | b"),
        ("Region | Sold |  | Note\nRegion | 2024 | 2025 | Note", "South | 5 | 6 | c"),
    ]


def test_records_below_a_name_for_several_columns_are_no_names() -> None:
    book = openpyxl.Workbook()
    for row in (["Person", None, "Room"], ["Ada", "Lovelace", "12"], ["Bob", "Bee", "13"]):
        book.active.append(row)
    book.active.merge_cells("A1:B1")
    assert texts(saved(book)) == [("Person |  | Room", "Ada | Lovelace | 12\nBob | Bee | 13")]


def test_struck_text_within_a_cell_is_marked() -> None:
    """A cell has a text of its own, or one that it shares with others, as Excel writes it."""
    runs = "<r><rPr><strike/></rPr><t>45</t></r><r><t xml:space='preserve'> 50 euro</t></r>"
    sheet = (
        f"<worksheet {SHEET}><sheetData><row r='1'><c r='A1' t='inlineStr'><is>{runs}</is></c>"
        "<c r='B1' t='s'><v>0</v></c></row></sheetData></worksheet>"
    )
    content = io.BytesIO(saved(openpyxl.Workbook()))
    out = io.BytesIO()
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            types = old.read(name).replace(b"</Types>", SHARED.encode())
            new.writestr(name, sheet if name == "xl/worksheets/sheet1.xml" else types)
        new.writestr("xl/sharedStrings.xml", f"<sst {SHEET}><si>{runs}</si></sst>")
    assert texts(out.getvalue()) == [("", "~~45~~ 50 euro | ~~45~~ 50 euro")]


def test_times_longer_than_a_day_are_hours_as_excel_shows_them() -> None:
    book = openpyxl.Workbook()
    book.active.append(["Ada", 1.75, 0.5, 1.75])
    for cell, form in zip(book.active[1][1:], ("[h]:mm", "[hh]:mm:ss", "[mm]:ss"), strict=True):
        cell.number_format = form
    assert texts(saved(book)) == [("", "Ada | 42:00 | 12:00:00 | 2520:00")]


def test_formulas_without_a_result_are_named() -> None:
    book = openpyxl.Workbook()
    for row in (["Item", "Price", "Total"], ["Tea", 3, "=B2*2"], ["Milk", 2, "=B3*2"]):
        book.active.append(row)
    found = read("a.xlsx", saved(book))
    assert [section.text for section in found.sections] == ["Tea | 3\nMilk | 2"]
    assert found.warnings == (
        "2 formulas have no result in the file, the first in C2 of 'Sheet': save it with Excel or LibreOffice.",
    )
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(book))) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            part = part.replace(b"</f><v /></c>", b"</f><v>6</v></c>").replace(b"</f><v/></c>", b"</f><v>6</v></c>")
            new.writestr(
                name,
                part.replace(b'<c r="C3">', b'<c r="C3" t="str">').replace(
                    b"<v>6</v></c></row></sh", b"<v></v></c></row></sh"
                ),
            )
    assert read("a.xlsx", out.getvalue()).warnings == ()
