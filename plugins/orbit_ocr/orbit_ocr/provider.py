"""The reader of pictures, and of the pages of a PDF that hold nothing else."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterable
from itertools import groupby

import orbit
from orbit_ocr.settings import OcrSettings
from orbit_ocr.tesseract import Line, installed_languages, recognised, text_of

_UNSURE = 70.0
"""Percent below which a page gets a warning."""
_LEAST = 1.0
"""Seconds for Tesseract, at least, however little is left for the file."""
_SPARE = 1.0
"""Seconds that are left for ORBIT after Tesseract."""


class OcrProvider(orbit.Provider):
    """Recognises text in pictures and scanned pages."""

    ORBIT_API = 2
    Settings = OcrSettings
    settings: OcrSettings

    def validate(self) -> Iterable[str]:
        """Check that Tesseract is installed, with its languages."""
        command = self.settings.command
        if shutil.which(command) is None:
            yield f"the program {command} is not installed; on Debian: apt install tesseract-ocr"
            return
        try:
            missing = [name for name in self.settings.languages if name not in installed_languages(command)]
        except (OSError, subprocess.SubprocessError) as error:
            yield f"{command} does not say which languages it has: {error}"
            return
        for name in missing:
            package = f"tesseract-ocr-{name.lower().replace('_', '-')}"
            yield f"languages: Tesseract has no {name}; on Debian: apt install {package}"

    def reads(self) -> Iterable[str]:
        """Return the extensions of pictures. ORBIT gives pages of a PDF as ``.png``."""
        return (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")

    @orbit.hookimpl
    def read(self, file: orbit.SourceFile, context: orbit.CallContext) -> orbit.Content:
        """Return the text of a picture, a section for each page of it."""
        seconds = self.settings.timeout
        if context.deadline is not None:
            seconds = min(seconds, max(_LEAST, context.deadline - time.monotonic() - _SPARE))
        lines = recognised(file.content, self.settings, seconds)
        kept = [line for line in lines if line.confidence >= self.settings.least_confidence]
        pages = [list(page) for _, page in groupby(kept, lambda line: line.page)]
        several = any(line.page > 1 for line in lines)
        sections = [orbit.Section(text_of(page), metadata={"page": page[0].page} if several else {}) for page in pages]
        return orbit.Content(tuple(sections), warnings=tuple(_warnings(lines, kept)))


def _warnings(lines: list[Line], kept: list[Line]) -> Iterable[str]:
    if len(kept) < len(lines):
        yield f"{len(lines) - len(kept)} lines are left out, because they are hardly legible."
    sure = sum(line.confidence for line in kept) / len(kept) if kept else 100.0
    if sure < _UNSURE:
        yield f"The text is hard to recognise (Tesseract is sure of {sure:.0f} %)."
