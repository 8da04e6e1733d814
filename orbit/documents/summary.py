"""Progress and outcome of an ingestion."""

from __future__ import annotations

import msgspec


class Reasoned(msgspec.Struct, frozen=True):
    """A source, and why it had its outcome: mostly the rest of a sentence that begins with the source's name."""

    source: str
    reason: str


class Skipped(Reasoned, frozen=True):
    """A file without usable text."""


class Failed(Reasoned, frozen=True):
    """A file whose passages the store or the embedding model rejected."""


class Removed(Reasoned, frozen=True):
    """A source whose earlier passages ingestion removed."""


class Kept(Reasoned, frozen=True):
    """A source whose earlier passages still answer, although this run did not read it."""


class Warned(msgspec.Struct, frozen=True):
    """A stored file of which a part could not be read or had to be guessed. Each warning is a sentence."""

    source: str
    warnings: tuple[str, ...]


class Shortened(msgspec.Struct, frozen=True):
    """A stored file with passages too long for the embedding model, which read them cut or in parts."""

    source: str
    passages: int
    """The number of such passages."""
    reason: str
    """What happened to the first of them."""


class Summary(msgspec.Struct, frozen=True):
    """The outcome for every file. ``stopped`` says why the rest was not tried; empty if all were."""

    collection: str
    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    failed: tuple[Failed, ...] = ()
    passages: int = 0
    stopped: str = ""
    shortened: tuple[Shortened, ...] = ()
    removed: tuple[Removed, ...] = ()
    kept: tuple[Kept, ...] = ()
    warnings: tuple[Warned, ...] = ()

    @property
    def usable(self) -> int:
        """The number of files that are in the collection now."""
        return len(self.added) + len(self.updated) + len(self.unchanged)


class Progress(msgspec.Struct, frozen=True):
    """Progress: files done out of all, and passages written.

    ``embedded`` of the ``waiting`` passages, the batch at work, have been embedded.
    """

    done: int
    total: int
    passages: int
    embedded: int = 0
    waiting: int = 0
