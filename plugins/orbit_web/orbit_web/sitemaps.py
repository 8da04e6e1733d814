"""Reads sitemaps: XML, a list of addresses, or either compressed."""

from __future__ import annotations

import re
import zlib
from xml.parsers import expat

MOST = 50_000_000
"""Bytes of a sitemap, as the protocol has it."""
_GZIP = b"\x1f\x8b"


class Sitemap:
    """The addresses of a sitemap. ``maps`` are further sitemaps."""

    def __init__(self, content: bytes) -> None:
        self.pages: list[str] = []
        self.maps: list[str] = []
        content = _plain(content)
        if not re.match(rb"(?:\xef\xbb\xbf)?\s*<", content):
            lines = content.decode("utf-8", "replace").split()
            self.pages = [line for line in lines if line.startswith(("http://", "https://"))]
            return
        self._names: list[str] = []
        self._text: list[str] = []
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        try:
            parser.Parse(content, True)  # noqa: FBT003  # expat takes it by position
        except (expat.ExpatError, ValueError):
            return  # what came before the mistake is right

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._names.append(name.rpartition(":")[2])
        self._text.clear()

    def _end(self, _name: str) -> None:
        names, text = self._names[-2:], "".join(self._text).strip()
        self._names.pop()
        if text and names == ["sitemap", "loc"]:
            self.maps.append(text)
        elif text and names == ["url", "loc"]:
            self.pages.append(text)


def _plain(content: bytes) -> bytes:
    if not content.startswith(_GZIP):
        return content
    try:
        return zlib.decompressobj(wbits=31).decompress(content, MOST)
    except zlib.error:
        return b""
