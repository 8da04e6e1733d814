"""The reader of pictures keeps the contract of ``read``."""

import shutil
from typing import Any

import pypdfium2  # type: ignore[import-untyped]  # it has no types
import pytest
from pdf_kit import line, make_pdf

from orbit import SourceFile
from orbit.documents.formats.pdf.pictures import png
from orbit.testing import BaseReadContract

pytestmark = pytest.mark.skipif(shutil.which("tesseract") is None, reason="needs tesseract (Debian: tesseract-ocr)")


class TestOcr(BaseReadContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "ocr"

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {}

    @pytest.fixture
    def file(self) -> SourceFile:
        document = pypdfium2.PdfDocument(make_pdf([line(72, 700, "The ferry leaves at seven.", 24)]))
        try:
            bitmap = document[0].render(scale=1.5, grayscale=True)
            return SourceFile("sign.png", png(bitmap.width, bitmap.height, bytes(bitmap.buffer), bitmap.stride))
        finally:
            document.close()
