"""Addresses at which people can read the sources of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Protocol
from urllib.parse import quote, urlsplit

from orbit.chat.turn import Turn
from orbit.documents import Origins
from orbit.documents.file_types import TEXT
from orbit.errors import OrbitError
from orbit.types import Document

PATH = "/documents/"
"""Where the server serves documents."""
LINES = "lines=1"
"""In the query of a link: show a text as a page, in which each line has an address."""
_LONGEST = 80
"""Characters that browsers look for."""
_READ, _LONG = 5, 60
"""Lines of a passage among which they are found, and the characters of one that hardly occurs twice."""


class Seals(Protocol):
    """Makes links that open without a key. ``DocumentLinks`` implements it."""

    def query(self, key_id: str, collection: str, source: str) -> str:
        """Return the query of a link."""
        ...


class Links:
    """Links the passages of served files to them, and each link to a PDF to the passage's page."""

    def __init__(self, origins: Origins, seals: Seals, default_collection: str, address: str = "") -> None:
        """``address`` is the server's, if it is not the one that clients use."""
        self._origins = origins
        self._seals = seals
        self._default = default_collection
        self._address = address.rstrip("/")

    async def of(self, turn: Turn, documents: Sequence[Document]) -> tuple[str, ...]:
        """Return the link of each passage; empty if there is none."""
        collection = turn.context.collection or self._default
        address = self._address or turn.address
        wanted = {document.source for document in documents if document.source and not document.link}
        served: set[str] = set()
        if wanted and address:
            try:
                served = await asyncio.to_thread(self._origins.served, collection, wanted)
            except OrbitError:
                served = set()  # without links, the answer is still right
        links = {
            source: f"{address}{PATH}{quote(source)}?{self._seals.query(turn.context.key_id, collection, source)}"
            for source in served
        }
        return tuple([_link(document, links.get(document.source, "")) for document in documents])


def _link(document: Document, served: str) -> str:
    return at_page(document.link, document) if document.link else at_place(served, document)


def at_place(link: str, document: Document) -> str:
    """Return a link to a served file that opens it at the passage: a PDF at its page, a text at its line.

    If the line is unknown, browsers look for words of the passage.
    """
    if not link or PurePosixPath(document.source).suffix.lower() not in TEXT:
        return at_page(link, document)
    line = document.metadata.get("line")
    if isinstance(line, int):
        return f"{link}&{LINES}#line{line}"
    words = quote(_telling_words(document), safe="").replace("-", "%2D")
    return f"{link}&{LINES}#:~:text={words}" if words else link


def _telling_words(document: Document) -> str:
    """Return the beginning of a passage's first long line, without the headings that precede it.

    Browsers go to where the words are first, and short lines, such as a table's header, occur more often.
    """
    head, _, rest = document.text.partition("\n")
    body = rest if document.title and head.startswith(document.title) and rest.strip() else document.text
    lines = [line.strip() for line in body.strip().split("\n", _READ)[:_READ]]
    line = next((line for line in lines if len(line) >= _LONG), max(lines, key=len))
    return line if len(line) <= _LONGEST else line[:_LONGEST].rpartition(" ")[0]


def at_page(link: str, document: Document) -> str:
    """Return a link that opens a PDF at the page of the passage; any other link as it is."""
    page = document.metadata.get("page")
    if not isinstance(page, int) or not link.startswith(("http://", "https://")):
        return link
    try:
        parts = urlsplit(link)
    except ValueError:
        return link
    if parts.fragment or PurePosixPath(parts.path).suffix.lower() != ".pdf":
        return link
    return f"{link.removesuffix('#')}#page={page}"
