"""Reads Rich Text Format."""

from __future__ import annotations

from orbit.documents.sections import Content, Section, UnreadableError


def read_rtf(content: bytes) -> Content:
    """Read the text without its formatting. Rows of tables are lines with ``|`` between cells."""
    from striprtf.striprtf import rtf_to_text  # noqa: PLC0415  # only readers of RTF pay for it

    if not content.lstrip().startswith(b"{\\rtf"):
        raise UnreadableError("is not a readable RTF document: it does not begin with {\\rtf")
    text: str = rtf_to_text(content.decode("latin-1"), errors="replace")  # type: ignore[no-untyped-call]  # it has none
    return Content((Section("\n".join(line.rstrip() for line in text.split("\n"))),))
