"""Finds passages in a folder of Markdown files, by BM25: no database, no model, nothing to ingest."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import msgspec

import orbit

if TYPE_CHECKING:
    from bm25s import BM25  # type: ignore[import-untyped]  # it has no types


class MarkdownSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The keys of a section `markdown:`."""

    folder: Annotated[str, msgspec.Meta(description="Folder whose .md files are read, subfolders too.")]
    collection: Annotated[
        str, msgspec.Meta(description="Only API keys of this collection may read them; empty: all keys.")
    ] = ""


class Index(msgspec.Struct, frozen=True):
    """The passages of a folder as they were at one moment, and what finds them."""

    files: dict[Path, float]
    passages: list[orbit.Document]
    bm25: "BM25 | None"


class MarkdownFolder(orbit.Provider):
    """A folder of Markdown files as a source of passages."""

    Settings = MarkdownSettings
    settings: MarkdownSettings
    _index: Index

    def validate(self) -> Iterable[str]:
        """Tell of a folder that is not there; `orbit check` shows it."""
        if not Path(self.settings.folder).is_dir():
            yield f"folder: there is no folder '{self.settings.folder}'."

    async def __aenter__(self) -> Self:
        self._index = await asyncio.to_thread(read, Path(self.settings.folder))
        return self

    async def health(self) -> orbit.Health:
        """Tell how much there is to find."""
        return orbit.Health("ok", f"{len(self._index.passages)} passages of {len(self._index.files)} files")

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query, limit: int) -> list[orbit.Document]:
        """Find the passages that share the rarest words with the question."""
        if self.settings.collection not in ("", query.collection):
            return []
        return await asyncio.to_thread(self._find, query.text, limit)

    def _find(self, text: str, limit: int) -> list[orbit.Document]:
        import bm25s

        folder = Path(self.settings.folder)
        if self._index.files != look(folder):
            self._index = read(folder)
        index, limit = self._index, min(limit, len(self._index.passages))
        words = bm25s.tokenize(text, return_ids=False, show_progress=False)
        if index.bm25 is None or not words[0]:
            return []
        numbers, scores = index.bm25.retrieve(words, k=limit, show_progress=False)
        found = [(index.passages[number], float(score)) for number, score in zip(numbers[0], scores[0], strict=True)]
        # BM25 has no upper end; this maps it to 0..1 and keeps the order.
        return [msgspec.structs.replace(one, score=score / (1 + score)) for one, score in found if score > 0]


def look(folder: Path) -> dict[Path, float]:
    """Return the files of a folder with the times they were changed at."""
    return {path: path.stat().st_mtime for path in sorted(folder.rglob("*.md"))}


def read(folder: Path) -> Index:
    """Read all files of a folder."""
    import bm25s

    files = look(folder)
    passages = [
        passage for path in files for passage in split(path.relative_to(folder).as_posix(), path.read_text("utf-8"))
    ]
    words = bm25s.tokenize([passage.text for passage in passages], show_progress=False)
    if not words.vocab:
        return Index(files, passages, None)
    bm25 = bm25s.BM25()
    bm25.index(words, show_progress=False)
    return Index(files, passages, bm25)


def split(source: str, text: str) -> Iterator[orbit.Document]:
    """Yield the sections of a page, each with its heading."""
    for number, section in enumerate(re.split(r"^(?=#{1,6} )", text, flags=re.MULTILINE)):
        heading = re.match(r"#+ (.*)", section)
        if section.strip():
            title = heading[1].strip() if heading else source
            yield orbit.Document(id=f"{source}#{number}", text=section.strip(), source=source, title=title)
