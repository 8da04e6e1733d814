"""Word documents to HTML, which is read as any other."""

from __future__ import annotations

import io
import zipfile

from orbit.documents.html import read_html
from orbit.documents.sections import Content, UnreadableError

MOST_XML = 50_000_000
"""Bytes of XML that a document may hold, unpacked: a small file can unpack to what no memory holds."""

_OLE = b"\xd0\xcf\x11\xe0"
_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"


def read_docx(content: bytes) -> Content:
    """Convert a document with its headings, lists and tables; pictures are left out. The title is its first heading."""
    import mammoth  # type: ignore[import-untyped]  # noqa: PLC0415  # it has no types; only readers of Word pay for it

    if content.startswith(_OLE):
        raise UnreadableError("is encrypted or of an old Word; store it as .docx without a password")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            unpacked = sum(member.file_size for member in package.infolist())
        if unpacked > MOST_XML + len(content):
            raise UnreadableError(f"unpacks to {unpacked} bytes, which is too much to read")
        page = mammoth.convert_to_html(io.BytesIO(content), style_map=_STYLES, convert_image=lambda _: []).value
    except UnreadableError:
        raise
    except Exception as error:  # whatever its parsers raise on a broken file
        raise UnreadableError(f"is not a readable Word document: {str(error) or type(error).__name__}") from error
    return read_html(page.encode())
