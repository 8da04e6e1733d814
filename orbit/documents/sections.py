"""Output of the readers: titled sections of text, not yet cut to size."""

from __future__ import annotations

import msgspec

from orbit.types import MetadataValue


class Section(msgspec.Struct, frozen=True):
    """A coherent piece of a file.

    ``path`` is the list of headings above it, outermost first. ``markdown`` selects the splitter; ``whole`` forbids
    splitting. ``header`` is the first lines of a table, which each of its passages repeats. ``metadata`` says where the
    section is in the file: ``page``, ``sheet``, ``row``, ``slide`` or ``line``, each from 1.
    """

    text: str
    path: tuple[str, ...] = ()
    title: str = ""
    metadata: dict[str, MetadataValue] = {}
    markdown: bool = False
    whole: bool = False
    header: str = ""


class Content(msgspec.Struct, frozen=True):
    """All of a file's text. ``title`` is empty if the file has none.

    ``warnings`` name what could not be read or had to be guessed, each a sentence for the person who added the file.
    """

    sections: tuple[Section, ...]
    title: str = ""
    warnings: tuple[str, ...] = ()


class UnreadableError(Exception):
    """The file has no readable text. The message continues a sentence that begins with the file's name.

    ``passing`` says that the reason lies in the machine, such as a failing disk, so that nothing is known of the file.
    """

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        self.passing = passing
        super().__init__(reason)
