"""Converts HTML to Markdown, as far as splitting and answering need it: headings, paragraphs, lists, tables, code."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

from orbit.documents.markdown import read_markdown
from orbit.documents.sections import Content, UnreadableError

if TYPE_CHECKING:
    from bs4 import Tag

_DROPPED = ("script", "style", "noscript", "template", "svg", "iframe", "nav", "form", "button", "head")
_BLOCKS = frozenset(
    (
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "header",
        "hr",
        "html",
        "li",
        "main",
        "ol",
        "p",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "ul",
    )
)
_SPACE = re.compile(r"\s+")
_BLANK_LINES = re.compile(r"\n{3,}")


def read_html(content: bytes) -> Content:
    """Convert a page. Use the page's title, or else its first heading, and the declared encoding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bs4 warns about markup that is not ours
        try:
            title, text = _convert(content)
        except RecursionError as error:
            raise UnreadableError("is nested too deeply") from error
        except (AssertionError, ValueError) as error:
            raise UnreadableError(f"is not readable HTML: {error}") from error
    read = read_markdown(_BLANK_LINES.sub("\n\n", text).strip())
    return Content(read.sections, title or read.title)


def _convert(content: bytes) -> tuple[str, str]:
    """Return the title and the Markdown of a page."""
    from bs4 import BeautifulSoup  # noqa: PLC0415  # only those who read HTML pay for it

    page = BeautifulSoup(content, "html.parser")
    title = _SPACE.sub(" ", page.title.get_text()).strip() if page.title else ""
    for tag in page(_DROPPED):
        tag.decompose()
    articles = page.find_all("article")
    candidates = (page.find("main"), articles[0] if len(articles) == 1 else None, page.body)
    root = next((tag for tag in candidates if tag is not None and tag.get_text(strip=True)), page)
    parts: list[str] = []
    _write(root, parts)
    return title, "".join(parts)


def _write(tag: Tag, parts: list[str]) -> None:
    from bs4.element import NavigableString, PreformattedString, Tag  # noqa: PLC0415  # see above

    for child in tag.children:
        if isinstance(child, PreformattedString):
            continue  # comments, doctypes and the like
        if isinstance(child, NavigableString):
            parts.append(_SPACE.sub(" ", child))
        elif isinstance(child, Tag):
            _write_tag(child, parts)


def _write_tag(tag: Tag, parts: list[str]) -> None:
    name = tag.name
    if name == "br":
        parts.append("\n")
    elif name == "pre":
        parts.append(f"\n\n```\n{tag.get_text().strip()}\n```\n\n")
    elif name in {"h1", "h2", "h3", "h4", "h5", "h6"}:
        parts.append(f"\n\n{'#' * int(name[1])} {_SPACE.sub(' ', tag.get_text()).strip()}\n\n")
    elif name == "tr":
        cells = [_SPACE.sub(" ", cell.get_text(" ")).strip() for cell in tag.find_all(["td", "th"], recursive=False)]
        parts.append(f"\n{' | '.join(cells)}\n")
    elif name == "li":
        parts.append("\n- ")
        _write(tag, parts)
        parts.append("\n")
    else:
        gap = "\n\n" if name in _BLOCKS else ""
        parts.append(gap)
        _write(tag, parts)
        parts.append(gap)
