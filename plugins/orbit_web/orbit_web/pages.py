"""What a page says to robots: its links, its canonical address, and what they may do with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from orbit_web.names import normal

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_CHARSET = re.compile(rb"<meta\b[^>]{0,500}?\bcharset\s*=", re.IGNORECASE)
_START = 4_096
_MOST_LINKS = 5_000
_DEEP = 200_000
"""Tags of a page, at most: parsing hostile ones would take very long."""


class Page(msgspec.Struct, frozen=True):
    """A page as robots see it. ``kept`` is False if it wants to be in no index."""

    links: tuple[str, ...] = ()
    canonical: str = ""
    kept: bool = True


def page_of(content: bytes, url: str, header: str = "") -> Page:
    """Read a page. ``header`` is the response header ``X-Robots-Tag``. Blocks."""
    from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415  # importing a plugin stays light

    if content.count(b"<") > _DEEP:
        return Page()
    page = LexborHTMLParser(content.decode("utf-8", "replace"))
    base = next((normal(_value(node, "href"), url) for node in page.css("base[href]")), "") or url
    canonical = (normal(_value(node, "href"), base) for node in page.css("link[rel=canonical][href]"))
    orders = header + "," + ",".join(_value(node, "content") for node in page.css("meta[name=robots i][content]"))
    words = {word.strip() for word in orders.lower().split(",")}
    links = () if {"nofollow", "none"} & words else tuple(_links(page, base))
    return Page(links, next(canonical, ""), not {"noindex", "none"} & words)


def _links(page: LexborHTMLParser, base: str) -> Iterator[str]:
    found: set[str] = set()
    for node in page.css("a[href], area[href], frame[src], iframe[src], link[rel=next][href]"):
        if "nofollow" in _value(node, "rel").lower().split():
            continue
        link = normal(_value(node, "href") or _value(node, "src"), base)
        if link and link not in found and len(found) < _MOST_LINKS:
            found.add(link)
            yield link


def _value(node: LexborNode, name: str) -> str:
    return (node.attributes.get(name) or "").strip()


def with_charset(content: bytes, charset: str) -> bytes:
    """Return a page that the reader decodes as the server says: only the response header may name its encoding."""
    if not charset or _CHARSET.search(content[:_START]):
        return content
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        try:
            return content.decode(charset, "replace").encode()
        except (LookupError, ValueError):  # some of Python's codecs read no pages
            return content
    return content
