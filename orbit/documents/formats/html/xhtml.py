"""Rewrites what XHTML may write otherwise than HTML, so that a parser of HTML loses nothing."""

from __future__ import annotations

import html
import re

_START = 2_000
_NAMESPACE = re.compile(
    r"""\A\s*<\?xml\b|<html\b[^>]{0,500}?\bxmlns\s*=\s*["']http://www\.w3\.org/1999/xhtml""", re.IGNORECASE
)
_CLOSED = re.compile(r"<([a-zA-Z][\w:.-]*)((?:\s[^<>]*)?)/>")
_VOID = frozenset("area base br col embed hr img input link meta param source track wbr".split())  # noqa: SIM905  # short
_RAW = "<![CDATA["


def as_html(text: str) -> str:
    """Return XHTML as HTML: ``<title/>`` has an end tag, and CDATA is text. Return HTML as it is.

    For HTML, ``<title/>`` and ``<script/>`` begin an element that never ends, and the page is gone.
    """
    if not _NAMESPACE.search(text[:_START]):
        return text
    return _CLOSED.sub(_opened, _without_raw(text))


def _opened(tag: re.Match[str]) -> str:
    name, attributes = tag.groups()
    return tag.group() if name.lower() in _VOID else f"<{name}{attributes}></{name}>"


def _without_raw(text: str) -> str:
    first, *parts = text.split(_RAW)
    kept = [first]
    for part in parts:
        inner, end, rest = part.partition("]]>")
        kept.append(f"{html.escape(inner)}{rest}" if end else _RAW + part)
    return "".join(kept)
