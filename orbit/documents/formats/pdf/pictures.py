"""Draws the pages of a PDF that hold pictures and no text, and has a plugin read them."""

from __future__ import annotations

import ctypes
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import msgspec

from orbit.documents.file_types import PICTURE
from orbit.documents.sections import Content, Section, UnreadableError
from orbit.types import SourceFile

_SCALE = 300 / 72
"""Pixels for each point: 300 dots an inch, at which text recognition works best."""
_MOST_PIXELS = 40_000_000
_MOST_OBJECTS = 100
"""Things drawn on a page to look at. A scanned page has few."""
_MOST_OF_IT = 0.5
_SPARE = 2.0
"""The next page must fit into the time left even if it takes so many times as long as the slowest before."""

Reader = Callable[[SourceFile], Content]
deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
"""When the file must have been read, on the monotonic clock."""


class Recognised(msgspec.Struct):
    """The pages that were read from their pictures, and why others were not."""

    sections: dict[int, Sequence[Section]] = {}
    warnings: list[str] = []
    left: list[int] = []
    """Pages for which there was no time."""


def recognise(document: Any, pages: Sequence[int], read: Reader) -> Recognised:
    """Read pages, which count from 1, as long as there is time. Call it where PDFium may run."""
    found = Recognised()
    slowest = 0.0
    for place, page in enumerate(pages):
        begun, end = time.monotonic(), deadline.get()
        if end is not None and begun + _SPARE * slowest > end:
            found.left = list(pages[place:])
            break
        try:
            content = read(SourceFile(f"page {page}{PICTURE}", _drawn(document, page - 1)))
        except UnreadableError as error:
            found.warnings.append(f"Page {page}: the text recognition says that it {error}.")
            continue
        slowest = max(slowest, time.monotonic() - begun)
        sections = [one for one in content.sections if one.text.strip()]
        found.warnings += (f"Page {page}: {warning}" for warning in content.warnings)
        if sections:
            found.sections[page] = [
                msgspec.structs.replace(one, metadata={**one.metadata, "page": page}) for one in sections
            ]
    return found


def has_pictures(document: Any, number: int) -> bool:
    """Whether a page, which counts from 0, shows anything at all."""
    import pypdfium2.raw as pdfium  # type: ignore[import-untyped]  # noqa: PLC0415  # see reader.py

    page = document[number]
    try:
        return bool(pdfium.FPDFPage_CountObjects(page))
    finally:
        page.close()


def is_scanned(document: Any, number: int) -> bool:
    """Whether a picture covers most of a page, which counts from 0."""
    import pypdfium2.raw as pdfium  # noqa: PLC0415  # see reader.py

    page = document[number]
    try:
        width, height = page.get_size()
        left, bottom, right, top = (ctypes.c_float() for _ in range(4))
        for index in range(min(pdfium.FPDFPage_CountObjects(page), _MOST_OBJECTS)):
            drawn = pdfium.FPDFPage_GetObject(page, index)
            if pdfium.FPDFPageObj_GetType(drawn) not in (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM):
                continue
            pdfium.FPDFPageObj_GetBounds(drawn, *map(ctypes.byref, (left, bottom, right, top)))
            if (right.value - left.value) * (top.value - bottom.value) > _MOST_OF_IT * width * height:
                return True
        return False
    finally:
        page.close()


def _drawn(document: Any, number: int) -> bytes:
    page = document[number]
    try:
        width, height = page.get_size()
        most = (_MOST_PIXELS / max(1.0, width * height)) ** 0.5
        bitmap = page.render(scale=min(_SCALE, most), grayscale=True)
        try:
            return png(bitmap.width, bitmap.height, bytes(bitmap.buffer), bitmap.stride)
        finally:
            bitmap.close()
    finally:
        page.close()


def png(width: int, height: int, pixels: bytes, stride: int) -> bytes:
    """Return a picture of grey pixels, a byte each; a row takes ``stride`` bytes."""
    rows = b"".join(b"\0" + pixels[row * stride : row * stride + width] for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )
