"""Reads EPUB books: the chapters in order, each read as HTML."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

import msgspec

from orbit.documents.formats.html.reader import read_html
from orbit.documents.formats.office.package import Package, attribute, descendants
from orbit.documents.formats.titles import real_title
from orbit.documents.sections import Content, Section, UnreadableError

_PAGE = "application/xhtml+xml"


def read_epub(content: bytes) -> Content:
    """Read the chapters of a book that is not encrypted. A chapter that cannot be read is named in a warning."""
    with Package(content, "EPUB book") as package:
        container = package.required("META-INF/container.xml")
        main = attribute(next(descendants(container, "rootfile"), None), "full-path")
        book = package.required(main)
        folder = posixpath.dirname(main)
        files = {name.lower(): name for name in package.names}
        items: dict[str, str] = {}
        beside: list[str] = []
        for item in descendants(book, "item"):
            name = posixpath.normpath(posixpath.join(folder, unquote(item.get("href", ""))))
            items[item.get("id", "")] = name = name if name in package.names else files.get(name.lower(), name)
            if item.get("media-type") == _PAGE and "nav" not in item.get("properties", "").split():
                beside.append(name)  # notes that the text only refers to
        title = next((real_title(item.text) for item in descendants(book, "title") if item.text), "")
        sections: list[Section] = []
        warnings: list[str] = []
        places = (items.get(place.get("idref", ""), "") for place in descendants(book, "itemref"))
        for name in dict.fromkeys((*places, *beside)):  # a book lists a chapter once
            if not (page := package.read(name)):
                continue
            try:
                chapter = read_html(page)
            except UnreadableError as error:
                warnings.append(f"The chapter {posixpath.basename(name)} {error}.")
                continue
            warnings += chapter.warnings
            sections += [_below(section, chapter.title, title) for section in chapter.sections]
    return Content(tuple(sections), title, tuple(warnings))


def _below(section: Section, chapter: str, book: str) -> Section:
    """Return a section with its chapter above it."""
    if not chapter or chapter == book or chapter in section.path[:1] or section.text == chapter:
        return section
    return msgspec.structs.replace(section, path=(chapter, *section.path))
