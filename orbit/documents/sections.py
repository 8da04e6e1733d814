"""Output of the readers: titled sections of text, not yet cut to size."""

from __future__ import annotations

import msgspec

from orbit.types import MetadataValue


class Section(msgspec.Struct, frozen=True):
    """A coherent piece of a file.

    ``path`` is the list of headings above it, outermost first. ``markdown`` selects the splitter; ``whole`` forbids
    splitting.
    """

    text: str
    path: tuple[str, ...] = ()
    title: str = ""
    metadata: dict[str, MetadataValue] = {}
    markdown: bool = False
    whole: bool = False


class Content(msgspec.Struct, frozen=True):
    """All of a file's text. ``title`` is empty if the file has none."""

    sections: tuple[Section, ...]
    title: str = ""


class UnreadableError(Exception):
    """The file has no readable text. The message continues a sentence that begins with the file's name."""
