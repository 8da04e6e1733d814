"""Converts Word documents to HTML, which the HTML reader then reads."""

from __future__ import annotations

import io
import zipfile

from orbit.documents.html import read_html
from orbit.documents.sections import Content, UnreadableError

MOST_XML = 50_000_000
"""Limit of a document's unpacked XML, in bytes: a small file can unpack to more than the memory holds."""

_OLE = b"\xd0\xcf\x11\xe0"
_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"


def read_docx(content: bytes) -> Content:
    """Convert a document with its headings, lists and tables. Omit pictures. The title is the first heading."""
    import mammoth  # type: ignore[import-untyped]  # noqa: PLC0415  # it has no types; only readers of Word pay for it

    if content.startswith(_OLE):
        raise UnreadableError("is encrypted or in the format of an old Word; save it as .docx without a password")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            unpacked = sum(member.file_size for member in package.infolist())
        if unpacked > MOST_XML + len(content):
            raise UnreadableError(f"unpacks to {unpacked} bytes, which is too much to read")
        page = mammoth.convert_to_html(io.BytesIO(content), style_map=_STYLES, convert_image=lambda _: []).value
    except UnreadableError:
        raise
    except Exception as error:  # its parsers raise anything on a broken file
        raise UnreadableError(f"is not a readable Word document: {str(error) or type(error).__name__}") from error
    return read_html(page.encode())
