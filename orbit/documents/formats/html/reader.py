"""Reads HTML by the parsing rules of browsers: headings, paragraphs, lists, tables and forms, without navigation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orbit.documents.formats.html.charset import decode_html
from orbit.documents.formats.html.lists import ListNumbers
from orbit.documents.formats.html.main_content import main_content
from orbit.documents.formats.html.nodes import (
    APART,
    BLOCKS,
    BREAK,
    LISTS,
    STRUCK,
    collapse,
    events,
    inline_text,
    preformatted,
    value_of,
)
from orbit.documents.formats.html.plain_html import as_html, with_shadows
from orbit.documents.formats.html.tables import read_table_of
from orbit.documents.formats.html.tags import is_too_deep, without_tags
from orbit.documents.formats.outline import Outline
from orbit.documents.formats.titles import real_title
from orbit.documents.sections import Content

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LONGEST_HEADING = 600
"""A heading with more characters has swallowed what follows it: its end is missing."""
_SWALLOWED = "p, div, table, ul, ol, pre, section, article"
_TIGHT = frozenset(("li", "dd", "dt", "option"))
_BLANK_LINES = re.compile(r"\n{3,}")


def read_html(content: bytes, declared: str = "") -> Content:
    """Read a page. The title is the page's, or else its first heading. ``declared`` is the encoding, if known.

    Text outside the main content is left out only if most of the page's words remain.
    """
    from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415  # only those who read HTML pay for it

    decoded = decode_html(content, declared)
    outline = Outline()
    if is_too_deep(decoded.text):
        outline.text(without_tags(decoded.text))
    else:
        page = LexborHTMLParser(with_shadows(as_html(decoded.text)))
        if (title := page.css_first("title")) is not None:
            outline.title = real_title(title.text())
        if page.css_first("frameset") is not None and (text := page.css_first("noframes")) is not None:
            page = LexborHTMLParser(text.text())  # parsers leave what is in it unparsed
        root, silent = main_content(page)
        if root is not None:
            _Writer(outline).write(root, silent)
    return outline.content(decoded.warnings)


def write_html(text: str, outline: Outline) -> None:
    """Write a part of a page into an outline: all of it, as a page that has no navigation."""
    from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415  # the same

    body = None if is_too_deep(text) else LexborHTMLParser(text).body
    if body is None:
        outline.text(without_tags(text))
    else:
        _Writer(outline).write(body, set())


class _Writer:
    """Writes elements into an outline."""

    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._parts: list[str] = []
        self._lists: list[ListNumbers] = []
        self._mark = ""
        self._tight = False

    def write(self, root: LexborNode, silent: set[int]) -> None:
        """Write the text of an element, but not of those in ``silent``."""
        silent = set(silent)
        for kind, node, name in events(root, silent):
            if kind == "text":
                self._parts.append(name)
            elif kind == "enter":
                if self._wrote_whole(node, name):
                    silent.add(node.mem_id)
                else:
                    self._enter(node, name)
            else:
                self._leave(name)
        self._end()

    def _wrote_whole(self, node: LexborNode, name: str) -> bool:
        """Write an element that is not a mere sequence of lines. Return whether it was one."""
        if name in _HEADINGS:
            text = inline_text(node)
            if len(text) > _LONGEST_HEADING and node.css_first(_SWALLOWED) is not None:
                return False
            self._end()
            self._outline.heading(_HEADINGS[name], text)
        elif name == "pre":
            self._end()
            self._outline.text(preformatted(node))
        elif name == "table":
            table = read_table_of(node)
            if table is None:
                return False
            self._end()
            if (caption := node.css_first("caption")) is not None:
                self._outline.text(inline_text(caption))
            self._outline.table(*table)
        else:
            return False
        return True

    def _enter(self, node: LexborNode, name: str) -> None:
        if name in BLOCKS:
            self._end()
            self._tight = name in _TIGHT
            if name == "li":
                label = self._lists[-1].next(node) if self._lists else "-"
                self._mark = f"{'  ' * (len(self._lists) - 1)}{label} "
            elif name in LISTS:
                self._lists.append(ListNumbers(node))
        elif name == "br":
            self._parts.append(BREAK)
        elif name == "input":
            self._parts.append(f" {value_of(node)} ")
        elif name in APART:
            self._parts.append(" ")
        elif name in STRUCK:
            self._parts.append("~~")

    def _leave(self, name: str) -> None:
        if name in BLOCKS:
            self._end()
            self._tight = False
            if name in LISTS:
                self._lists.pop()
        elif name in APART:
            self._parts.append(" ")
        elif name in STRUCK:
            self._parts.append("~~")

    def _end(self) -> None:
        """End a line."""
        text = "\n".join(collapse(line) for line in "".join(self._parts).split(BREAK))
        self._parts = []
        if text := _BLANK_LINES.sub("\n\n", text).strip("\n"):
            self._outline.text(self._mark + text, tight=self._tight)
            self._mark = ""
