"""Values of form fields and the text of notes, which are not part of a page's own text."""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from orbit.documents.formats.pdf.piece import HYPHEN, Piece

_LONGEST = 100_000
"""Bytes of one value to read, in UTF-16."""
_NEAR = 2.0
"""Points by which a value may begin before its label ends."""
_MOST = 5_000
"""Annotations of a page to look at. Forms have fewer; drawings may have a link for each stroke."""
_MOST_OPTIONS = 1_000
_PASSWORD = 1 << 13
"""The flag of a field that shows its value to nobody."""


class Value(msgspec.Struct):
    """A value with its place. ``shown`` says whether the file knows how it looks on the page."""

    text: str
    box: tuple[float, float, float, float]
    shown: bool


def values_of(pdfium: Any, document: Any, page: Any) -> list[Value]:
    """Return the filled fields, notes and stamps of a page."""
    return [
        value
        for index in range(min(pdfium.FPDFPage_GetAnnotCount(page), _MOST))
        if (value := _value(pdfium, document, pdfium.FPDFPage_GetAnnot(page, index))) is not None
    ]


def with_values(own: list[Piece], flattened: list[Piece], values: Sequence[Value]) -> list[Piece]:
    """Return a page's text with its values, each once.

    ``flattened`` is the page after PDFium has drawn the values on it, which some files' fonts do not survive.
    """
    pieces = list(own if _words(own) - _words(flattened) else flattened)
    drawn: dict[str, list[Piece]] = {}
    for piece in pieces:
        drawn.setdefault("".join(piece.text.split()), []).append(piece)
    seen = "".join("".join(piece.text.split()) for piece in pieces)
    for value in values:
        bare = "".join(value.text.split())
        if not bare:
            continue
        for piece in drawn.get(bare, ()):
            piece.text = value.text  # one character in each box of the form
        if bare not in seen:
            pieces.append(Piece(value.text, *value.box, line=len(pieces)))
    known = {_key(piece) for piece in own}
    return _beside_labels([piece for piece in pieces if _key(piece) in known], pieces)


def _key(piece: Piece) -> tuple[str, int, int]:
    return piece.text, round(piece.left), round(piece.top)


def _beside_labels(own: Sequence[Piece], pieces: Sequence[Piece]) -> list[Piece]:
    """Return a page's text with each value after what is to the left of it. Files have all values after all labels."""
    after: dict[int, list[Piece]] = {}
    rest = []
    mine = {id(piece) for piece in own}
    for value in pieces:
        if id(value) in mine:
            continue
        labels = [label for label in own if label.right <= value.left + _NEAR and _in_row(label, value)]
        if labels:
            label = max(labels, key=lambda one: one.right)
            value.line = label.line
            after.setdefault(id(label), []).append(value)
        else:
            rest.append(value)
    return [one for piece in own for one in (piece, *sorted(after.get(id(piece), ()), key=lambda v: v.left))] + rest


def _in_row(one: Piece, other: Piece) -> bool:
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    return shared >= 0.5 * min(one.height, other.height)  # most of the lower one


def _words(pieces: Sequence[Piece]) -> Counter[str]:
    return Counter(word for piece in pieces for word in piece.text.replace(HYPHEN, "").split())


def _value(pdfium: Any, document: Any, annotation: Any) -> Value | None:
    if not annotation:
        return None
    try:
        kind = pdfium.FPDFAnnot_GetSubtype(annotation)
        shown = bool(pdfium.FPDFAnnot_HasKey(annotation, b"AP"))
        text = ""
        if kind == pdfium.FPDF_ANNOT_WIDGET and document.formenv:
            text = _text(pdfium.FPDFAnnot_GetFormFieldValue, document.formenv, annotation)
            field = pdfium.FPDFAnnot_GetFormFieldType(document.formenv, annotation)
            if field == pdfium.FPDF_FORMFIELD_TEXTFIELD and (
                pdfium.FPDFAnnot_GetFormFieldFlags(document.formenv, annotation) & _PASSWORD
            ):
                return None
            if field == pdfium.FPDF_FORMFIELD_COMBOBOX:
                text = _chosen(pdfium, document.formenv, annotation) or text
            if field in (pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX):
                shown = shown and bool(text)
            else:
                text = ""  # the value of a box to tick is an internal name; its looks show it
        elif kind == pdfium.FPDF_ANNOT_WIDGET:  # the page was taken out of its form
            text = _text(pdfium.FPDFAnnot_GetStringValue, annotation, b"V")
        elif kind == pdfium.FPDF_ANNOT_FREETEXT:
            text = _text(pdfium.FPDFAnnot_GetStringValue, annotation, b"Contents")
        elif kind != pdfium.FPDF_ANNOT_STAMP:
            return None
        rect = pdfium.FS_RECTF()
        pdfium.FPDFAnnot_GetRect(annotation, ctypes.byref(rect))
        return Value(" ".join(text.split()), (rect.left, -rect.top, rect.right, -rect.bottom), shown)
    finally:
        pdfium.FPDFPage_CloseAnnot(annotation)


def _chosen(pdfium: Any, forms: Any, annotation: Any) -> str:
    """Return the chosen option of a list as its page shows it; its value may be a code."""
    for index in range(min(pdfium.FPDFAnnot_GetOptionCount(forms, annotation), _MOST_OPTIONS)):
        if pdfium.FPDFAnnot_IsOptionSelected(forms, annotation, index):
            return _text(pdfium.FPDFAnnot_GetOptionLabel, forms, annotation, index)
    return ""


def _text(getter: Any, *arguments: Any) -> str:
    """Return a string that PDFium writes into a buffer, as UTF-16."""
    size = min(getter(*arguments, None, 0), _LONGEST)
    if size <= 2:  # noqa: PLR2004  # only the NUL at its end
        return ""
    buffer = ctypes.create_string_buffer(size)
    getter(*arguments, ctypes.cast(buffer, ctypes.POINTER(ctypes.c_ushort)), size)
    return buffer.raw[: size - 2].decode("utf-16-le", "replace")
