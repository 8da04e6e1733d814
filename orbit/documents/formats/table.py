"""Reads CSV: each row becomes a passage with the names of the columns."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from orbit.documents.formats.table_header import is_record, names_columns
from orbit.documents.sections import Content, Section, UnreadableError

_DELIMITERS = "\t;|,"
_NONE = "\x1f"
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_SEPARATOR = re.compile(r"\A\"?sep=([^\n])\"?(?:\n|\Z)", re.IGNORECASE)
"""How Excel names the delimiter."""
_SAMPLE = 50
"""Lines that decide which character is the delimiter."""
_FIRST = 1_000
"""Rows among which the names of the columns are. The others are read one by one: a million take much memory."""
_LONGEST_WHOLE = 2_000
"""Characters of a row that is one passage. A longer one is split."""
_LONGEST_NAME = 100
"""Characters of a cell that names a row."""
_LARGEST_CELL = 2**31 - 1
_MOST_DAMAGED = 100
"""Damaged rows after which each line is read as a row."""


def read_table(text: str) -> Content:
    """Read a row with the names of the columns, then records. ``row`` in a passage's metadata is the record's number.

    Rows above the names with a single cell are the table's title. Another table may begin below an empty row. Nothing
    is left out of rows that are longer than the names, or damaged.
    """
    warnings: list[str] = []
    named = _SEPARATOR.match(text)
    if named is not None:
        delimiter, text = named.group(1), text[named.end() :]
    else:
        delimiter, doubt = _delimiter(text)
        warnings += doubt
    damaged: list[int] = []
    rows = ([cell.strip() for cell in row] for row in _records(text, delimiter, damaged))
    first = list(islice(rows, _FIRST))
    head = _head(first)
    titles = [" ".join(filter(None, row)) for row in first[:head] if any(row)]
    names = first[head] if first else []
    if is_record(names, first[head + 1 :]):
        names, head = [], head - 1
    del first[: head + 1]
    sections = [
        Section(text, metadata={"row": number}, whole=True)
        if len(text) <= _LONGEST_WHOLE
        else Section(text, _name_of(text), metadata={"row": number})
        for number, text in _numbered(names, first, rows)
    ]
    if not sections:
        raise UnreadableError("is a table without rows below the column names")
    if damaged:
        listed = ", ".join(str(line) for line in damaged[:10]) + (" and more" if damaged[10:] else "")
        warnings.append(
            f"A quotation mark is out of place in line {listed}. What is there is read as rows of their own."
        )
    above = [Section("\n".join(titles))] if titles else []
    return Content((*above, *sections), titles[0] if titles else "", tuple(warnings))


def _name_of(text: str) -> tuple[str, ...]:
    """Return the first cell of a long row with its column: each passage of the row repeats it."""
    name = text.partition("\n")[0]
    return (name,) if len(name) <= _LONGEST_NAME else ()


_ABOVE = 2
"""Cells of a row that may stand above a wider table: a name and its value."""


def _head(rows: Sequence[Sequence[str]]) -> int:
    """Return the number of the row with the names of the columns."""
    width = max(map(_filled, rows), default=0)
    head = next((number for number, row in enumerate(rows) if _filled(row) >= min(width, 2)), 0)
    wide = next((number for number, row in enumerate(rows) if _filled(row) > _ABOVE), head)
    if wide > head and names_columns(rows[wide], rows[wide + 1 :]):
        apart = any(not _filled(row) for row in rows[head:wide])
        if apart or _filled(rows[wide]) >= 2 * _ABOVE:
            return wide
    return head


def _filled(row: Sequence[str]) -> int:
    return sum(map(bool, row))


def _numbered(
    names: Sequence[str], first: Sequence[Sequence[str]], others: Iterable[Sequence[str]]
) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each record. A row after an empty one may name the columns of another table."""
    for number, row in enumerate(chain(first, others), start=1):
        begins = 1 < number < len(first) and not any(first[number - 2])
        if begins and names_columns(row, first[number : number + _SAMPLE]):
            names = row
        elif text := _record(names, row):
            yield number, text


def _record(names: Sequence[str], row: Sequence[str]) -> str:
    padded = [*names, *[""] * (len(row) - len(names))]
    return "\n".join(f"{name}: {value}" if name else value for name, value in zip(padded, row, strict=False) if value)


def _delimiter(text: str) -> tuple[str, list[str]]:
    """Return the delimiter that divides most lines, and those alike, and a warning if another one does as well."""
    lines = [line for line in text[: _LONGEST_WHOLE * _SAMPLE].split("\n", _SAMPLE)[:_SAMPLE] if line.strip()]
    scores: dict[str, tuple[float, float]] = {}
    for delimiter in _DELIMITERS:
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
        several = sum(count for width, count in widths.items() if width > 1)
        scores[delimiter] = several / max(1, widths.total()), max(widths.values(), default=0) / max(1, widths.total())
    first = lines[0] if lines else ""
    best, second = sorted(_DELIMITERS, key=lambda one: (*scores[one], first.count(one)), reverse=True)[:2]
    if scores[best][0] < 0.5:  # noqa: PLR2004  # most lines have it not at all: there is one column
        return _NONE, []
    if best != "\t" and scores[second] == scores[best]:
        return best, [f"The delimiter may be the {_NAMES[second]}; the file is read with the {_NAMES[best]}."]
    return best, []


def _records(text: str, delimiter: str, damaged: list[int]) -> Iterator[list[str]]:
    """Yield the cells of each row. Add the numbers of lines with a quotation mark out of place to ``damaged``."""
    limit = csv.field_size_limit(_LARGEST_CELL)
    text = text.rstrip("\n")
    start, line = 0, 0
    try:
        while start < len(text):
            if len(damaged) > _MOST_DAMAGED:
                yield from csv.reader(_lines(text, start), delimiter=delimiter, quoting=csv.QUOTE_NONE)
                return
            ends = [start]
            rows = csv.reader(_lines(text, start, ends), delimiter=delimiter, skipinitialspace=True, strict=True)
            done = 0
            try:
                for row in rows:
                    yield row
                    done, start = rows.line_num, ends[0]
            except csv.Error:
                end = text.find("\n", start) + 1 or len(text)
                damaged.append(line + done + 1)
                yield from csv.reader([text[start:end].removesuffix("\n")], delimiter=delimiter, skipinitialspace=True)
                done, start = done + 1, end
            line += done
    finally:
        csv.field_size_limit(limit)


def _lines(text: str, start: int, ends: list[int] | None = None) -> Iterator[str]:
    """Yield the lines from a position. The first of ``ends`` is where the last line that was yielded ends."""
    ends = [0] if ends is None else ends
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        ends[0] = end
        yield text[start:end]
        start = end
