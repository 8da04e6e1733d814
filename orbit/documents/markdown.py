"""Splits Markdown into sections, one per heading. Each knows the headings above it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orbit.documents.sections import Content, Section

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*(['\"]?)(.+?)\1[ \t]*$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")

LONGEST_HEADING = 200
"""Characters of a heading to keep: every passage below repeats it."""


def read_markdown(text: str) -> Content:
    """Split at headings. The title is that of the front matter, or else the first heading."""
    title, text = _front_matter(text)
    sections: list[Section] = []
    path: list[tuple[int, str]] = []
    for level, name, body in _blocks(text):
        if level:
            path = [(above, other) for above, other in path if above < level]
        if name:
            path.append((level, name))
            title = title or name
        if content := _without_comments(body).strip("\n"):
            sections.append(Section(content, path=tuple(heading for _, heading in path), markdown=True))
    return Content(tuple(section for section in sections if section.text.strip()), title)


def _front_matter(text: str) -> tuple[str, str]:
    """Return the title in the YAML front matter, and the text without the front matter."""
    front = _FRONT_MATTER.match(text)
    if front is None:
        return "", text
    named = _TITLE.search(front.group(1))
    return (named.group(2).strip() if named else ""), text[front.end() :]


def _blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield level and text of each heading with the lines below it; level 0 for the lines before the first."""
    current, body, fence = (0, ""), list[str](), ""
    for line in text.split("\n"):
        mark = opened.group(1) if (opened := _FENCE.match(line)) else ""
        if fence and mark[:1] == fence[0] and len(mark) >= len(fence) and not line.strip().strip(mark[0]):
            fence = ""
        elif not fence and mark:
            fence = mark
        elif not fence and (heading := _heading(line, body)):
            yield *current, "\n".join(body)
            current, body = heading, []
            continue
        body.append(line)
    yield *current, "\n".join(body)


def _heading(line: str, body: list[str]) -> tuple[int, str] | None:
    """Return level and text of the heading that ``line`` is, or completes by underlining ``body``'s last line."""
    return _marked(line) or _underlined(line, body)


def _marked(line: str) -> tuple[int, str] | None:
    """Parse a heading that begins with one to six ``#``. A regular expression would never end on some lines."""
    unindented = line.lstrip(" ")
    level = len(unindented) - len(unindented.lstrip("#"))
    rest = unindented[level:]
    if not 1 <= level <= 6 or len(line) - len(unindented) > 3 or (rest and rest[0] not in " \t"):  # noqa: PLR2004  # CommonMark's numbers
        return None
    name = rest.strip()
    opened = name.rstrip("#")
    if not opened or opened[-1] in " \t":  # "## Name ##" is closed, "# C#" is not
        name = opened.rstrip()
    return level, _plain(name)


def _underlined(line: str, body: list[str]) -> tuple[int, str] | None:
    """Return the one-line heading at the end of ``body`` and remove it there."""
    underline = _SETEXT.match(line)
    if underline is None or not body or not (above := body[-1].strip()):
        return None
    before = body[-2].strip() if len(body) > 1 else ""
    if before or above[0] in "#>|-*+`~" or body[-1].startswith("    "):
        return None  # after a longer paragraph, a list or a table, the line is a rule or belongs to it
    body.pop()
    return (1 if underline.group(1)[0] == "=" else 2), _plain(above)


def _plain(heading: str) -> str:
    """Return a heading's words without markup."""
    anchor = heading.rfind("{#") if heading.endswith("}") else -1
    words = heading[:anchor] if anchor >= 0 else heading
    return _LINK.sub(r"\1", words[: 10 * LONGEST_HEADING]).replace("`", "").replace("**", "").strip()[:LONGEST_HEADING]


def _without_comments(text: str) -> str:
    """Remove ``<!-- ... -->``. Keep one that never ends."""
    kept, position = [], 0
    while (start := text.find("<!--", position)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[position:start])
        position = end + 3
    return "".join([*kept, text[position:]])
