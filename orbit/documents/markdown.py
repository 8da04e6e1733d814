"""Splits Markdown into sections, one per heading, by the rules of CommonMark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orbit.documents.outline import SMALL_TABLE, Outline
from orbit.documents.sections import Content, Section

if TYPE_CHECKING:
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n((?:.*\n)*?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_SETTING = re.compile(r"[\w\"'$@.-][^:\n]*:(?:[ \t].*)?")
_TITLE = re.compile(r"^title:[ \t]*(['\"]?)(.+?)\1[ \t]*$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_ATTRIBUTES = re.compile(r"\{[#.:][^{}]*\}$")
_RULES = re.compile(r"[-*_\s]*")
_MARKUP = re.compile(r"`+|<!--")
_MOST_MARKUP = 2_000
"""Characters of a heading to look for markup in: a longer one is no heading."""


def read_markdown(text: str) -> Content:
    """Split at headings. The title is that of the front matter, or else the first heading."""
    outline = Outline(markdown=True)
    outline.title, text = _front_matter(text)
    tokens = _parse(text)
    lines = text.split("\n")
    _remove_comments(lines, tokens)
    start = 0
    for number, token in enumerate(tokens):
        if token.level or token.map is None:
            continue
        first, end = token.map
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
    return outline.content()


def _parse(text: str) -> Sequence[Token]:
    """Return the blocks of a text. Nothing here needs what is within a line, which costs the most time."""
    from markdown_it import MarkdownIt  # noqa: PLC0415  # only those who read Markdown pay for it

    return MarkdownIt("commonmark").enable("table").disable("inline").parse(text)


def _front_matter(text: str) -> tuple[str, str]:
    """Return the title in the YAML front matter, and the text without the front matter."""
    front = _FRONT_MATTER.match(text)
    settings = front.group(1).split("\n") if front else [""]
    if front is None or not _SETTING.fullmatch(settings[0]):
        return "", text  # a rule
    if not all(not line.strip() or line[0] in " \t#-" or _SETTING.fullmatch(line) for line in settings):
        return "", text
    named = _TITLE.search(front.group(1))
    return (named.group(2).strip() if named else ""), text[front.end() :]


def _body(lines: Sequence[str]) -> str:
    body = "\n".join(lines).strip("\n")
    return "" if _RULES.fullmatch(body) else body


def _plain(heading: str) -> str:
    """Return a heading's words without markup."""
    words = " ".join(_ATTRIBUTES.sub("", heading).split())
    if len(words) > _MOST_MARKUP:
        return words
    return _LINK.sub(r"\1", words).replace("`", "").replace("**", "").replace("__", "").strip()


def _remove_comments(lines: list[str], tokens: Sequence[Token]) -> None:
    """Remove ``<!-- ... -->`` from lines, but not from code."""
    for token in tokens:
        if token.map and token.type in {"html_block", "inline"} and "<!--" in token.content:
            first, end = token.map
            kept = _without_comments("\n".join(lines[first:end])).split("\n")
            lines[first:end] = [*kept, *[""] * (end - first - len(kept))]


def _without_comments(text: str) -> str:
    """Remove comments outside code spans. Keep one that never ends."""
    kept, position, begin = [], 0, 0
    closed: dict[int, int] = {}
    for found in re.finditer(r"`+", text):
        closed[len(found.group())] = found.start()  # the last run of this length
    while (mark := _MARKUP.search(text, position)) is not None:
        position = mark.end()
        if mark.group() == "<!--":
            end = text.find("-->", mark.end())
            if end < 0:
                break
            kept.append(text[begin : mark.start()])
            begin = position = end + 3
        elif closed[len(mark.group())] > mark.start():
            position = _end_of_code(text, mark.end(), len(mark.group()))
    return "".join([*kept, text[begin:]])


def _end_of_code(text: str, start: int, length: int) -> int:
    for run in re.compile(r"`+").finditer(text, start):
        if len(run.group()) == length:
            return run.end()
    return start
