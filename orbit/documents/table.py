"""Reads CSV: each row becomes a passage with the column names."""

from __future__ import annotations

import csv
import io

from orbit.documents.sections import Content, Section, UnreadableError

_DELIMITERS = ",;\t|"


def read_table(text: str) -> Content:
    """Read a header line with the column names, then records. ``row`` in a passage's metadata is the record's number.

    The delimiter is the candidate that occurs most often in the first line.
    """
    names = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=names.count)
    try:
        rows = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
        header = [name.strip() for name in next(rows)]
        sections = [
            Section("\n".join(f"{name}: {value}" for name, value in found), metadata={"row": number}, whole=True)
            for number, row in enumerate(rows, start=1)
            if (found := [(name, value.strip()) for name, value in zip(header, row, strict=False) if value.strip()])
        ]
    except csv.Error as error:
        raise UnreadableError(f"is not a readable table: {error}") from error
    if not sections:
        raise UnreadableError("is a table without rows below the column names")
    return Content(tuple(sections))
