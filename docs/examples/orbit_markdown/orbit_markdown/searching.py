"""Splits a folder's files into passages and searches them with BM25. All of it blocks, so the provider uses threads."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import orbit

if TYPE_CHECKING:
    from bm25s import BM25  # type: ignore[import-untyped]  # it has no types


class Index(msgspec.Struct, frozen=True):
    """A snapshot of a folder's passages with a search index."""

    files: dict[Path, float]
    passages: list[orbit.Document]
    bm25: "BM25 | None"

    def find(self, question: str, limit: int) -> list[orbit.Document]:
        """Return the passages that share the rarest words with a question, best first."""
        import bm25s

        words = bm25s.tokenize(question, return_ids=False, show_progress=False)
        if self.bm25 is None or not words[0]:
            return []
        most = min(limit, len(self.passages))
        numbers, scores = self.bm25.retrieve(words, k=most, show_progress=False)
        found = [(self.passages[number], float(score)) for number, score in zip(numbers[0], scores[0], strict=True)]
        # BM25 scores have no upper bound; this maps them to 0..1 and keeps their order.
        return [msgspec.structs.replace(one, score=score / (1 + score)) for one, score in found if score > 0]


def look(folder: Path) -> dict[Path, float]:
    """Return the files of a folder with their modification times."""
    return {path: path.stat().st_mtime for path in sorted(folder.rglob("*.md"))}


def read(folder: Path) -> Index:
    """Read all files of a folder."""
    import bm25s

    files = look(folder)
    texts = {path.relative_to(folder).as_posix(): path.read_text("utf-8", errors="replace") for path in files}
    passages = [passage for source, text in texts.items() for passage in split(source, text)]
    words = bm25s.tokenize([passage.text for passage in passages], show_progress=False)
    if not words.vocab:
        return Index(files, passages, None)
    bm25 = bm25s.BM25()
    bm25.index(words, show_progress=False)
    return Index(files, passages, bm25)


def split(source: str, text: str) -> Iterator[orbit.Document]:
    """Yield the non-empty sections of a page, each with its heading."""
    for number, section in enumerate(re.split(r"^(?=#{1,6} )", text, flags=re.MULTILINE)):
        heading = re.match(r"#+ (.*)", section)
        title, below = (heading[1].strip(), section[heading.end() :]) if heading else (source, section)
        if below.strip():
            yield orbit.Document(id=f"{source}#{number}", text=section.strip(), source=source, title=title)
