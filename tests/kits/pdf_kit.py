"""Makes small PDF files, page by page, from what is written where."""

from __future__ import annotations

import zlib

ENCODING = "<< /Type /Encoding /Differences [1 /fi /fl /ff /ffi /ffl] >>"
"""Ligatures as bytes 1 to 5, as TeX has them."""


def line(x: float, y: float, text: str, size: int = 10, turn: str = "1 0 0 1") -> str:
    """One line of text, ``x`` and ``y`` in points from the bottom left corner. ``turn`` is the text's matrix."""
    return f"BT /F1 {size} Tf {turn} {x} {y} Tm ({text}) Tj ET"


def field(name: str, value: str, x: float, y: float, extra: str = "") -> str:
    """A text field with a value and no looks of its own."""
    return (
        f"<< /Type /Annot /Subtype /Widget /FT /Tx /T ({name}) /V ({value}) /F 4 {extra}"
        f" /DA (/F1 10 Tf 0 g) /Rect [{x} {y} {x + 200} {y + 14}] >>"
    )


def make_pdf(
    *pages: list[str] | str | None, title: str = "", fields: list[str] | None = None, rotate: int = 0, junk: bytes = b""
) -> bytes:
    """A file of pages, each a list of drawing operators; None is one that cannot be read. Page 1 has the ``fields``."""
    objects = [
        b"",
        b"",
        f"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding {ENCODING} >>".encode(),
        b"<< /Title (" + title.encode("latin-1") + b") >>",
    ]
    annotations = []
    for one in fields or []:
        objects.append(one.encode("latin-1"))
        annotations.append(f"{len(objects)} 0 R")
    kids = []
    for number, page in enumerate(pages):
        kids.append(f"{len(objects) + 1} 0 R")
        if page is None:
            objects.append(b"null")
            continue
        stream = zlib.compress(("\n".join(page) if isinstance(page, list) else page).encode("latin-1"))
        notes = f"/Annots [{' '.join(annotations)}]" if annotations and not number else ""
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Rotate {rotate} {notes} "
            f"/Contents {len(objects) + 2} 0 R /Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream))
    form = f"/AcroForm << /Fields [{' '.join(annotations)}] /DR << /Font << /F1 3 0 R >> >> >>" if annotations else ""
    objects[0] = f"<< /Type /Catalog /Pages 2 0 R {form} >>".encode()
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
    return written(objects, "/Info 4 0 R", junk)


def scanned(content: bytes, dots: int = 150) -> bytes:
    """A file whose pages are pictures of another's, without text."""
    import pypdfium2  # type: ignore[import-untyped]  # it has no types

    document = pypdfium2.PdfDocument(content)
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids = []
    for page in document:
        bitmap = page.render(scale=dots / 72, grayscale=True)
        rows = (bytes(bitmap.buffer)[row * bitmap.stride :][: bitmap.width] for row in range(bitmap.height))
        pixels, draw = zlib.compress(b"".join(rows)), b"612 0 0 792 0 0 cm /I Do"
        kids.append(f"{len(objects) + 1} 0 R")
        resources = f"<< /XObject << /I {len(objects) + 3} 0 R >> >>"
        place = f"/MediaBox [0 0 612 792] /Contents {len(objects) + 2} 0 R"
        objects.append(f"<< /Type /Page /Parent 2 0 R {place} /Resources {resources} >>".encode())
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(draw), draw))
        kind = f"/Type /XObject /Subtype /Image /Width {bitmap.width} /Height {bitmap.height}"
        form = f"/ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /FlateDecode /Length {len(pixels)}"
        objects.append(f"<< {kind} {form} >>\nstream\n".encode() + pixels + b"\nendstream")
        bitmap.close()
        page.close()
    document.close()
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
    return written(objects)


def written(objects: list[bytes], trailer: str = "", junk: bytes = b"") -> bytes:
    """A file of objects, the first of which is the catalog. ``junk`` comes before them."""
    out, offsets = bytearray(b"%PDF-1.4\n" + junk), []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF".encode()
    return bytes(out)
