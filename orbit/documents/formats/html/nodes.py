"""Walks the elements of a parsed HTML page, and tells what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Literal

from orbit.documents.formats.html.lists import ListNumbers
from orbit.documents.formats.list_labels import BULLET
from orbit.documents.formats.titles import picture_text

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

SILENT = frozenset(
    """
    audio canvas datalist del embed head iframe meter object progress rp rt script style svg template video
    """.split()  # noqa: SIM905  # a list would take a line for each
)
"""Elements whose content is not text of the page: deleted, for browsers that lack something, or how to read it."""
BLOCKS = frozenset(
    """
    address article aside blockquote body caption center dd details dialog dir div dl dt fieldset figcaption figure
    footer form frameset h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol optgroup p pre search
    section summary table tbody td tfoot th thead tr ul
    """.split()  # noqa: SIM905  # a list would take a line for each
)
"""Elements that begin and end a line."""
APART = frozenset(["button", "input", "label", "option", "select", "textarea"])
"""Elements within a line that do not touch the words beside them."""
STRUCK = frozenset(["s", "strike"])
"""Elements whose text no longer holds, such as a former price. It is marked as in Markdown."""
_SHOWN_INPUTS = frozenset(
    ["text", "search", "email", "tel", "url", "number", "date", "time", "month", "week", "submit", "button", "reset"]
)
"""Kinds of ``input`` whose value is text on the page."""
_PICTURES = frozenset(["img", "area"])
_FIGURE = 3
"""Elements around a picture among which a figure is looked for."""
LISTS = frozenset(["ol", "ul", "menu"])
BREAK = "\v"
"""A line break within a paragraph, among its parts."""
_PERMALINK = re.compile("[¶#§🔗\u200b\\s]+")
_MARK = re.compile(r"(?:^|\s)(?:mw-editsection|linenos?|(?:rouge-)?gutter)(?:\s|$)")
"""Classes by which wikis and highlighters tell links to edit, and numbers of lines, from the text beside them."""
_LEAST_WITHOUT_SCRIPTS = 30
"""Words of a ``noscript`` that is more than the request to allow scripts."""
_SPACE = re.compile(r"[ \t\n\f\r\u00a0]+")

Event = tuple[Literal["enter", "leave", "text"], "LexborNode", str]


def events(root: LexborNode, silent: AbstractSet[int] = frozenset()) -> Iterator[Event]:
    """Yield the text of an element and where the elements in it begin and end, with their names.

    ``silent`` are elements to pass over, by their ``mem_id``; the caller may add one when it begins. Nothing here is
    recursive: pages may be nested more deeply than Python's stack. In place of a picture there is its text, as for
    people who cannot see it.
    """
    captions: dict[int, str] = {}
    stack: list[tuple[LexborNode, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            yield "leave", node, node.tag or ""
            continue
        if node.is_text_node:
            yield "text", node, node.text_content or ""
            continue
        name = node.tag or ""
        if name in SILENT or not node.is_element_node or node.mem_id in silent or _is_no_text(name, node):
            continue
        if name in _PICTURES:
            if (text := _picture_text(node)) and text not in _caption(node, captions):
                yield "text", node, f" {text} "
            continue
        yield "enter", node, name
        if node.mem_id in silent:
            continue
        stack.append((node, True))
        child = node.last_child
        while child is not None:
            stack.append((child, False))
            child = child.prev


def _is_no_text(name: str, node: LexborNode) -> bool:
    """Whether an element asks for scripts, is a sign that links to its own place, or stands beside the text."""
    if name == "noscript":
        return len(node.text().split()) < _LEAST_WITHOUT_SCRIPTS
    if name == "a":
        return "#" in (node.attributes.get("href") or "") and bool(_PERMALINK.fullmatch(node.text()))
    return name in {"span", "td"} and bool(_MARK.search(node.attributes.get("class") or ""))


def _picture_text(node: LexborNode) -> str:
    return picture_text(node.attributes.get("alt") or "")


def _caption(node: LexborNode, captions: dict[int, str]) -> str:
    """Return the caption of the figure that a picture is in. ``captions`` has those found so far."""
    figure = node.parent
    for _ in range(_FIGURE):
        if figure is None or figure.tag == "figure":
            break
        figure = figure.parent
    if figure is None or figure.tag != "figure":
        return ""
    if figure.mem_id not in captions:
        caption = figure.css_first("figcaption")
        captions[figure.mem_id] = collapse(caption.text()) if caption is not None else ""
    return captions[figure.mem_id]


def value_of(node: LexborNode) -> str:
    """Return the value that a form field shows."""
    kind = (node.attributes.get("type") or "text").lower()
    if kind == "image":
        return _picture_text(node)
    return (node.attributes.get("value") or "") if kind in _SHOWN_INPUTS else ""


def inline_text(root: LexborNode) -> str:
    """Return the text of an element in one line."""
    parts: list[str] = []
    lists: list[ListNumbers] = []
    for kind, node, value in events(root):
        if kind == "text":
            parts.append(value)
        elif value in LISTS:
            lists = [*lists, ListNumbers(node)] if kind == "enter" else lists[:-1]
            parts.append(" ")
        elif kind == "enter" and value == "li" and lists and (label := lists[-1].next(node)) != BULLET:
            parts.append(f" {label} ")
        elif kind == "enter" and value == "input":
            parts.append(f" {value_of(node)} ")
        elif value in BLOCKS or value in APART or value == "br":
            parts.append(" ")
        elif value in STRUCK:
            parts.append("~~")
    return collapse("".join(parts))


def preformatted(root: LexborNode) -> str:
    """Return the text of an element with its spaces and lines. Each element that begins a line does so here, too."""
    text = ""
    parts: list[str] = []
    for kind, node, value in events(root):
        if kind == "text":
            text = value
        elif value == "br":
            text = "\n" if kind == "enter" else ""
        elif value in BLOCKS and node.mem_id != root.mem_id and not text.endswith("\n"):
            text = "\n"
        else:
            continue
        parts.append(text)
    return "".join(parts).strip("\n").rstrip()


def collapse(text: str) -> str:
    """Return a text as browsers show it: spaces of any number are one."""
    return _SPACE.sub(" ", text).strip()
