"""Reads OpenDocument: texts (odt), presentations (odp) and spreadsheets (ods)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orbit.documents.formats.list_labels import BULLET, STRUCK
from orbit.documents.formats.office.odf_styles import Counts, Styles
from orbit.documents.formats.office.package import Element, Package, attribute, child, descendants, local, number
from orbit.documents.formats.office.sheets import Sheets, cell_name, limited
from orbit.documents.formats.outline import Outline, of_margins
from orbit.documents.formats.titles import picture_text
from orbit.documents.sections import Content, UnreadableError

_GONE = frozenset(("tracked-changes", "annotation-end", "forms", "sequence-decls", "ruby-text", "page-number"))
_SHAPES = frozenset(
    """
    caption circle connector custom-shape ellipse frame g line measure object path polygon polyline rect
    regular-polygon text-box
    """.split()  # noqa: SIM905  # a list would take a line for each
)
"""Drawings with text of their own."""
_SIDES = ("", "-first", "-left")
"""Pages may differ."""
_BREAKS = {"tab": "\t", "line-break": "\n"}
_CELLS = frozenset(("table-cell", "covered-table-cell"))
_FRAMES = frozenset(("frame", "g", "object"))
_PLACE = "orbit-place"
"""The attribute of a comment that has been taken off its cell."""
_MOST_REPEATS = 1_000
"""Rows and cells that a file may repeat by number. More are there for their colour."""


def read_odt(content: bytes) -> Content:
    """Read a text with its headings, lists, tables, notes, page headers and footers."""
    with Package(content, "OpenDocument text") as package:
        named, main = package.xml("styles.xml"), package.required("content.xml")
        reader = _Text(package, Styles(named, main))
        margins = list(descendants(named, *(f"{kind}{side}" for kind in ("header", "footer") for side in _SIDES)))
        reader.margins(margins, "header")
        reader.blocks(child(main, "body", "text"))
        reader.outline.keep_title()
        reader.margins(margins, "footer")
        return reader.outline.content()


def read_odp(content: bytes) -> Content:
    """Read a presentation, slide by slide, with notes. ``slide`` in the metadata counts from 1."""
    with Package(content, "OpenDocument presentation") as package:
        main = package.required("content.xml")
        reader = _Text(package, Styles(package.xml("styles.xml"), main))
        for slide, page in enumerate(descendants(main, "page"), start=1):
            reader.outline.metadata = {"slide": slide}
            frames = [item for item in page if local(item) != "notes"]
            title = next((item for item in frames if attribute(item, "class") == "title"), None)
            named = reader.flat(title) if title is not None else ""
            reader.outline.heading(1, named or f"Slide {slide}", names=bool(named))
            for item in frames:
                if item is not title:
                    reader.block(item)
            for item in page:
                if local(item) == "notes" and (text := reader.flat(item)):
                    reader.outline.text(f"Notes: {text}")
            reader.outline.flush()
        return reader.outline.content()


def read_ods(content: bytes) -> Content:
    """Read all sheets, with values as the program shows them."""
    with Package(content, "OpenDocument spreadsheet", 200_000_000) as package:
        main, named, sheets = package.required("content.xml"), package.xml("styles.xml"), Sheets()
        own = child(main, "automatic-styles")
        styles = list(own) if own is not None else []
        reader = _Text(package, Styles(named, *styles))
        pages = {attribute(item, "name"): attribute(item, "master-page-name") for item in styles}
        masters = {attribute(item, "name"): item for item in descendants(named, "master-page")}
        body = child(main, "body", "spreadsheet")
        for table in body if body is not None else ():
            if local(table) == "table":
                over = "\n\n".join(filter(None, map(reader.flat, _taken_off(table))))
                groups: dict[int, list[tuple[int, int]]] = {}
                sheets.add(attribute(table, "name"), reader.grid(table, groups), groups)
                master: Iterable[Element] = masters.pop(pages.get(attribute(table, "style-name"), ""), ())  # each once
                margins = of_margins(reader.flat(item).replace("???", "").strip() for item in master if _shown(item))
                sheets.note(attribute(table, "name"), "\n\n".join(filter(None, (over, *margins))))
    if not sheets.rows:
        raise UnreadableError("has no text")
    return sheets.content()


def _shown(margin: Element) -> bool:
    return attribute(margin, "display", "true") == "true"


class _Text:
    def __init__(self, package: Package, styles: Styles | None = None) -> None:
        self.outline = Outline()
        self._package = package
        self._styles = styles or Styles()
        self._notes: list[str] = []

    def margins(self, items: list[Element], kind: str) -> None:
        for text in of_margins(self.flat(item) for item in items if local(item).startswith(kind)):
            self.outline.text(text)
        self.outline.flush()

    def blocks(self, parent: Element | None) -> None:
        for item in parent if parent is not None else ():
            self.block(item)

    def block(self, item: Element) -> None:
        name = local(item)
        if self._styles.hides(item):
            return
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
            self.outline.table([list(row) for row in limited(self.grid(item))])
        elif (apart := self._apart(item)) is not None:
            self.outline.text(apart)
        elif name not in _GONE:
            self.blocks(item)
        notes, self._notes = self._notes, []
        for note in notes:
            self.outline.text(note)

    def flat(self, item: Element) -> str:
        """Return the paragraphs of a box or cell, a line each."""
        reader = _Text(self._package, self._styles)
        if local(item) in _SHAPES or local(item) == "annotation":
            reader.block(item)
        else:
            reader.blocks(item)
        return "\n".join(filter(None, (section.text for section in reader.outline.content().sections)))

    def grid(self, table: Element, groups: dict[int, list[tuple[int, int]]] | None = None) -> Iterator[list[str]]:
        """Yield the cells of each row, repeated as often as the file says. Add to ``groups`` what ``Sheets`` needs."""
        merged: dict[int, tuple[int, str]] = {}
        number_of_row = 1
        for row in _rows(table):
            cells, spans = self._cells(row, merged)
            if groups is not None and spans:
                groups[number_of_row] = spans
            repeated = _repeated(row, "rows")
            yield from [cells] * repeated
            number_of_row += repeated

    def _cells(self, row: Element, merged: dict[int, tuple[int, str]]) -> tuple[list[str], list[tuple[int, int]]]:
        """Return the cells of a row, and the first and last columns of those that stand for several.

        ``merged`` has the cells that stand for rows below, by column: for how many, and their text. It is repeated in
        each, unless there is nothing else in the row.
        """
        cells: list[str] = []
        spans: list[tuple[int, int]] = []
        above: dict[int, str] = {}
        for item in row:
            if local(item) in _CELLS:
                text, at = self.flat(item), len(cells)
                if text and self._styles.strikes(item):
                    text = _struck(text)
                if (wide := number(item, "number-columns-spanned", 1)) > 1:
                    spans.append((at, at + wide - 1))
                if at in merged:
                    left, above[at] = merged.pop(at)
                    if left > 1:
                        merged[at] = left - 1, above[at]
                if (high := number(item, "number-rows-spanned", 1)) > 1:
                    merged[at] = high - 1, text
                cells += [text] * _repeated(item, "columns")
        if any(cells):
            cells = [text or above.get(at, "") for at, text in enumerate(cells)]
        while cells and not cells[-1]:
            cells.pop()
        return cells, spans

    def _apart(self, item: Element) -> str | None:
        """Return the text of what is beside the paragraphs: a picture's, a chart or a comment. None for all others."""
        if _describes(item):
            return picture_text(item.text or "")
        if local(item) == "annotation":
            author, text = child(item, "creator"), "\n".join(map(self._line, descendants(item, "p")))
            by = attribute(item, _PLACE) or (f"by {author.text}" if author is not None and author.text else "")
            return f"Comment {by}".strip() + f": {text}" if text else ""
        if local(item) == "object" and (part := attribute(item, "href")):
            return _chart(self._package.xml(f"{part.removeprefix('./')}/content.xml"))
        return None

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
        text = "".join(parts).replace(STRUCK * 2, "").strip()
        return _struck(text) if text and self._styles.strikes(item) else text

    def _write(self, item: Element, parts: list[str]) -> None:
        parts.append(item.text or "")
        for inner in item:
            name = local(inner)
            if name == "s":
                parts.append(" " * min(number(inner, "c", 1), _MOST_REPEATS))
            elif name in _BREAKS:
                parts.append(_BREAKS[name])
            elif name == "note":
                mark, body = child(inner, "note-citation"), child(inner, "note-body")
                label = f"[{mark.text or '*'}]" if mark is not None else "[*]"
                parts.append(f" {label}")
                if body is not None and (text := self.flat(body)):
                    self._notes.append(f"{label} {text}")
            elif _describes(inner):
                parts.append(f" {picture_text(inner.text or '')} ")
            elif (apart := self._apart(inner)) is not None:
                self._notes.append(apart)
            elif name in _SHAPES - _FRAMES:
                self._notes.append(self.flat(inner))
            elif name not in _GONE and not self._styles.hides(inner):
                struck = STRUCK if self._styles.strikes(inner) else ""
                parts.append(struck)
                self._write(inner, parts)
                parts.append(struck)
            parts.append(inner.tail or "")


def _struck(text: str) -> str:
    return f"{STRUCK}{text.replace(STRUCK, '')}{STRUCK}"


def _describes(item: Element) -> bool:
    """Whether an element is the title or description of a picture, and not a field with the document's title."""
    return local(item) in {"title", "desc"} and "svg" in item.tag


def _chart(root: Element) -> str:
    """Return the titles and the values of a chart; empty if the object is none."""
    if child(root, "body", "chart") is None:
        return ""
    lines = ["".join(item.itertext()).strip() for item in descendants(root, "title", "subtitle") if "chart" in item.tag]
    for row in (row for table in descendants(root, "table") for row in _rows(table)):
        cells = ["".join(cell.itertext()).strip() for cell in row if local(cell) in _CELLS]
        lines.append(" | ".join(cells).rstrip(" |"))
    return "\n".join(filter(None, lines))


def _taken_off(table: Element) -> list[Element]:
    """Take the drawings and comments off the cells of a sheet, with the places of the comments, and return them."""
    shapes = child(table, "shapes")
    taken = list(shapes) if shapes is not None else []
    names = {tag.rpartition("}")[2] for tag in {item.tag for item in table.iter()}}
    if names.isdisjoint({*_SHAPES, "annotation"}):
        return taken
    line = 1
    for row in _rows(table):
        column = 1
        for cell in row:
            for item in [item for item in cell if local(item) in _SHAPES or local(item) == "annotation"]:
                cell.remove(item)
                item.set(_PLACE, f"on {cell_name(line, column)}")
                taken.append(item)
            column += number(cell, "number-columns-repeated", 1)
        line += number(row, "number-rows-repeated", 1)
    return taken


def _rows(table: Element) -> Iterator[Element]:
    """Yield the rows of a table, those in groups and headers too."""
    for item in table:
        name = local(item)
        if name == "table-row":
            yield item
        elif name in {"table-header-rows", "table-row-group", "table-rows"}:
            yield from _rows(item)


def _repeated(item: Element, what: str) -> int:
    return min(number(item, f"number-{what}-repeated", 1), _MOST_REPEATS)
