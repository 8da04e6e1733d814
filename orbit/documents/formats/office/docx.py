"""Reads Word documents: headings, automatic numbers, tables, notes, comments, text boxes, page headers and footers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import msgspec

from orbit.documents.formats.html.reader import read_html
from orbit.documents.formats.list_labels import BULLET, STRUCK, formatted
from orbit.documents.formats.mail import read_mht
from orbit.documents.formats.office.drawing import linked_texts
from orbit.documents.formats.office.numbering import Numbering
from orbit.documents.formats.office.package import Element, Package, attribute, child, descendants, is_on, local, number
from orbit.documents.formats.office.rtf import read_rtf
from orbit.documents.formats.outline import Outline, of_margins
from orbit.documents.formats.table_header import names_groups
from orbit.documents.formats.titles import picture_text
from orbit.documents.sections import Content, Section

_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_WRAPPERS = frozenset(("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo", "hyperlink", "fldSimple", "dir"))
_GONE = frozenset(("del", "moveFrom", "instrText", "delText", "rt", "pPr", "rPr", "sdtPr"))
_PICTURES = frozenset(("inline", "anchor", "shape"))
"""Frames of pictures in the line and beside it, and those of older programs."""
_SIGNS = {"FE": "☑", "FD": "☒", "FC": "✓", "FB": "✗", "A8": "☐", "6F": "☐", "E0": "→", "DF": "←"}
"""Signs of the font Wingdings that say something."""
_BREAKS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_BODY_TEXT = 9
"""The outline level that means no heading."""
_DEEPEST_STYLE = 20
_MOST_SPANNED = 100
"""Columns that a cell may stand for."""
_HIDDEN = "vanish"
_LOOKS = frozenset(("strike", "dstrike", _HIDDEN))
"""How text looks that does not hold, or is not shown."""
Look = frozenset[str]
_NO_LOOK: Look = frozenset()


class _Style(msgspec.Struct, frozen=True):
    name: str
    based_on: str
    outline: int | None
    number: str
    depth: int | None
    look: dict[str, bool]


def read_docx(content: bytes) -> Content:
    """Read a document. The title is the paragraph in the style Title, or the first heading."""
    with Package(content, "Word document") as package:
        return _Document(package, package.main("word/document.xml")).read()


class _Document:
    """One document while it is read."""

    def __init__(self, package: Package, main: str) -> None:
        self._package = package
        self._main = main
        self._body = package.required(main)
        self._links = package.relations(main)
        self._styles = {attribute(item, "styleId"): _style(item) for item in descendants(self._part("styles"), "style")}
        lists = {name: style.number for name, style in self._styles.items() if style.number}
        language = attribute(next(descendants(self._part("styles"), "lang"), None), "val", "en")
        self._numbering = Numbering(self._part("numbering"), lists, in_english=language.startswith("en"))
        self._notes = {
            kind: {attribute(note, "id"): note for note in descendants(self._part(f"{kind}s"), kind)}
            for kind in ("footnote", "endnote", "comment")
        }
        self._noted: list[str] = []
        self._counted = {"footnote": 0, "endnote": 0}
        self._boxes: list[Element] = []
        self._joined = ""
        self._looks = {name: look for name in self._styles if (look := self._look_of(name))}
        self._paragraph_look: Look = frozenset()
        self._outline = Outline()
        self._titled = False

    def read(self) -> Content:
        for text in of_margins(self._margins("header")):
            self._outline.text(text)
        self._outline.flush()
        self._blocks(child(self._body, "body"))
        self._outline.text(self._joined)
        self._outline.flush()
        for text in of_margins(self._margins("footer")):
            self._outline.text(text)
        for text in linked_texts(self._package, self._main):
            self._outline.text(text)
        self._outline.keep_title()
        return self._outline.content()

    def _part(self, kind: str) -> Element:
        target = next((link.target for link in self._links.values() if link.kind == kind), f"word/{kind}.xml")
        return self._package.xml(target)

    def _margins(self, kind: str) -> Iterator[str]:
        """Yield the texts of all page headers or footers."""
        for link in dict.fromkeys(self._links.values()):
            if link.kind == kind:
                root = self._package.xml(link.target)
                yield "\n".join(filter(None, (" ".join(self._text(p).split()) for p in self._paragraphs(root))))

    def _paragraphs(self, parent: Element) -> Iterator[Element]:
        """Yield all paragraphs, those of tables and text boxes too."""
        for item in _visible(parent):
            if local(item) == "p":
                yield item
                boxes, self._boxes = self._boxes, []
                yield from (paragraph for box in boxes for paragraph in self._paragraphs(box))
            else:
                yield from self._paragraphs(item)

    def _blocks(self, parent: Element | None) -> None:
        for item in _visible(parent):
            name = local(item)
            if name == "p":
                self._paragraph(item)
            elif name == "tbl":
                self._table(item)
            elif name in _WRAPPERS:
                self._blocks(item)
            elif name == "altChunk":
                self._outline.flush()
                for section in self._inserted(attribute(item, "id")):
                    self._outline.add(section)

    def _inserted(self, name: str) -> tuple[Section, ...]:
        """Return the text of a whole file that another program has put into the document."""
        link = self._links.pop(name, None)  # each once, like a note
        read = _INSERTED.get(PurePosixPath(link.target).suffix.lower()) if link is not None else None
        if link is None or read is None:
            return ()
        content = self._package.read(link.target)
        return read(content).sections if content.strip() else ()

    def _paragraph(self, item: Element) -> None:
        text = self._joined + self._text(item)
        if _is_gone(mark := child(item, "pPr", "rPr")):  # the text goes on in the next paragraph
            self._joined = text
            return
        self._joined, text = "", text.strip()
        style = attribute(child(item, "pPr", "pStyle"), "val")
        if text:
            if self._chain_name(style) == "title" and not self._titled:
                self._outline.flush()
                self._titled = True
                self._outline.title = " ".join(text.split())
            else:
                label, depth = self._number(item, style)
                numbered = f"{label} {text}" if label else text
                level = self._level(item, style)
                if level is not None:
                    self._outline.heading(level + 1, text if label == BULLET else numbered)
                else:
                    self._outline.text("  " * depth + numbered if label else numbered)
        elif not is_on(mark, "vanish"):
            self._number(item, style)  # which counts, although nothing stands beside it
        noted, self._noted = self._noted, []
        for note in noted:
            self._outline.text(note)
        boxes, self._boxes = self._boxes, []
        for box in boxes:
            self._blocks(box)

    def _table(self, table: Element) -> None:
        rows: list[list[str]] = []
        groups: list[tuple[int, int]] = []
        headers = 0
        for row in _unwrapped(table, "tr"):
            cells = [""] * min(number(child(row, "trPr", "gridBefore"), "val", 0), _MOST_SPANNED)
            for cell in _unwrapped(row, "tc"):
                merged = child(cell, "tcPr", "vMerge")
                continued = merged is not None and attribute(merged, "val", "continue") == "continue"
                if continued and rows and len(cells) < len(rows[-1]):
                    text = rows[-1][len(cells)]
                else:
                    text = " ".join(filter(None, map(self._numbered, self._paragraphs(cell))))
                span = min(number(child(cell, "tcPr", "gridSpan"), "val", 1), _MOST_SPANNED)
                if span > 1 and not rows:
                    groups.append((len(cells), len(cells) + span - 1))
                cells += [text, *[""] * (span - 1)]
            if child(row, "trPr", "tblHeader") is not None and headers == len(rows):
                headers += 1
            rows.append(cells)
        if max(map(len, rows), default=0) == 1:  # a frame around text
            for text in (row[0] for row in rows if row):
                self._outline.text(text)
        else:
            if headers < 2 < len(rows) and names_groups(rows[0], rows[1], groups):  # noqa: PLR2004  # below the groups
                headers = 2
            self._outline.table(rows, max(headers, 1) if headers < len(rows) else 1)
        noted, self._noted = self._noted, []
        for note in noted:
            self._outline.text(note)

    def _numbered(self, item: Element) -> str:
        """Return the line of a paragraph in a table, with its number: a column may have nothing else."""
        text, mark = self._text(item).strip(), child(item, "pPr", "rPr")
        if not text and (_is_gone(mark) or is_on(mark, "vanish")):
            return ""
        label, _ = self._number(item, attribute(child(item, "pPr", "pStyle"), "val"))
        return text if label == BULLET else f"{label} {text}".strip()

    def _text(self, item: Element) -> str:
        """Return a paragraph's text. Keep its notes and text boxes for later."""
        parts: list[str] = []
        around = self._paragraph_look
        self._paragraph_look = self._looks.get(attribute(child(item, "pPr", "pStyle"), "val"), _NO_LOOK)
        self._write(item, parts)
        self._paragraph_look = around
        return "".join(parts).replace(STRUCK * 2, "")

    def _write(self, parent: Element, parts: list[str]) -> None:
        for item in _visible(parent):
            name = local(item)
            if (sign := _sign(item, name)) is not None:
                parts.append(sign)
            elif name == "r" and (look := self._run_look(item)):
                if _HIDDEN not in look:
                    parts.append(STRUCK)
                    self._write(item, parts)
                    parts.append(STRUCK)
            elif name == "txbxContent":
                self._boxes.append(item)
            elif name in _PICTURES and (text := picture_text(_described(item))):
                parts.append(f" {text} " if name == "inline" else f"\n{text}\n")
                self._write(item, parts)
            elif name in {"footnoteReference", "endnoteReference", "commentReference"}:
                self._note(name.removesuffix("Reference"), attribute(item, "id"), parts)
            else:
                self._write(item, parts)

    def _note(self, kind: str, name: str, parts: list[str]) -> None:
        note = self._notes[kind].pop(name, None)  # each once; a note that refers to itself does not go on for ever
        if note is not None and (text := " ".join(self._text(p).strip() for p in self._paragraphs(note)).strip()):
            if kind == "comment":
                self._noted.append(f"Comment by {attribute(note, 'author') or 'a reader'}: {text}")
                return
            self._counted[kind] += 1
            label = formatted(self._counted[kind], "decimal" if kind == "footnote" else "lowerRoman")
            parts.append(f" [{label}]")
            self._noted.append(f"[{label}] {text}")

    def _look_of(self, name: str) -> Look:
        """Return how a style looks: by itself, or by those that it is based on."""
        look: dict[str, bool] = {}
        for _, style in self._chain(name):
            look = {**style.look, **look}
        return frozenset(name for name, on in look.items() if on)

    def _run_look(self, run: Element) -> Look:
        """Return which of ``_LOOKS`` a run has, of its own, by its style or by that of its paragraph."""
        own = _look(run)
        if own is None:
            return self._paragraph_look
        look = self._paragraph_look
        if self._looks:
            look |= self._looks.get(attribute(child(own, "rStyle"), "val"), _NO_LOOK)
        for item in own:
            if (name := local(item)) in _LOOKS:
                look = look | {name} if is_on(own, name) else look - {name}
        return look

    def _chain(self, name: str) -> Iterator[tuple[str, _Style]]:
        """Yield a style and those that it is based on."""
        for _ in range(_DEEPEST_STYLE):
            style = self._styles.get(name)
            if style is None:
                return
            yield name, style
            name = style.based_on

    def _chain_name(self, style: str) -> str:
        found = self._styles.get(style)
        return (found.name if found else style).lower()

    def _level(self, item: Element, style: str) -> int | None:
        """Return a heading's outline level from 0; None if the paragraph is no heading."""
        level = number(child(item, "pPr", "outlineLvl"), "val", None)
        for _, found in self._chain(style):
            if level is None:
                named = _HEADING.fullmatch(found.name)
                level = found.outline if found.outline is not None else int(named[1]) - 1 if named else None
        return level if level is not None and level < _BODY_TEXT else None

    def _number(self, item: Element, style: str) -> tuple[str, int]:
        """Return the number that Word shows before a paragraph, and its level from 0."""
        own = child(item, "pPr", "numPr")
        name = attribute(child(own, "numId"), "val")
        depth = number(child(own, "ilvl"), "val", None)
        for style_id, found in self._chain(style):
            if name:
                break
            if found.number:
                name = found.number
                if depth is None:
                    depth = found.depth
                if depth is None:
                    depth = self._numbering.level_of_style(name, style_id)
        at = depth or 0
        return self._numbering.count(name, at) if name else "", at


def _sign(item: Element, name: str) -> str | None:
    """Return the text of an element that has no text within it; None for any other."""
    if name == "t":
        return item.text or ""
    if name == "sym":
        return _SIGNS.get(attribute(item, "char").upper()[-2:], "")
    if name == "ffData":
        return _form_value(item)
    if name == "textpath":
        return f"\n{attribute(item, 'string')}\n"
    return _BREAKS.get(name)


def _described(item: Element) -> str:
    """Return the description of a picture's frame."""
    return attribute(child(item, "docPr"), "descr") or attribute(item, "alt")


def _look(run: Element) -> Element | None:
    """Return how a run looks, which is said first in it."""
    return run[0] if len(run) and local(run[0]) == "rPr" else None


def _is_gone(mark: Element | None) -> bool:
    """Whether the end of a paragraph is deleted."""
    return child(mark, "del") is not None or child(mark, "moveFrom") is not None


def _form_value(field: Element) -> str:
    """Return what a field of an old form shows, unless that is text of the document."""
    if (box := child(field, "checkBox")) is not None:
        return "☒" if is_on(box, "checked" if child(box, "checked") is not None else "default") else "☐"
    choices = [attribute(item, "val") for item in descendants(field, "listEntry")]
    chosen = number(child(field, "ddList", "result"), "val", 0)
    return choices[chosen] if chosen < len(choices) else ""


def _style(item: Element) -> _Style:
    look = child(item, "rPr")
    return _Style(
        attribute(child(item, "name"), "val"),
        attribute(child(item, "basedOn"), "val"),
        number(child(item, "pPr", "outlineLvl"), "val", None),
        attribute(child(item, "pPr", "numPr", "numId"), "val"),
        number(child(item, "pPr", "numPr", "ilvl"), "val", None),
        {local(one): is_on(look, local(one)) for one in (look if look is not None else ()) if local(one) in _LOOKS},
    )


def _visible(parent: Element | None) -> Iterator[Element]:
    """Yield children without deleted and hidden text, and of alternatives for several versions of Word the first."""
    for item in parent if parent is not None else ():
        name = local(item)
        if name == "AlternateContent":
            chosen = child(item, "Choice")
            yield from _visible(chosen if chosen is not None else child(item, "Fallback"))
        elif name not in _GONE and not (name == "r" and (look := _look(item)) is not None and is_on(look, "vanish")):
            yield item


def _unwrapped(parent: Element, name: str) -> Iterator[Element]:
    """Yield the rows of a table or the cells of a row, those in wrappers too."""
    for item in _visible(parent):
        if local(item) == name:
            yield item
        elif local(item) in _WRAPPERS:
            yield from _unwrapped(item, name)


_INSERTED: dict[str, Callable[[bytes], Content]] = {
    **dict.fromkeys((".htm", ".html", ".xhtml"), read_html),
    **dict.fromkeys((".mht", ".mhtml"), read_mht),
    ".docx": read_docx,
    ".rtf": read_rtf,
}
