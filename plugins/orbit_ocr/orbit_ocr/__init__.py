"""Text recognition for ORBIT, by Tesseract."""

from orbit_ocr.provider import OcrProvider
from orbit_ocr.settings import OcrSettings

__all__ = ["OcrProvider", "OcrSettings"]
