"""Splits Markdown into sections, one per heading, by the rules of CommonMark."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from orbit.documents.formats.front_matter import front_matter
from orbit.documents.formats.html.reader import write_html
from orbit.documents.formats.list_labels import STRUCK
from orbit.documents.formats.outline import SMALL_TABLE, Outline
from orbit.documents.formats.titles import picture_text
from orbit.documents.sections import Content, Section

if TYPE_CHECKING:
    from markdown_it.token import Token

_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_ATTRIBUTES = re.compile(r"\{[#.:][^{}]*\}$")
_RULES = re.compile(r"[-*_\s]*")
_IN_LINE = (
    "abbr|a|big|br|b|center|cite|del|dfn|em|font|img|ins|i|kbd|mark|q|samp|small|span|strike|strong|sub|sup|s|tt|u|var"
)
"""Elements of HTML within a line. Others may be no markup but names, such as ``<file>``."""
_MARKUP = re.compile(
    rf"\\[!-/:-@\[-`{{-~]|`+|<!--|&#?\w{{1,32}};|<(?P<end>/?)(?P<name>{_IN_LINE})(?=[\s/>])[^<>]*>", re.IGNORECASE
)
_ALT = re.compile(r"""\balt\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_SHOWN = {"br": " ", **dict.fromkeys(("s", "del", "strike"), STRUCK)}
"""What a page shows in place of a tag. For most it is nothing."""
_MARKUP_OF_HTML = re.compile(r"<!--|&#?\w{1,32};")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--.*?-->")
_ELEMENT = re.compile(r"\s*</?[a-zA-Z]")
_QUOTE = re.compile(r"^[>\s]*")
_CONTAINER = re.compile(r"^[>\s]*(?:(?:[-*+]|\d{1,9}[.)])\s+)?")
_CODE = re.compile(r"(`+[^`]+`+)")
_KEPT_ENTITIES = frozenset("<>&\"'*_`#[]\\|~")
"""What would be markup if it was not written as an entity."""
_MOST_MARKUP = 2_000
"""Characters of a heading to look for markup in: a longer one is no heading."""


def read_markdown(text: str) -> Content:
    """Split at headings. The title is that of the front matter, or else the first heading."""
    outline = Outline(markdown=True)
    found = front_matter(text)
    outline.title, text = found.title, text[found.length :]
    outline.text(found.text)
    tokens = _parse(text)
    lines = text.split("\n")
    _remove_html(lines, tokens)
    start = 0
    for number, token in enumerate(tokens):
        if token.map is None or token.map[0] < start:
            continue
        first, end = token.map
        if token.level:
            if token.type != "table_open" or sum(map(len, lines[first:end])) <= SMALL_TABLE:
                continue
            before = [_CONTAINER.sub("", lines[first]), *(_QUOTE.sub("", line) for line in lines[first + 1 : end])]
            lines[first:end] = before  # a table in a list or a quotation, without the marks of that
        elif token.type == "html_block" and _ELEMENT.match("\n".join(lines[first:end])):
            outline.text(_body(lines[start:first]))
            write_html("\n".join(lines[first:end]), outline)
            start = end
            continue
        if token.type == "heading_open":
            outline.text(_body(lines[start:first]))
            outline.heading(int(token.tag[1]), _plain(tokens[number + 1].content))
            start = end
        elif token.type == "table_open" and sum(map(len, lines[first:end])) > SMALL_TABLE:
            outline.text(_body(lines[start:first]))
            outline.flush()
            head = first + 2  # the names of the columns and the rule below them
            rows, header = _body(lines[head:end]), _body(lines[first:head])
            outline.add(Section(rows, outline.path, markdown=True, header=header, kind="table"))
            start = end
    outline.text(_body(lines[start:]))
    content = outline.content()
    if not found.fields:
        return content
    sections = tuple(
        msgspec.structs.replace(section, metadata={**found.fields, **section.metadata}) for section in content.sections
    )
    return msgspec.structs.replace(content, sections=sections)


def _parse(text: str) -> Sequence[Token]:
    """Return the blocks of a text. Nothing here needs what is within a line, which costs the most time."""
    from markdown_it import MarkdownIt  # noqa: PLC0415  # only those who read Markdown pay for it

    return MarkdownIt("commonmark").enable("table").disable("inline").parse(text)


def _body(lines: Sequence[str]) -> str:
    body = "\n".join(lines).strip("\n")
    return "" if _RULES.fullmatch(body) else body


def _plain(heading: str) -> str:
    """Return a heading's words without markup."""
    words = " ".join(_ATTRIBUTES.sub("", heading).split())
    if len(words) > _MOST_MARKUP:
        return words
    parts = _CODE.split(words)
    parts[::2] = [html.unescape(_TAG.sub("", part)) for part in parts[::2]]
    words = _LINK.sub(r"\1", "".join(parts)).replace("`", "").replace("**", "").replace("__", "")
    return " ".join(words.split())


def _remove_html(lines: list[str], tokens: Sequence[Token]) -> None:
    """Remove comments and tags from lines, and write entities such as ``&nbsp;`` as characters, but not in code."""
    for token in tokens:
        if token.map and token.type in {"html_block", "inline"} and ("<" in token.content or "&" in token.content):
            first, end = token.map
            markup = _MARKUP if token.type == "inline" else _MARKUP_OF_HTML
            kept = _without_html("\n".join(lines[first:end]), markup).split("\n")
            lines[first:end] = [*kept, *[""] * (end - first - len(kept))]


def _without_html(text: str, markup: re.Pattern[str]) -> str:
    """Remove comments and tags outside code spans, and replace entities. Keep a comment that never ends."""
    kept, position, begin = list[str](), 0, 0
    closed: dict[int, int] = {}
    for found in re.finditer(r"`+", text):
        closed[len(found.group())] = found.start()  # the last run of this length
    while (mark := markup.search(text, position)) is not None:
        position = mark.end()
        if mark.group()[0] == "&":
            character = html.unescape(mark.group())
            if character not in _KEPT_ENTITIES and "\n" not in character:
                kept += text[begin : mark.start()], character
                begin = position
        elif mark.lastgroup == "name":
            kept += text[begin : mark.start()], _shown(mark["name"].lower(), mark.group())
            begin = position
        elif mark.group()[0] == "\\":  # escaped
            continue
        elif mark.group() == "<!--":
            end = text.find("-->", mark.end())
            if end < 0:
                break
            kept.append(text[begin : mark.start()])
            begin = position = end + 3
        elif closed[len(mark.group())] > mark.start():
            position = _end_of_code(text, mark.end(), len(mark.group()))
    return "".join([*kept, text[begin:]])


def _shown(name: str, tag: str) -> str:
    alt = _ALT.search(tag) if name == "img" else None
    return picture_text(html.unescape("".join(filter(None, alt.groups())))) if alt else _SHOWN.get(name, "")


def _end_of_code(text: str, start: int, length: int) -> int:
    for run in re.compile(r"`+").finditer(text, start):
        if len(run.group()) == length:
            return run.end()
    return start
