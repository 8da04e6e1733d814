"""Reads presentations: each slide with its title, texts, tables and notes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orbit.documents.formats.office.drawing import described, linked_texts, text_of
from orbit.documents.formats.office.package import Element, Package, attribute, child, descendants, local
from orbit.documents.formats.outline import Outline
from orbit.documents.sections import Content

_TITLES = frozenset(("title", "ctrTitle"))
_REPEATED = frozenset(("sldNum", "dt", "ftr", "hdr", "sldImg"))
_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_SLIDE = re.compile(r"ppt/slides/slide\d+\.xml")
_NUMBER = re.compile(r"(\d+)\.xml$")


def read_pptx(content: bytes) -> Content:
    """Read all slides in order, hidden ones too. ``slide`` in the metadata counts from 1."""
    with Package(content, "presentation") as package:
        outline = Outline()
        for number, slide in enumerate(_slides(package), start=1):
            outline.metadata = {"slide": number}
            _read_slide(package, slide, outline)
            outline.flush()
        return outline.content()


def _slides(package: Package) -> list[str]:
    main = "ppt/presentation.xml"
    links = package.relations(main)
    ids = [item.get(_ID, "") for item in descendants(package.required(main), "sldId")]
    listed = dict.fromkeys(links[name].target for name in ids if name in links)
    return list(listed) or sorted((name for name in package.names if _SLIDE.fullmatch(name)), key=_number)


def _number(name: str) -> int:
    found = _NUMBER.search(name)
    return int(found[1]) if found else 0


def _read_slide(package: Package, name: str, outline: Outline) -> None:
    shapes = list(_shapes(package.xml(name)))
    title = next((text for shape in shapes if _kind(shape) in _TITLES and (text := text_of(shape))), "")
    outline.heading(1, title or f"Slide {outline.metadata['slide']}", names=bool(title))
    for shape in shapes:
        if _kind(shape) in _TITLES and text_of(shape) == title:
            continue
        if (table := next(descendants(shape, "tbl"), None)) is not None:
            outline.table(_rows(table))
        elif _kind(shape) not in _REPEATED:
            outline.text(text_of(shape) or described(shape))
    for text in linked_texts(package, name):
        outline.text(text)
    _read_remarks(package, name, outline)


def _rows(table: Element) -> list[list[str]]:
    """Return the cells of a table. One that stands for several rows is in each."""
    rows: list[list[str]] = []
    for row in descendants(table, "tr"):
        cells = [text_of(cell) for cell in descendants(row, "tc")]
        for column, cell in enumerate(descendants(row, "tc")):
            if attribute(cell, "vMerge") in {"1", "true"} and rows and column < len(rows[-1]):
                cells[column] = rows[-1][column]
        rows.append(cells)
    return rows


def _read_remarks(package: Package, name: str, outline: Outline) -> None:
    """Add the speaker's notes and the comments of a slide."""
    for link in package.linked(name):
        if link.kind == "notesSlide":
            notes = [text_of(shape) for shape in _shapes(package.xml(link.target)) if _kind(shape) not in _REPEATED]
            if text := "\n".join(filter(None, notes)):
                outline.text(f"Notes: {text}")
        elif link.kind == "comments":
            for comment in descendants(package.xml(link.target), "cm", "reply"):
                text = text_of(body) if (body := child(comment, "txBody")) is not None else _plain(comment)
                outline.text(f"Comment: {text}" if text else "")


def _shapes(root: Element) -> Iterator[Element]:
    """Yield shapes, tables and pictures, those in groups too, in the order of the slide."""
    for item in root:
        name = local(item)
        if name in {"sp", "graphicFrame", "pic"}:
            yield item
        elif name == "AlternateContent":
            chosen = child(item, "Choice")
            yield from _shapes(chosen if chosen is not None else item)
        else:
            yield from _shapes(item)


def _plain(comment: Element) -> str:
    text = child(comment, "text")
    return (text.text or "").strip() if text is not None else ""


def _kind(shape: Element) -> str:
    """Return the kind of a placeholder, such as title; empty for any other shape."""
    return attribute(next(descendants(shape, "ph"), None), "type")
