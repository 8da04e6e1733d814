"""Finds the navigation of an HTML page, and the part with the main content."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from orbit.documents.formats.html.nodes import events

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_NAVIGATION = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|navi|menu|breadcrumbs?|sitemap|sidebar|pagination|pager|skip|social|share"
    r"|toolbar|topbar|footer|header|tabs|dropdown)(?:$|[\s_-])|menu$|nav$",
    re.IGNORECASE,
)
_LINKED = 0.6
"""Part of the characters in links from which an element with a telling name is navigation."""
_MOST = 0.5
"""Part of the page's words that the main content has, at least; or else the whole page is read."""
_LINKED_NAV = 0.3
"""The same for ``nav``."""
_LEAST = 0.3
"""Part of the page's words outside navigation, at least, unless they are enough; or else it is not navigation."""
_LETTERS = 8
"""Letters of a word, more than the average of languages with spaces."""
_ENOUGH = 12
"""Words that make a short page: its menus may have many times as many."""


def main_content(page: LexborHTMLParser) -> tuple[LexborNode | None, set[int]]:
    """Return the element to read, and the ids of those in it to pass over."""
    body = page.body or page.root
    if body is None:
        return None, set()
    navigation = _navigation(body)
    all_words = _words(body)
    words = _words(body, navigation)
    if words < min(_LEAST * all_words, _ENOUGH):
        navigation, words = set(), all_words
    articles = body.css("article")
    candidates = [*body.css("main, [role=main]")[:1], *(articles if len(articles) == 1 else [])]
    for candidate in candidates:
        if (found := _words(candidate, navigation)) and found >= _MOST * words:
            return candidate, navigation
    return body, navigation


def _words(root: LexborNode, silent: AbstractSet[int] = frozenset()) -> int:
    """Return how many words an element has. Languages without spaces have one for each few letters."""
    texts = (value for kind, _, value in events(root, silent) if kind == "text")
    return sum(max(len(text.split()), len(text.strip()) // _LETTERS) for text in texts)


def _navigation(body: LexborNode) -> set[int]:
    """Return the ids of elements that lead to other pages: by their names, and of others by the links in them."""
    found: set[int] = set()
    counts: list[list[int]] = []
    link = 0
    for kind, node, value in events(body):
        if kind == "text":
            size = len(value.strip())
            if counts and size:
                counts[-1][0] += size
                counts[-1][1] += size if link else 0
        elif kind == "enter":
            counts.append([0, 0])
            link += value == "a"
        else:
            link -= value == "a"
            size, linked = counts.pop()
            if counts:
                counts[-1][0] += size
                counts[-1][1] += linked
            if size and linked >= (_LINKED_NAV if value == "nav" else _LINKED) * size and _is_named(node, value):
                found.add(node.mem_id)
    return found


def _is_named(node: LexborNode, name: str) -> bool:
    if name in {"nav", "header", "footer", "aside"}:
        return True
    if name not in {"div", "ul", "ol", "section", "table", "td", "form", "p"}:
        return False
    attributes = node.attributes
    if attributes.get("role") == "navigation":
        return True
    return any(_NAVIGATION.search(attributes.get(key) or "") for key in ("class", "id"))
