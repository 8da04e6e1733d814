"""A splitter with a size for each kind of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from orbit import Provider, Section, hookimpl

Size = Annotated[int, Meta(ge=1)]


class SplitterSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Section ``splitter``."""

    prose_size: Annotated[Size, Meta(description="Longest passage of prose, in characters.")] = 900
    table_size: Annotated[Size, Meta(description="Longest passage of a table, in characters.")] = 900
    code_size: Annotated[Size, Meta(description="Longest passage of source code or a log, in characters.")] = 1_800
    overlap: Annotated[int, Meta(ge=0, description="Characters that adjacent passages of prose share.")] = 100


class Splitter(Provider):
    """Splits as ORBIT does without a splitter, but with a size for each kind of text."""

    Settings = SplitterSettings
    settings: SplitterSettings

    @hookimpl
    def split(self, sections: Sequence[Section]) -> Sequence[Section]:
        """Split between rows, lines, paragraphs or sentences."""
        from orbit.builtin.section_splitting import Sizes, split  # noqa: PLC0415  # only reading processes split

        own = self.settings
        return split(sections, Sizes(own.prose_size, own.table_size, own.code_size, own.overlap))
