"""Rewrites XHTML and shadow trees as plain HTML, so that a parser of HTML loses nothing."""

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
_TEMPLATE = re.compile(r"<(/?)template(\s[^>]{0,1000})?>", re.IGNORECASE)
_SHADOW = re.compile(r"\sshadow(?:root|mode|rootmode)\s*=", re.IGNORECASE)
"""The standard's attribute, and those of Chrome: the second in pages that it saves."""


def as_html(text: str) -> str:
    """Return XHTML as HTML: ``<title/>`` has an end tag, and CDATA is text. Return HTML as it is.

    For HTML, ``<title/>`` and ``<script/>`` begin an element that never ends, and the page is gone.
    """
    if not _NAMESPACE.search(text[:_START]):
        return text
    return _CLOSED.sub(_opened, _without_raw(text))


def with_shadows(text: str) -> str:
    """Return a page with the shadow trees of its elements as text. Browsers show them, unlike other templates."""
    open_ones: list[bool] = []

    def rewritten(tag: re.Match[str]) -> str:
        end, attributes = tag.groups()
        if not end:
            open_ones.append(bool(_SHADOW.search(attributes or "")))
            is_shadow = open_ones[-1]
        else:
            is_shadow = bool(open_ones) and open_ones.pop()
        return f"<{end}div>" if is_shadow else tag.group()

    return _TEMPLATE.sub(rewritten, text)


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
