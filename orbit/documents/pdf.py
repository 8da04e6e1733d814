"""Reads a PDF into one section per page with text."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from orbit.documents.sections import Content, Section, UnreadableError


def read_pdf(content: bytes) -> Content:
    """Extract the text of all pages. ``page`` in a section's metadata counts from 1."""
    from pypdf import PdfReader  # noqa: PLC0415  # only those who read PDF pay for it
    from pypdf.errors import DependencyError, PdfReadError  # noqa: PLC0415  # the same

    with _listening() as said:
        try:
            reader = PdfReader(io.BytesIO(content))
            if reader.is_encrypted and not reader.decrypt(""):
                raise UnreadableError("is encrypted; save it without a password")
            sections = tuple(
                Section(text, metadata={"page": number})
                for number, page in enumerate(reader.pages, start=1)
                if (text := page.extract_text().strip())
            )
            title = str(getattr(reader.metadata, "title", None) or "").strip()
        except UnreadableError:
            raise
        except DependencyError as error:
            raise UnreadableError("is encrypted; save it without a password") from error
        except PdfReadError as error:
            raise UnreadableError(f"is not a readable PDF: {_reason(error, said)}") from error
        except Exception as error:  # pypdf raises anything on a broken file
            raise UnreadableError(f"is not a readable PDF: {_reason(error, said)}") from error
    if not sections:
        why = f" ({said[0]})" if said else "; scanned pages need text recognition first"
        raise UnreadableError(f"is a PDF without text{why}")
    return Content(sections, title)


def _reason(error: Exception, said: list[str]) -> str:
    return str(error).strip().split("\n")[0] or (said[0] if said else type(error).__name__)


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect pypdf's log messages about a broken file instead of printing them."""
    said: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, collector = logging.getLogger("pypdf"), Collector()
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(collector)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield said
    finally:
        logger.removeHandler(collector)
        logger.propagate = propagate
