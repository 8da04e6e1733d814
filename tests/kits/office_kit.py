"""Makes small Office documents by hand, with the parts that tests are about."""

import io
import zipfile
from collections.abc import Iterable, Mapping

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def archive_of(parts: Mapping[str, str | bytes]) -> bytes:
    """A zip of parts by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in parts.items():
            package.writestr(name, text)
    return out.getvalue()


def relations(**kinds: str) -> str:
    """The links of a part: by id, ``kind target``."""
    links = "".join(
        f'<Relationship Id="{name}" Type="{OFFICE}/{value.split()[0]}" Target="{value.split()[1]}"/>'
        for name, value in kinds.items()
    )
    return f'<Relationships xmlns="{RELATIONS}">{links}</Relationships>'


def paragraph(text: str, style: str = "", number: str = "", level: int = 0) -> str:
    properties = f'<w:pStyle w:val="{style}"/>' if style else ""
    if number:
        properties += f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def table(*rows: Iterable[object], cell: str = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>") -> str:
    lines = "".join(f"<w:tr>{''.join(cell.format(value) for value in row)}</w:tr>" for row in rows)
    return f"<w:tbl>{lines}</w:tbl>"


def docx(
    *body: str,
    styles: str = "",
    numbering: str = "",
    more: Mapping[str, str | bytes] | None = None,
    links: Mapping[str, str] | None = None,
) -> bytes:
    """A Word document. ``more`` are parts by name, ``links`` the document's relations to them."""
    names = {"Title": "Title", "Heading1": "heading 1", "Heading2": "heading 2"}
    known = "".join(
        f'<w:style w:type="paragraph" w:styleId="{style}"><w:name w:val="{name}"/></w:style>'
        for style, name in names.items()
    )
    return archive_of(
        {
            "word/document.xml": f"<w:document {W}><w:body>{''.join(body)}</w:body></w:document>",
            "word/styles.xml": f"<w:styles {W}>{styles or known}</w:styles>",
            "word/numbering.xml": f"<w:numbering {W}>{numbering}</w:numbering>",
            "word/_rels/document.xml.rels": relations(**(links or {})),
            **(more or {}),
        }
    )
