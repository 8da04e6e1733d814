"""Finds the encoding of an HTML file, as browsers do."""

from __future__ import annotations

import re

from orbit.documents.formats.encoding import Decoded, decode

_START = 4_096
"""Bytes in which a page declares its encoding. The standard says 1,024; some pages have longer comments first."""
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_META = re.compile(rb"<meta\b[^>]{0,500}?\bcharset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_XML = re.compile(rb"\A\s*<\?xml\b[^>]{0,200}?\bencoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE)


def decode_html(content: bytes, declared: str = "") -> Decoded:
    """Decode a page: by its byte order mark, ``declared`` by who sent it, its own declaration, or a guess."""
    start = content[:_START]
    meta = _META.search(_COMMENT.sub(b"", start)) or _XML.match(start)
    return decode(content, declared or (meta.group(1).decode("ascii", "ignore") if meta else ""))
