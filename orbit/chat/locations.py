"""Where in its source a passage is, for the prompt, the answer's sources and the chat log."""

from __future__ import annotations

from typing import Final

from orbit.types import Document, MetadataValue

_KEYS: Final = ("page", "slide", "sheet", "row", "cell", "line")
_LONGEST: Final = 200
"""Characters of a source's name that the model reads: the last ones, which hold the file's name."""


def heading_of(document: Document) -> str:
    """Return the headings above a passage, such as ``Leave > Parents``; empty if it has none."""
    heading = document.metadata.get("heading")
    return heading if isinstance(heading, str) else ""


def location_of(document: Document) -> dict[str, MetadataValue]:
    """Return the page, slide, sheet, row, cell and line of a passage, as far as they are known."""
    return {key: value for key in _KEYS if (value := document.metadata.get(key)) not in (None, "")}


def named(document: Document) -> str:
    """Return a passage's source and place on one line, such as ``fees.xlsx, sheet 2024, row 7``."""
    place = [f"{key} {value}" for key, value in location_of(document).items()]
    return " ".join(", ".join(filter(None, (document.source[-_LONGEST:], *place))).split())
