"""What a reader makes of a file: titled sections of text, not yet cut to size."""

from __future__ import annotations

import msgspec

from orbit.types import MetadataValue


class Section(msgspec.Struct, frozen=True):
    """A piece of a file that belongs together.

    ``path`` are the headings above it, outermost first. ``markdown`` tells how to cut it; ``whole`` says not to.
    """

    text: str
    path: tuple[str, ...] = ()
    title: str = ""
    metadata: dict[str, MetadataValue] = {}
    markdown: bool = False
    whole: bool = False


class Content(msgspec.Struct, frozen=True):
    """All of a file's text. ``title`` is empty if the file does not tell it."""

    sections: tuple[Section, ...]
    title: str = ""


class UnreadableError(Exception):
    """The file gives no text. Its message says why, as the end of a sentence that begins with the file's name."""
