"""Reads Rich Text Format: text with headings, numbers of lists, tables, notes, text boxes, page headers and footers."""

# ruff: noqa: RUF001  # signs of print

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from orbit.documents.formats.encoding import known
from orbit.documents.formats.list_labels import BULLET, STRUCK
from orbit.documents.formats.outline import Outline, of_margins
from orbit.documents.formats.titles import picture_text, real_title
from orbit.documents.sections import Content, UnreadableError

_TOKEN = re.compile(
    rb"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})? ?|\\'(?P<byte>[0-9a-fA-F]{2})|\\(?P<sign>[^a-zA-Z])"
    rb"|(?P<brace>[{}])|(?P<text>[^\\{}\r\n]+)",
    re.DOTALL,
)
_SILENT = frozenset(
    """
    fonttbl colortbl stylesheet info pict object fldinst listtable listoverridetable atnid atntime
    atndate atnref atnparent shprslt nonshppict bkmkstart bkmkend xe tc txe datafield template themedata datastore
    filetbl revtbl rsidtbl pn ftnsep ftnsepc aftnsep aftnsepc formfield do
    """.split()  # noqa: SIM905  # a list would take a line for each
)
"""Groups whose content is not text of the document."""
_STARRED = frozenset(("annotation", "atnauthor", "footnote", "shpinst", "shptxt", "ud", "background"))
"""Groups that may be marked as unknown to old programs, and have text all the same."""
_CHARACTERS = {
    "tab": "\t",
    "line": "\n",
    "emdash": "—",
    "endash": "–",
    "bullet": "•",
    "emspace": " ",
    "enspace": " ",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "qmspace": " ",
    "~": " ",
    "_": "-",
}
_ENCODINGS = {
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    134: "gb18030",
    136: "big5",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
}
"""Encodings of fonts, by their number for Windows."""
_PROGRAMS = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_BODY_TEXT = 9
"""The outline level that means no heading."""
_DEEPEST = 2_000


class _Group(msgspec.Struct):
    """What holds until a closing brace."""

    silent: bool = False
    place: str = ""
    """Where the text goes: "" is the document."""
    skip: int = 1
    """Characters after one of Unicode, for programs that do not know it."""
    encoding: str = ""
    hidden: bool = False
    struck: bool = False


def read_rtf(content: bytes) -> Content:
    """Read a document, of pictures what their descriptions say."""
    if not content.lstrip().startswith(b"{\\rtf"):
        raise UnreadableError("is not a readable RTF document: it does not begin with {\\rtf")
    return _Document().read(content)


class _Document:
    """One document while it is read."""

    def __init__(self) -> None:
        self._outline = Outline()
        self._encoding = "cp1252"
        self._fonts: dict[int, str] = {}
        self._styles: dict[int, str] = {}
        self._group = _Group()
        self._groups: list[_Group] = []
        self._table = ""
        self._name: list[str] = []
        self._number = 0
        self._star = False
        self._skipping = 0
        self._bytes = bytearray()
        self._parts: dict[str, list[str]] = {"": []}
        self._notes: list[str] = []
        self._noted = 0
        self._boxes: list[str] = []
        self._property = self._author = ""
        self._margins: dict[str, list[str]] = {"header": [], "footer": []}
        self._level: int | None = None
        self._style = 0
        self._in_table = False
        self._row: list[str] = []
        self._merged: set[int] = set()
        self._columns = 0
        self._rows: list[list[str]] = []
        self._below: list[str] = []
        self._actions: dict[str, Callable[[int | None], None]] = {
            **dict.fromkeys(("par", "sect", "page"), self._end_paragraph),
            **dict.fromkeys(("cell", "nestcell"), self._end_cell),
            "row": self._end_row,
            "trowd": self._begin_row,
            "cellx": self._count_column,
            "clvmrg": self._merge_column,
            "pard": self._reset_paragraph,
            "plain": self._reset_characters,
            "s": self._set_style,
            "outlinelevel": self._set_level,
            "intbl": self._set_in_table,
            **dict.fromkeys(("deleted", "v"), self._set_hidden),
            **dict.fromkeys(("strike", "striked"), self._set_struck),
            "f": self._set_font,
            "uc": self._set_skip,
            "ansicpg": self._set_encoding,
        }

    def read(self, content: bytes) -> Content:
        position = 0
        while (token := _TOKEN.search(content, position)) is not None:
            position = token.end()
            kind, value = token.lastgroup, token.group()
            if token["word"] is not None:
                word, number = token["word"].decode("ascii"), int(token["number"]) if token["number"] else None
                if word == "bin":
                    position += max(number or 0, 0)
                else:
                    self._take_word(word, number)
            elif kind == "brace":
                self._open() if value == b"{" else self._close()
            elif kind == "byte":
                self._add_bytes(bytes([int(token["byte"], 16)]))
            elif kind == "sign":
                self._take_sign(token["sign"])
            else:
                self._add_bytes(value)
        self._end_paragraph()
        self._end_table()
        return self._content()

    def _content(self) -> Content:
        body, self._outline = self._outline, Outline()
        for text in of_margins(self._margins["header"]):
            self._outline.text(text)
        before = self._outline.content().sections
        for text in of_margins(self._margins["footer"]):
            body.flush()
            body.text(text)
        found = body.content()
        return msgspec.structs.replace(found, sections=(*before, *found.sections))

    def _open(self) -> None:
        self._flush()
        if len(self._groups) >= _DEEPEST:
            raise UnreadableError("is nested too deeply")
        self._groups.append(self._group)
        self._group = msgspec.structs.replace(self._group)
        self._star = False

    def _close(self) -> None:
        self._flush()
        ended, self._group = self._group, self._groups.pop() if self._groups else _Group()
        if ended.place != self._group.place:
            self._end_place(ended.place)
        if not self._groups or (self._table and not self._group.silent):
            self._table = ""

    def _end_place(self, place: str) -> None:
        text = "".join(self._parts.pop(place, [])).replace(STRUCK * 2, "").strip()
        if place == "list":
            label = text if any(map(str.isalnum, text)) else BULLET
            self._parts.setdefault(self._group.place, []).append(f"{label} ")
        elif place == "footnote" and text:
            self._notes.append(f"[{self._noted}] {text}")
        elif place == "author":
            self._author = text
        elif place == "comment" and text:
            self._notes.append(f"Comment by {self._author or 'a reader'}: {text}")
        elif place == "box" and text:
            self._boxes.append(text)
        elif place == "property":
            self._property = text
        elif place == "value" and self._property == "wzDescription" and (shown := picture_text(text)):
            boxed = self._group.place == "shape"
            (self._boxes if boxed else self._parts.setdefault(self._group.place, [])).append(f" {shown} ")
        elif place in self._margins:
            self._margins[place].append(text)
        elif place == "title" and text:
            self._outline.title = self._outline.title or real_title(text)

    def _take_word(self, word: str, number: int | None) -> None:
        star, self._star = self._star, False
        if word == "u" and number is not None:
            self._flush()
            self._add(chr(number % 0x10000))
            self._skipping = self._group.skip
            return
        self._flush()
        self._skipping = 0
        if word in _SILENT or (star and word not in _STARRED):
            self._group.silent = True
            self._table = word if word in {"fonttbl", "stylesheet"} else self._table
        elif self._table:
            self._take_table_word(word, number)
        elif (action := self._actions.get(word)) is not None:
            action(number)
        elif word in _CHARACTERS:
            self._add(_CHARACTERS[word])
        elif word in _PROGRAMS:
            self._encoding = _PROGRAMS[word]
        elif word in _PLACES:
            self._go(_PLACES[word])

    def _take_table_word(self, word: str, number: int | None) -> None:
        """Learn of fonts and styles."""
        if word == ("f" if self._table == "fonttbl" else "s"):
            self._number = number or 0
        elif word == "fcharset" and number in _ENCODINGS:
            self._fonts[self._number] = _ENCODINGS[number]
        elif word == "cpg" and (encoding := known(f"cp{number}")):
            self._fonts[self._number] = encoding

    def _take_sign(self, sign: bytes) -> None:
        if sign == b"*":
            self._star = True
        elif sign in b"\r\n":
            self._end_paragraph()
        elif sign in b"{}\\":
            self._add_bytes(sign)
        else:
            self._flush()
            self._add(_CHARACTERS.get(sign.decode("latin-1"), ""))

    def _go(self, place: str) -> None:
        self._flush()
        if place == "footnote":
            self._noted += 1
            self._add(f" [{self._noted}]")
        self._group.place, self._group.silent = place, False
        self._parts[place] = []

    def _add_bytes(self, some: bytes) -> None:
        if self._skipping:
            skipped = min(self._skipping, len(some))
            self._skipping -= skipped
            some = some[skipped:]
        self._bytes += some

    def _flush(self) -> None:
        """Decode the bytes so far: a character may take several."""
        if self._bytes:
            text, self._bytes = bytes(self._bytes), bytearray()
            if self._table == "stylesheet":
                self._styles[self._number] = text.decode("latin-1").split(";")[0].strip()
            else:
                self._add(text.decode(self._group.encoding or self._encoding, "replace"))

    def _add(self, text: str) -> None:
        if not (self._group.silent or self._group.hidden or self._table):
            shown = f"{STRUCK}{text}{STRUCK}" if self._group.struck and text.strip() else text
            self._parts.setdefault(self._group.place, []).append(shown)

    def _taken(self) -> str:
        """Return the text of the paragraph at work, and begin another."""
        self._flush()
        text, self._parts[""] = "".join(self._parts[""]).replace(STRUCK * 2, ""), []
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()

    def _end_paragraph(self, _number: int | None = None) -> None:
        self._flush()
        if self._group.silent:
            return
        if self._group.place:
            self._add("\n")
        elif self._in_table:
            self._parts[""].append("\n")
        else:
            self._end_table()
            self._write(self._taken())

    def _write(self, text: str) -> None:
        name = self._styles.get(self._style, "")
        heading = _HEADING.match(name)
        level = self._level if self._level is not None else int(heading[1]) - 1 if heading else _BODY_TEXT
        title = " ".join(text.split())
        if title and name.lower() == "title" and self._outline.title in {"", title}:
            self._outline.flush()
            self._outline.title = title
        elif level < _BODY_TEXT:
            self._outline.heading(level + 1, text.removeprefix(f"{BULLET} "))
        else:
            self._outline.text(text)
        for note in self._taken_notes():
            self._outline.text(note)

    def _taken_notes(self) -> list[str]:
        notes, self._notes, self._boxes = [*self._notes, *self._boxes], [], []
        return notes

    def _end_cell(self, _number: int | None) -> None:
        if not self._group.place and not self._group.silent:
            self._row.append(self._taken())

    def _begin_row(self, _number: int | None) -> None:
        self._merged, self._columns = set(), 0

    def _count_column(self, _number: int | None) -> None:
        self._columns += 1

    def _merge_column(self, _number: int | None) -> None:
        self._merged.add(self._columns)

    def _end_row(self, _number: int | None) -> None:
        if self._row:
            for column in self._merged:  # one cell for this row and that above
                if self._rows and column < min(len(self._row), len(self._rows[-1])):
                    self._row[column] = self._row[column] or self._rows[-1][column]
            self._rows.append(self._row)
            self._below += self._taken_notes()
        self._row = []

    def _end_table(self) -> None:
        self._end_row(None)
        rows, self._rows, self._merged = self._rows, [], set()
        if rows:
            self._outline.table(rows)
        notes, self._below = self._below, []
        for note in notes:
            self._outline.text(note)

    def _reset_paragraph(self, _number: int | None) -> None:
        if not self._group.place:
            self._level, self._style, self._in_table = None, 0, False

    def _reset_characters(self, _number: int | None) -> None:
        self._group.hidden = self._group.struck = False
        self._group.encoding = ""

    def _set_style(self, number: int | None) -> None:
        if not self._group.place:
            self._style = number or 0

    def _set_level(self, number: int | None) -> None:
        if not self._group.place:
            self._level = number

    def _set_in_table(self, _number: int | None) -> None:
        self._in_table = self._in_table or not self._group.place

    def _set_hidden(self, number: int | None) -> None:
        self._group.hidden = number != 0

    def _set_struck(self, number: int | None) -> None:
        self._group.struck = number != 0

    def _set_font(self, number: int | None) -> None:
        self._group.encoding = self._fonts.get(number or 0, "")

    def _set_skip(self, number: int | None) -> None:
        self._group.skip = min(max(number or 0, 0), 10)

    def _set_encoding(self, number: int | None) -> None:
        self._encoding = known(f"cp{number}") or self._encoding


_PLACES = {
    "footnote": "footnote",
    "annotation": "comment",
    "atnauthor": "author",
    "listtext": "list",
    "pntext": "list",
    "shptxt": "box",
    "sn": "property",
    "sv": "value",
    "title": "title",
    "shpinst": "shape",
    "upr": "shape",
    "ud": "",
    **dict.fromkeys(("header", "headerf", "headerl", "headerr"), "header"),
    **dict.fromkeys(("footer", "footerf", "footerl", "footerr"), "footer"),
}
