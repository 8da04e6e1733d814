"""Reads OpenDocument: texts (odt), presentations (odp) and spreadsheets (ods)."""

from __future__ import annotations

from collections.abc import Iterator

from orbit.documents.formats.list_labels import BULLET
from orbit.documents.formats.office.odf_styles import Counts, Styles
from orbit.documents.formats.office.package import Element, Package, attribute, child, descendants, local, number
from orbit.documents.formats.office.sheets import Sheets, limited
from orbit.documents.formats.outline import Outline, of_margins
from orbit.documents.formats.titles import picture_text
from orbit.documents.sections import Content, UnreadableError

_GONE = frozenset(
    ("tracked-changes", "annotation", "annotation-end", "forms", "sequence-decls", "ruby-text", "page-number")
)
_SIDES = ("", "-first", "-left")
"""Pages may differ."""
_MOST_REPEATS = 1_000
"""Rows and cells that a file may repeat by number. More are there for their colour."""


def read_odt(content: bytes) -> Content:
    """Read a text with its headings, lists, tables, notes, page headers and footers."""
    with Package(content, "OpenDocument text") as package:
        named, main = package.xml("styles.xml"), package.required("content.xml")
        reader = _Text(Outline(), Styles(named, main))
        margins = list(descendants(named, *(f"{kind}{side}" for kind in ("header", "footer") for side in _SIDES)))
        reader.margins(margins, "header")
        reader.blocks(child(main, "body", "text"))
        reader.outline.flush()
        reader.margins(margins, "footer")
        return reader.outline.content()


def read_odp(content: bytes) -> Content:
    """Read a presentation, slide by slide, with notes. ``slide`` in the metadata counts from 1."""
    with Package(content, "OpenDocument presentation") as package:
        reader = _Text(Outline())
        for slide, page in enumerate(descendants(package.required("content.xml"), "page"), start=1):
            reader.outline.metadata = {"slide": slide}
            frames = [item for item in page if local(item) != "notes"]
            title = next((item for item in frames if attribute(item, "class") == "title"), None)
            named = _flat(title) if title is not None else ""
            reader.outline.heading(1, named or f"Slide {slide}", names=bool(named))
            for item in frames:
                if item is not title:
                    reader.blocks(item)
            for item in page:
                if local(item) == "notes" and (text := _flat(item)):
                    reader.outline.text(f"Notes: {text}")
            reader.outline.flush()
        return reader.outline.content()


def read_ods(content: bytes) -> Content:
    """Read all sheets, with values as the program shows them."""
    with Package(content, "OpenDocument spreadsheet", 200_000_000) as package:
        sheets = Sheets()
        body = child(package.required("content.xml"), "body", "spreadsheet")
        for table in body if body is not None else ():
            if local(table) == "table":
                sheets.add(attribute(table, "name"), _grid(table))
    if not sheets.rows:
        raise UnreadableError("has no text")
    return sheets.content()


class _Text:
    def __init__(self, outline: Outline, styles: Styles | None = None) -> None:
        self.outline = outline
        self._styles = styles or Styles()
        self._notes: list[str] = []

    def margins(self, items: list[Element], kind: str) -> None:
        for text in of_margins(_flat(item) for item in items if local(item).startswith(kind)):
            self.outline.text(text)
        self.outline.flush()

    def blocks(self, parent: Element | None, depth: int = 0) -> None:
        for item in parent if parent is not None else ():
            name = local(item)
            if name == "h":
                level = number(item, "outline-level", 1)
                label = self._styles.heading(item, level)
                self.outline.heading(level, f"{label} {self._line(item)}".strip())
            elif name == "p" and self._styles.is_title(item) and not self.outline.title:
                self.outline.flush()
                self.outline.title = " ".join(self._line(item).split())
            elif name == "p":
                self.outline.text(self._line(item))
            elif name == "list":
                self._list(item, 1, attribute(item, "style-name"), self._styles.begin(item))
            elif name == "table":
                self.outline.table([list(row) for row in limited(_grid(item))])
            elif _describes(item):
                self.outline.text(picture_text(item.text or ""))
            elif name not in _GONE:
                self.blocks(item, depth)
            for note in self._notes:
                self.outline.text(note)
            self._notes = []

    def _list(self, items: Element, depth: int, style: str, counts: Counts) -> None:
        for item in items:
            label = ""
            if local(item) == "list-item" and len(item) and local(item[0]) != "list":
                label = self._styles.count(item, style, depth, counts)
            for block in item:
                if local(block) == "list":
                    self._list(block, depth + 1, attribute(block, "style-name") or style, counts)
                elif text := self._line(block):
                    numbered = f"{label} {text}" if label else text
                    if local(block) == "h":
                        self.outline.heading(number(block, "outline-level", 1), text if label == BULLET else numbered)
                    else:
                        self.outline.text(f"{'  ' * (depth - 1)}{numbered}")
                    label = ""

    def _line(self, item: Element) -> str:
        parts: list[str] = []
        self._write(item, parts)
        return "".join(parts).strip()

    def _write(self, item: Element, parts: list[str]) -> None:
        parts.append(item.text or "")
        for inner in item:
            name = local(inner)
            if name == "s":
                parts.append(" " * min(number(inner, "c", 1), _MOST_REPEATS))
            elif name == "tab":
                parts.append("\t")
            elif name == "line-break":
                parts.append("\n")
            elif name == "note":
                mark, body = child(inner, "note-citation"), child(inner, "note-body")
                label = f"[{mark.text or '*'}]" if mark is not None else "[*]"
                parts.append(f" {label}")
                if body is not None and (text := _flat(body)):
                    self._notes.append(f"{label} {text}")
            elif name == "text-box":
                self._notes.append(_flat(inner))
            elif _describes(inner):
                parts.append(f" {picture_text(inner.text or '')} ")
            elif name not in _GONE:
                self._write(inner, parts)
            parts.append(inner.tail or "")


def _describes(item: Element) -> bool:
    """Whether an element is the title or description of a picture, and not a field with the document's title."""
    return local(item) in {"title", "desc"} and "svg" in item.tag


def _grid(table: Element) -> Iterator[list[str]]:
    """Yield the cells of each row, those in groups and headers too, repeated as often as the file says."""
    for item in table:
        name = local(item)
        if name == "table-row":
            yield from [_cells(item)] * min(number(item, "number-rows-repeated", 1), _MOST_REPEATS)
        elif name in {"table-header-rows", "table-row-group", "table-rows"}:
            yield from _grid(item)


def _cells(row: Element) -> list[str]:
    cells: list[str] = []
    for item in row:
        if local(item) in {"table-cell", "covered-table-cell"}:
            cells += [_flat(item)] * min(number(item, "number-columns-repeated", 1), _MOST_REPEATS)
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _flat(item: Element) -> str:
    """Return the paragraphs of a box or cell, a line each."""
    reader = _Text(Outline())
    reader.blocks(item)
    return "\n".join(filter(None, (section.text for section in reader.outline.content().sections)))
