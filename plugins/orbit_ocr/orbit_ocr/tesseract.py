"""Runs Tesseract on a picture, and puts its words together."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby

import msgspec

from orbit import UnreadableError
from orbit_ocr.settings import OcrSettings

_ASKING_SECONDS = 20.0
_WORD = "5"
"""The level of a word in Tesseract's table."""
_COLUMNS = 12
_MOST_OUTPUT = 50_000_000
_DIVIDED = re.compile(r"(?<=[^\W\d_])[-\u2010\u00ad]\n([^\W\d_])")


class Line(msgspec.Struct, frozen=True):
    """A line of a page, with the number of its paragraph and how sure Tesseract is, in percent."""

    page: int
    paragraph: tuple[str, str]
    text: str
    confidence: float


def recognised(picture: bytes, settings: OcrSettings, seconds: float) -> list[Line]:
    """Return the lines of a picture. Raises UnreadableError."""
    command = [settings.command, "stdin", "stdout", "-l", "+".join(settings.languages), "tsv"]
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}  # ORBIT reads as many files at once as there are cores
    try:
        done = subprocess.run(  # noqa: S603  # the operator's program
            command, input=picture, capture_output=True, timeout=seconds, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UnreadableError(f"could not be recognised within {seconds:.3g} s (ocr.timeout)") from error
    except OSError as error:
        raise UnreadableError(f"cannot be recognised: {settings.command}: {error.strerror or error}") from error
    if done.returncode or len(done.stdout) > _MOST_OUTPUT:
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[:300]
        raise UnreadableError(f"is not a picture that Tesseract can read: {said or f'exit code {done.returncode}'}")
    return list(_lines(done.stdout.decode("utf-8", "replace").split("\n")[1:]))


def text_of(lines: Iterable[Line]) -> str:
    """Return lines as paragraphs, with words whole that the end of a line divides."""
    paragraphs = ("\n".join(line.text for line in lines) for _, lines in groupby(lines, lambda line: line.paragraph))
    return "\n\n".join(_DIVIDED.sub(_joined, paragraph) for paragraph in paragraphs)


def _joined(divided: re.Match[str]) -> str:
    return divided[1] if divided[1].islower() else divided[0]


@lru_cache(maxsize=8)
def installed_languages(command: str) -> frozenset[str]:
    """Return the languages that Tesseract has. Raises OSError or subprocess.SubprocessError."""
    done = subprocess.run(  # noqa: S603  # the operator's program
        [command, "--list-langs"], capture_output=True, text=True, timeout=_ASKING_SECONDS, check=True
    )
    return frozenset(line.strip() for line in done.stdout.splitlines()[1:] if line.strip())


def _lines(rows: Iterable[str]) -> Iterator[Line]:
    words = (cells for row in rows if len(cells := row.split("\t")) == _COLUMNS and cells[0] == _WORD)
    for (page, block, paragraph, _), line in groupby(words, lambda cells: tuple(cells[1:5])):
        found = [(word, float(cells[10])) for cells in line if (word := cells[11].strip())]
        if found:
            letters = sum(len(word) for word, _ in found)
            sure = sum(len(word) * confidence for word, confidence in found) / letters
            yield Line(int(page), (block, paragraph), " ".join(word for word, _ in found), sure)
