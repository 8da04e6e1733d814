"""Tells a document's real title from what programs write in its place."""

from __future__ import annotations

import re

_JUNK = re.compile(
    r"""
    untitled[\W_]*(document|page|slide|presentation|form)?[\W_]*\d*
    | \(?anonymous\)? | \(?unspecified\)? | unknown | title | \(?no\ title\)? | none | null
    | (new\ )?document\ ?\d* | dokument\ ?\d* | slide\ ?\d+ | print(out)? | print\ document
    | microsoft\ (office\ )?(word|excel|powerpoint|publisher|visio|outlook)\b.*
    | (microsoft\ )?(word|excel|powerpoint)\ -\ .*
    | powerpoint[- ]pr\w+ | presentation\ ?\d* | pr[äé]sentation\ ?\d*
    | .*\.(docx?|dotx?|xlsx?|pptx?|odt|ods|odp|rtf|pdf|indd|qxd|qxp|p65|pmd|fm|tex|dvi|ps|eps|x?html?|txt|wpd)
    | .*\.(pages|tiff?|jpe?g|png|cdr|ai|vsdx?)
    | ([a-z]:)?[\\/].* | file:.* | https?:.* | about:blank
    | scan(ned)?[\W_]*\d* | img[\W_]*\d+ | image[\W_]*\d+
    | [\W\d_]*
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def real_title(title: str) -> str:
    """Return a title of the metadata in one line, or "" if it only names a program, a file or nothing."""
    title = " ".join(title.replace("\0", "").split())
    return "" if _JUNK.fullmatch(title) else title
