"""Zip archives of XML files, as Office, OpenDocument and EPUB use them."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from typing import Self, TypeVar
from urllib.parse import unquote
from xml.etree import ElementTree as ET  # expat limits entities; the process limits time and memory

import msgspec

from orbit.documents.sections import UnreadableError

MOST_XML = 50_000_000
"""Limit of a document's unpacked XML, in bytes: a small file can unpack to more than the memory holds."""
_READ_AGAIN = 3
"""A document may read all its parts so often, and a few more bytes: its parts can name each other without end."""
_ALLOWANCE = 10_000_000

Element = ET.Element
D = TypeVar("D")

_OLE = b"\xd0\xcf\x11\xe0"
_RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_BROKEN = (
    zipfile.BadZipFile,
    ET.ParseError,
    KeyError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


class Relation(msgspec.Struct, frozen=True):
    """A link from one part of a package to another. ``kind`` is the last word of its type."""

    kind: str
    target: str


class Package:
    """An open archive. ``kind`` names the format in messages, such as "Word document"."""

    def __init__(self, content: bytes, kind: str, most: int = MOST_XML) -> None:
        self.kind = kind
        if content.startswith(_OLE):
            raise UnreadableError(
                f"is encrypted or in the format of an old Office; save it as a new {kind}, without a password"
            )
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
            members = self._zip.infolist()
        except _BROKEN as error:
            raise self.unreadable(error) from error
        if any(member.flag_bits & 1 for member in members):
            raise UnreadableError("is encrypted; save it without a password")
        unpacked = sum(member.file_size for member in members)
        if unpacked > most + len(content):
            raise UnreadableError(f"unpacks to {unpacked} bytes, which is too much to read")
        self.names = frozenset(self._zip.namelist())
        self._left = _READ_AGAIN * unpacked + _ALLOWANCE

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def unreadable(self, error: Exception) -> UnreadableError:
        """Return the error for a broken archive."""
        return UnreadableError(f"is not a readable {self.kind}: {str(error) or type(error).__name__}")

    def read(self, name: str) -> bytes:
        """Return a part; empty if there is none. Raises UnreadableError if it is broken."""
        if name not in self.names:
            return b""
        try:
            content = self._zip.read(name)
        except _BROKEN as error:
            raise self.unreadable(error) from error
        self._left -= len(content)
        if self._left < 0:
            raise UnreadableError("refers to its own parts so often that it has no end")
        return content

    def xml(self, name: str) -> Element:
        """Return the root of a part; an empty element if there is none. Raises UnreadableError if it is broken."""
        if not (content := self.read(name)):
            return Element("none")
        try:
            return ET.fromstring(content)  # noqa: S314  # see the import
        except _BROKEN as error:
            raise self.unreadable(error) from error

    def required(self, name: str) -> Element:
        """Return the root of a part without which there is no document."""
        if name not in self.names:
            raise UnreadableError(f"is not a readable {self.kind}: it has no {name}")
        return self.xml(name)

    def main(self, default: str) -> str:
        """Return the name of the part that an Office document begins with."""
        links = self.relations("").values()
        return next((link.target for link in links if link.kind == "officeDocument"), default)

    def linked(self, name: str) -> list[Relation]:
        """Return the parts that a part refers to, each once."""
        return list(dict.fromkeys(self.relations(name).values()))

    def relations(self, name: str) -> dict[str, Relation]:
        """Return the links of a part by id, with targets as names in the archive."""
        folder, file = posixpath.split(name)
        links = self.xml(posixpath.join(folder, "_rels", f"{file}.rels")).iter(_RELATION)
        found = {}
        for link in links:
            if link.get("TargetMode") != "External":
                target = _resolved(folder, link.get("Target", ""))
                found[link.get("Id", "")] = Relation(link.get("Type", "").rpartition("/")[2], target)
        return found


def local(element: Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def attribute(element: Element | None, name: str, default: str = "") -> str:
    """Return an attribute by its name without namespace."""
    if element is None:
        return default
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), default)


def number(element: Element | None, name: str, default: D) -> int | D:
    """Return an attribute that is a whole number of at least 0; ``default`` for any other."""
    value = attribute(element, name)
    return int(value) if value.isdecimal() else default


def child(element: Element | None, *path: str) -> Element | None:
    """Return the first descendant along a path of local names."""
    for name in path:
        if element is None:
            return None
        element = next((found for found in element if local(found) == name), None)
    return element


def is_on(element: Element | None, name: str) -> bool:
    """Whether an element of Office has a property that is not switched off."""
    found = child(element, name)
    return found is not None and attribute(found, "val", "true") not in {"0", "false", "off"}


def descendants(element: Element, *names: str) -> Iterator[Element]:
    """Yield all descendants with one of these local names."""
    return (found for found in element.iter() if local(found) in names)


def _resolved(folder: str, target: str) -> str:
    target = unquote(target)
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
