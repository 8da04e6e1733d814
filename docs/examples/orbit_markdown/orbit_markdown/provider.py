"""The provider, which ORBIT calls. ORBIT's docs/hooks.md documents the hooks."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import orbit

from orbit_markdown.searching import Index, look, read
from orbit_markdown.settings import MarkdownSettings


class Markdown(orbit.Provider):
    """A folder of Markdown files as a source of passages."""

    Settings = MarkdownSettings
    settings: MarkdownSettings
    _index: Index

    def validate(self) -> Iterable[str]:
        """Yield a missing folder; `orbit check` shows it."""
        if not Path(self.settings.folder).is_dir():
            yield f"folder: the folder '{self.settings.folder}' does not exist."

    async def __aenter__(self) -> Self:
        self._index = await asyncio.to_thread(read, Path(self.settings.folder))
        return self

    async def health(self) -> orbit.Health:
        """Return the number of passages and files."""
        return orbit.Health("ok", f"{len(self._index.passages)} passages of {len(self._index.files)} files")

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query, limit: int) -> list[orbit.Document]:
        """Search the files in their current state."""
        if self.settings.collection not in ("", query.collection):
            return []
        return await asyncio.to_thread(self._find, query.text, limit)

    def _find(self, question: str, limit: int) -> list[orbit.Document]:
        folder = Path(self.settings.folder)
        if self._index.files != look(folder):
            self._index = read(folder)
        return self._index.find(question, limit)
