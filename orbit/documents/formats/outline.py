"""Builds sections from headings, paragraphs and tables as a reader meets them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from orbit.documents.formats.table_header import has_header
from orbit.documents.sections import Content, Section
from orbit.types import MetadataValue

LONGEST_HEADING = 200
"""Characters of a heading to keep: every passage below repeats it."""
SMALL_TABLE = 400
"""Characters of a table that stays with the text around it."""
_CELL = " | "
PAGE_WORDS = "page|seite|p[áa]gina|pagina|strona|stran[aay]|sid[ae]|side|sivu|oldal|sayfa|страница|сторінка|σελίδα"
"""A pattern of the word before the number of a page."""
_PAGE = re.compile(
    rf"\W*(?:{PAGE_WORDS}|p[áa]gine|pag|s|p|str|sid|стр|第|صفحة|עמוד)?[\W\d]*(?:of|von|de|sur|di|van|av|af|z|ze|из|από|共|من|מתוך)?[\W\d]*[页頁]?\W*",
    re.IGNORECASE,
)
"""The number of a page, with or without the figures, in the words of programs: "Page 3 of 12"."""

Rows = Sequence[Sequence[str]]


class Outline:
    """Sections in the making. ``metadata`` is the location of what is added next. ``markdown`` says what the text is.

    The title is the first heading, unless it is set before.
    """

    def __init__(self, *, markdown: bool = False) -> None:
        self.title = ""
        self._markdown = markdown
        self.metadata: dict[str, MetadataValue] = {}
        self._above: list[tuple[int, str]] = []
        self._used = True
        self._place: dict[str, MetadataValue] = {}
        self._text: list[str] = []
        self._tight = False
        self._sections: list[Section] = []

    def heading(self, level: int, text: str, *, names: bool = True) -> None:
        """Begin a section. Level 1 is the outermost. ``names`` says whether the first one is the document's title."""
        self.flush()
        text = " ".join(text.split())
        if not text:
            return
        if len(text) > LONGEST_HEADING:  # a paragraph that only looks like a heading
            self.text(text)
            return
        if self._above and level <= self._above[-1][0]:
            self._keep_heading()
        self._above = [*((above, name) for above, name in self._above if above < level), (level, text)]
        self._used, self._place = False, self.metadata
        if names:
            self.title = self.title or text

    def text(self, text: str, *, tight: bool = False) -> None:
        """Add a paragraph or another block. ``tight`` ones, such as items of a list, have no blank line between."""
        if not text.strip():
            return
        if tight and self._tight and self._text:
            self._text[-1] += f"\n{text.rstrip()}"
        else:
            self._text.append(text.rstrip())
        self._tight = tight

    def table(self, rows: Rows, headers: int = 1, row: int | None = None) -> None:
        """Add a table. Its first ``headers`` rows name the columns. ``row`` is the location of the first row."""
        lines = [_CELL.join(" ".join(cell.split()) for cell in cells).rstrip(" |") for cells in rows]
        filled = sum(bool(line.strip(" |")) for line in lines)
        if filled <= headers + 1 or (row is None and sum(map(len, lines)) <= SMALL_TABLE):
            self.text("\n".join(line for line in lines if line.strip(" |")))
            return
        headers = _with_title_row(rows, headers)
        self.flush()
        metadata = self.metadata if row is None else {**self.metadata, "row": row + headers}
        header, body = "\n".join(lines[:headers]), "\n".join(lines[headers:])
        self.add(Section(body, self.path, metadata=metadata, header=header, kind="table"))

    @property
    def path(self) -> tuple[str, ...]:
        """The headings above what is added next."""
        return tuple(name for _, name in self._above)

    def add(self, section: Section) -> None:
        """Add a finished section."""
        self.flush()
        self._used = True
        self._sections.append(section)

    def flush(self) -> None:
        """End the section of the text so far."""
        if self._text:
            text, self._text = "\n\n".join(self._text), []
            self.add(Section(text, self.path, metadata=self.metadata, markdown=self._markdown))

    def keep_title(self) -> None:
        """Make the title text if the document has no other. Call it for titles that stand in the document."""
        self.flush()
        if self.title and not self._sections and not self._above:
            self._sections.append(Section(self.title))

    def content(self, warnings: Sequence[str] = ()) -> Content:
        """Return all sections. A heading with nothing below it is text itself, but for the title, which all repeat."""
        self.flush()
        self._keep_heading()
        says_more = [one for one in self._sections if one.path or one.metadata or one.text != self.title]
        return Content(tuple(says_more or self._sections), self.title, tuple(warnings))

    def _keep_heading(self) -> None:
        """Make a heading text if nothing was below it."""
        if self._above and not self._used:
            self._used = True
            self._sections.append(Section(self._above[-1][1], self.path[:-1], metadata=self._place))


def _with_title_row(rows: Rows, headers: int) -> int:
    """Return how many rows name the columns if the first one has a single cell: that is the title of the table."""
    if headers > 1 or len(rows[0]) < 2 or sum(map(bool, rows[0])) != 1:  # noqa: PLR2004  # one column has cells alone
        return headers
    named = all(rows[1]) if headers else has_header(rows[1:])
    return 2 if named and len(rows[1]) > 1 else headers


def of_margins(texts: Iterable[str]) -> list[str]:
    """Return the texts of page headers or footers: each once, and none that is only the number of the page."""
    return [text for text in dict.fromkeys(texts) if any(map(str.isalpha, text)) and not _PAGE.fullmatch(text)]
