"""Reads PDF with PDFium: each page's text in reading order, its tables row by row, its form values."""

from orbit.documents.formats.pdf.reader import read_pdf

__all__ = ["read_pdf"]
