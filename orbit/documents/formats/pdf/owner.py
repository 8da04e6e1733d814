"""Opens PDFs that have a password for readers and none for their owner, which PDFium does not try."""

from __future__ import annotations

import io
from contextlib import suppress


def opened_as_owner(content: bytes) -> bytes | None:
    """Return a file without its encryption if its owner needs no password, or else None.

    Needs pypdf, an extra: such files are rare.
    """
    with suppress(Exception):  # pypdf raises anything on a broken file
        from pypdf import PasswordType, PdfReader, PdfWriter  # noqa: PLC0415  # an extra

        reader = PdfReader(io.BytesIO(content))
        if reader.decrypt("") is PasswordType.OWNER_PASSWORD:
            plain = io.BytesIO()
            PdfWriter(clone_from=reader).write(plain)
            return plain.getvalue()
    return None
