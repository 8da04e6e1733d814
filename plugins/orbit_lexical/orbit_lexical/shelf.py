"""The full-text index of one collection in a folder. Everything here blocks."""

from __future__ import annotations

import math
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from orbit import Document, Query
from orbit.filters import first_allowed
from orbit_lexical import conditions
from orbit_lexical.backup import no_backup
from orbit_lexical.terms import asked, indexed, is_identifier

if TYPE_CHECKING:
    import tantivy

_FORMAT: Final = 1
"""The version of terms and fields. Another one needs a new index."""

_WRITER_BYTES: Final = 64_000_000
_MOST_TERMS: Final = 32
"""Terms of each kind that are searched for: the rarest. Those that most passages have cost time and order by chance."""

_TELLING: Final = 5.0
"""How rare a question's rarest term must be for a full score: a natural logarithm, here of one passage in 150."""
_MANY: Final = 40
"""Passages from which how often a term occurs says how common it is. Three versions of one file share all terms."""
_STEM_WEIGHT: Final = 0.3
"""The weight of whole words beside that of their pieces, chosen on articles in eight languages (bench/quality.py)."""

_IDENTIFIER_WEIGHT: Final = 1.5
"""The weight of words with digits: two codes share many pieces, but only one is meant. With 1.0, one of 120 codes in
passages of long tables stayed below the threshold beside vectors that know no code."""

_SOURCE, _STEMS, _PIECES, _FILED, _RECORD = "source", "stems", "pieces", "first", "record"
_ALL_SOURCES: Final = "1"

_DECODE: Final = msgspec.msgpack.Decoder(Document).decode
_ENCODE: Final = msgspec.msgpack.Encoder().encode


class Busy(Exception):
    """Another process is writing this index."""


class Shelf(msgspec.Struct, frozen=True):
    """An opened index as it was at one moment; ``stamp`` tells whether it has changed since."""

    index: Any
    searcher: Any
    stamp: tuple[int, ...]

    def count(self) -> int:
        """Return the number of passages."""
        return int(self.searcher.num_docs)

    def sources(self) -> dict[str, str]:
        """Return each source with its digest."""
        return {document.source: document.digest for document in self._matching(_FILED, [_ALL_SOURCES])}

    def documents(self, sources: Sequence[str]) -> list[Document]:
        """Return all passages of some sources, in the order in which they were written."""
        found = list(self._matching(_SOURCE, sources))
        places = {source: place for place, source in enumerate(sources)}
        return sorted(found, key=lambda document: places[document.source])

    def search(self, query: Query, limit: int) -> list[Document]:
        """Return the passages that share the rarest terms with a question, best first, of those that it may find.

        The score is the share of the question's terms that a passage of average length has, each weighed by how rare
        it is: 1 if it has all, also those that no passage has. It is lower if none of them is rare: a word that most
        passages have says little about which of them answers.
        """
        import tantivy  # noqa: PLC0415 - importing a plugin stays light

        words, bound = self._query(*asked(query.text))
        if words is None:
            return []

        def best(count: int, *, narrowed: bool = False) -> list[Document]:
            wanted = words
            if narrowed:
                filtered = conditions.query_of(query, self._filing)
                wanted = tantivy.Query.boolean_query([(tantivy.Occur.Must, words), (tantivy.Occur.Must, filtered)])
            hits = self.searcher.search(wanted, count, count=False).hits
            return [
                msgspec.structs.replace(self._record(address), score=min(1.0, score / bound)) for score, address in hits
            ]

        return first_allowed(query, limit, best, partial(best, narrowed=True))

    def _filing(self, term: str) -> tantivy.Query:
        import tantivy  # noqa: PLC0415 - importing a plugin stays light

        return tantivy.Query.term_query(self.index.schema, _FILED, _term(term), "basic")

    def _query(self, stems: list[list[str]], pieces: list[str]) -> tuple[Any, float]:
        """Return tantivy's query, and the score of a passage that has each term once."""
        import tantivy  # noqa: PLC0415 - importing a plugin stays light

        identifiers = [forms for forms in stems if is_identifier(forms[0])]
        others = [forms for forms in stems if not is_identifier(forms[0])]
        clauses: list[Any] = []
        total = rarest = 0.0
        for field, weight, groups in (
            (_STEMS, _IDENTIFIER_WEIGHT, identifiers),
            (_STEMS, _STEM_WEIGHT, others),
            (_PIECES, 1.0, [[piece] for piece in pieces]),
        ):
            weighed = sorted((self._weighed(field, forms) for forms in groups), key=lambda one: -one[0])
            absent = [one for one in weighed if not one[1]]
            weighed = [*absent, *[one for one in weighed if one[1]][:_MOST_TERMS]]
            bound = sum(idf for idf, _ in weighed)
            rarest = max(rarest, weighed[0][0] if weighed else 0.0)
            for idf, present in weighed:
                queries = [self._term(field, form, weight / bound, idf, own) for form, own in present.items()]
                if queries:
                    term = queries[0] if len(queries) == 1 else tantivy.Query.disjunction_max_query(queries)
                    clauses.append((tantivy.Occur.Should, term))
            total += weight if weighed else 0.0
        missing = max(1.0, min(_TELLING, self._idf(1)) / max(rarest, 0.01))
        total *= missing ** min(1.0, self.searcher.num_docs / _MANY)
        return (tantivy.Query.boolean_query(clauses) if clauses else None), total

    def _term(self, field: str, form: str, weight: float, idf: float, own: float) -> tantivy.Query:
        """Return the query for a form of a term, which counts as its term does: ``idf`` is the term's, ``own`` its own.

        An identifier counts in full however long the passage is: it is there or not.
        """
        import tantivy  # noqa: PLC0415 - importing a plugin stays light

        query = tantivy.Query.term_query(self.index.schema, field, form, "freq")
        if field == _STEMS and is_identifier(form):
            return tantivy.Query.const_score_query(query, weight * idf)
        return tantivy.Query.boost_query(query, weight * idf / own)

    def _weighed(self, field: str, forms: Sequence[str]) -> tuple[float, dict[str, float]]:
        """Return how rare a term is, and how rare each of its forms is that the index has."""
        counts = {form: int(self.searcher.doc_freq(field, form)) for form in forms}
        own = {form: self._idf(count) for form, count in counts.items() if count}
        return self._idf(max(counts.values())), own

    def _idf(self, having: int) -> float:
        everything = self.searcher.num_docs
        return math.log(1 + (everything - having + 0.5) / (having + 0.5))

    def _matching(self, field: str, values: Sequence[str]) -> Iterator[Document]:
        import tantivy  # noqa: PLC0415 - importing a plugin stays light

        if not values or not self.searcher.num_docs:
            return
        query = tantivy.Query.const_score_query(
            tantivy.Query.term_set_query(self.index.schema, field, [_term(value) for value in values]), 1.0
        )
        found = self.searcher.search(query, self.searcher.num_docs, count=False).hits
        yield from map(self._record, sorted((address for _, address in found), key=lambda a: (a.segment_ord, a.doc)))

    def _record(self, address: Any) -> Document:
        return _DECODE(self.searcher.doc(address).get_first(_RECORD))


def folder_of(root: Path, collection: str) -> Path:
    """Return the folder of a collection's index: readable, and unique whatever characters the name has."""
    readable = re.sub(r"[^a-z0-9]+", "-", collection.lower()).strip("-")[:40]
    return root / f"{readable}-{sha256(collection.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def names(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the collections below ``root`` with their folders."""
    for file in sorted(root.glob("*/collection.json")):
        if not file.parent.name.startswith("."):
            yield msgspec.json.decode(file.read_bytes(), type=_About).name, file.parent


def stamp_of(folder: Path) -> tuple[int, ...] | None:
    """Return numbers that change with every write of any process; None if there is no index."""
    try:
        found = (folder / "meta.json").stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def open_shelf(folder: Path) -> Shelf | None:
    """Open the index in a folder; None if there is none. Raises OSError or ValueError if it cannot be read."""
    import tantivy  # noqa: PLC0415 - importing a plugin stays light

    stamp = stamp_of(folder)  # before opening: a write in between is noticed by the next look
    if stamp is None:
        return None
    index = tantivy.Index.open(str(folder))
    _prepare(index)
    index.config_reader(reload_policy="manual")
    index.reload()
    return Shelf(index, index.searcher(), stamp)


def make(root: Path, collection: str) -> None:
    """Make the empty index of a collection, unless it exists: complete or not at all."""
    import tantivy  # noqa: PLC0415 - importing a plugin stays light

    folder = folder_of(root, collection)
    if stamp_of(folder) is not None:
        return
    root.mkdir(parents=True, exist_ok=True)
    fresh = root / f".new-{uuid.uuid4().hex}"
    fresh.mkdir()
    try:
        tantivy.Index(_schema(), path=str(fresh))
        (fresh / "collection.json").write_bytes(msgspec.json.encode(_About(collection, _FORMAT)))
        fresh.rename(folder)
    except OSError:
        if stamp_of(folder) is None:  # else another process made it in between
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def replace(folder: Path, documents: Sequence[Document]) -> None:
    """Write all documents of some sources in place of their earlier ones, in one commit. Raises Busy."""
    import tantivy  # noqa: PLC0415 - importing a plugin stays light

    seen: set[str] = set()

    def work(writer: tantivy.IndexWriter) -> None:
        for source in dict.fromkeys(document.source for document in documents):
            writer.delete_documents_by_term(_SOURCE, _term(source))
        for document in documents:
            entry = tantivy.Document()
            stems, pieces = indexed("\n".join((document.text, document.title, _file_name(document.source))))
            entry.add_text(_STEMS, stems)
            entry.add_text(_PIECES, pieces)
            entry.add_text(_SOURCE, _term(document.source))
            if document.source not in seen:
                seen.add(document.source)
                entry.add_text(_FILED, _term(_ALL_SOURCES))
            for term in conditions.terms_of(document):
                entry.add_text(_FILED, _term(term))
            entry.add_bytes(_RECORD, _ENCODE(msgspec.structs.replace(document, score=None)))
            writer.add_document(entry)

    _write(folder, work)


def remove(folder: Path, sources: Sequence[str]) -> None:
    """Delete all documents of some sources, in one commit. Raises Busy."""

    def work(writer: tantivy.IndexWriter) -> None:
        for source in sources:
            writer.delete_documents_by_term(_SOURCE, _term(source))

    _write(folder, work)


def destroy(folder: Path) -> bool:
    """Delete an index; whether there was one. Raises Busy."""
    gone = folder.with_name(f".old-{uuid.uuid4().hex}")
    with _writer(folder) as writer:
        if writer is None:
            return False
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)
    return True


def rename(root: Path, collection: str, new_name: str) -> bool:
    """Rename an index; whether there was one. Raises Busy."""
    folder = folder_of(root, collection)
    with _writer(folder) as writer:
        if writer is None:
            return False
        # First the name inside: if this breaks off here, the index is still found by its folder, and renamed again.
        (folder / "collection.json").write_bytes(msgspec.json.encode(_About(new_name, _FORMAT)))
        folder.rename(folder_of(root, new_name))
    return True


class _About(msgspec.Struct, frozen=True):
    name: str
    format: int


def _write(folder: Path, work: Callable[[tantivy.IndexWriter], None]) -> None:
    with _writer(folder) as writer:
        if writer is None:
            raise FileNotFoundError(folder)
        work(writer)
        writer.commit()
        writer.wait_merging_threads()


@contextmanager
def _writer(folder: Path) -> Iterator[tantivy.IndexWriter | None]:
    """Lock an index against writers in all processes, until the context ends. None if there is no index."""
    import tantivy  # noqa: PLC0415 - importing a plugin stays light

    if stamp_of(folder) is None:
        yield None
        return
    with no_backup(folder.parent):
        index = tantivy.Index.open(str(folder))
        _prepare(index)
        try:
            writer = index.writer(_WRITER_BYTES, 1)
        except ValueError as error:
            if "LockBusy" in str(error):
                raise Busy from error
            raise
        try:
            yield writer
        finally:
            del writer


def _prepare(index: tantivy.Index) -> None:
    import tantivy  # noqa: PLC0415 - importing a plugin stays light

    index.register_tokenizer("terms", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())


def _schema() -> tantivy.Schema:
    import tantivy  # noqa: PLC0415 - importing a plugin stays light

    builder = tantivy.SchemaBuilder()
    for field in (_STEMS, _PIECES):
        builder.add_text_field(field, tokenizer_name="terms", index_option="freq")
    for field in (_SOURCE, _FILED):
        builder.add_text_field(field, tokenizer_name="raw", index_option="basic")
    builder.add_bytes_field(_RECORD, stored=True)
    return builder.build()


def _term(source: str) -> str:
    """Return a source as a term: hashed, since a term's length is limited and it cannot be empty."""
    return sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


def _file_name(source: str) -> str:
    """Return the words of a file's name; of an address without what does not tell pages apart."""
    return re.sub(r"^[a-z]+://", "", source.rpartition("/")[2] or source).replace("_", " ")


def sources_among(sources: Mapping[str, str], wanted: Sequence[str]) -> list[str]:
    """Return the wanted sources that exist, each once."""
    return [source for source in dict.fromkeys(wanted) if source in sources]
