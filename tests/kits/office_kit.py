"""Makes small Office documents by hand, with the parts that tests are about."""

import io
import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence

from compound_kit import compound

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


def xls(*rows: Sequence[str | float]) -> bytes:
    """A workbook of Excel 97 with a sheet named Costs."""

    def record(kind: int, data: bytes) -> bytes:
        return struct.pack("<HH", kind, len(data)) + data

    def begin(kind: int) -> bytes:
        return record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0, 0, 0, 0x0600))

    cells = b""
    for row, values in enumerate(rows):
        for column, value in enumerate(values):
            place = struct.pack("<HHH", row, column, 0)
            if isinstance(value, str):
                text = value.encode("latin-1")
                cells += record(0x0204, place + struct.pack("<HB", len(text), 0) + text)
            else:
                cells += record(0x0203, place + struct.pack("<d", value))
    name = b"Costs"
    start = len(begin(5)) + 4 + 8 + len(name) + 4
    book = begin(5) + record(0x0085, struct.pack("<IBBBB", start, 0, 0, len(name), 0) + name) + record(0x000A, b"")
    return compound({"Workbook": book + begin(0x10) + cells + record(0x000A, b"")})
