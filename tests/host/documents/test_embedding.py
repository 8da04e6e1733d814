"""Embedding in pieces: no model is too slow, work goes on where it was interrupted, and nothing is embedded twice."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

import orbit
from orbit.config.model import Ingest
from orbit.documents import Progress, ingest_paths
from orbit.host.documents import embedding
from orbit.host.documents.unfinished import Unfinished
from orbit.testing import host
from orbit.testing.fakes import Bag, Cabinet

if TYPE_CHECKING:
    from orbit import Vectors

CONTEXT = orbit.CallContext("test")


class Slow(Bag):
    """Takes its time for each text, and notes how many it was sent."""

    calls: ClassVar[list[int]] = []
    texts: ClassVar[list[str]] = []
    seconds = 0.0
    fails_at = 0

    @orbit.hookimpl
    async def embed(self, texts: Sequence[str]) -> Vectors:
        Slow.calls.append(len(texts))
        if Slow.fails_at and len(Slow.texts) + len(texts) > Slow.fails_at:
            raise orbit.ProviderError("the model is gone", kind="unavailable")
        await asyncio.sleep(Slow.seconds * len(texts))
        Slow.texts += texts
        return await super().embed(texts)


class VectorStore(Cabinet):
    """A store that embeds all passages at once, as stores may."""

    vectors: Vectors | None = None

    @orbit.hookimpl
    async def index(self, collection: str, documents: Sequence[orbit.Document], context: orbit.CallContext) -> int:  # type: ignore[override]
        VectorStore.vectors = await self.host.embed([one.text for one in documents], "document", context)
        return await super().index(collection, documents)


class Failing(Bag):
    """Returns numbers that are no vector for texts with the word "broken", and shorter vectors from a call on."""

    value = 0.0
    calls_left = 100

    @orbit.hookimpl
    async def embed(self, texts: Sequence[str]) -> Vectors:
        Failing.calls_left -= 1
        vectors = await super().embed(texts)
        vectors[["broken" in text for text in texts], :] = self.value
        return vectors if Failing.calls_left > 0 else vectors[:, :-1]


class TwoPieces(Cabinet):
    """A store that embeds the passages of a source in two calls, as stores do with many."""

    @orbit.hookimpl
    async def index(self, collection: str, documents: Sequence[orbit.Document], context: orbit.CallContext) -> int:  # type: ignore[override]
        for some in (documents[:1], documents[1:]):
            await self.host.embed([one.text for one in some], "document", context)
        return await super().index(collection, documents)


PLUGINS: dict[str, type[orbit.Provider]] = {
    "slow": Slow,
    "vectors": VectorStore,
    "failing": Failing,
    "two_pieces": TwoPieces,
}


@pytest.fixture(autouse=True)
def slow() -> type[Slow]:
    Slow.calls, Slow.texts, Slow.seconds, Slow.fails_at = [], [], 0.0, 0
    return Slow


def opened(folder: Path, **timeouts: float) -> Any:
    return host({"echo": {}, "slow": {}, "vectors": {}, "timeouts": timeouts}, folder, PLUGINS)


def passages(*texts: str) -> list[orbit.Document]:
    return [orbit.Document(str(number), text, "a.md", digest="1") for number, text in enumerate(texts)]


async def test_a_call_that_ends_by_its_deadline_is_repeated_in_pieces_for_all_texts(tmp_path: Path) -> None:
    """Also if there are so few texts that one call would have been enough."""
    texts, sizes = [f"text {number}" for number in range(embedding.FIRST)], []

    async def call(piece: Sequence[str]) -> Vectors:
        sizes.append(len(piece))
        if len(piece) > 1:
            raise orbit.ProviderError("too slow", kind="timeout")
        return np.array([[float(piece[0].split()[1])]], dtype=np.float32)

    made = await embedding.Embedding(tmp_path, 30.0).embed(texts, "slow/model", call)
    assert made[:, 0].tolist() == list(range(embedding.FIRST))
    assert sizes[:2] == [embedding.FIRST, 1]


async def test_a_large_file_is_ingested_however_slow_the_model_is(tmp_path: Path, slow: type[Slow]) -> None:
    """Neither the deadline of one call nor that of the store is a limit for the whole file."""
    slow.seconds = 0.02
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "long.txt").write_text("\n\n".join(f"Paragraph {number} is about ferries." for number in range(600)))
    seen: list[Progress] = []
    async with opened(tmp_path / "data", embed=0.5, index=0.4) as running:
        summary = await ingest_paths(running, "docs", [docs], Ingest(chunk_size=200), CONTEXT, seen.append)
    assert (summary.added, summary.failed) == (("long.txt",), ())
    assert summary.passages == len(slow.texts) > 50
    assert slow.seconds * summary.passages > 1.0, "longer than both deadlines together"
    middle = [progress.embedded for progress in seen if progress.waiting]
    assert middle == sorted(middle)
    assert len(middle) > 5, "progress is shown in passages"
    assert middle[-1] == summary.passages


async def test_a_piece_that_takes_too_long_is_tried_again_smaller(tmp_path: Path, slow: type[Slow]) -> None:
    slow.seconds = 0.05
    async with opened(tmp_path, embed=0.2) as running:
        vectors = await running.embed([f"text {number}" for number in range(9)], "document", CONTEXT)
    assert vectors.shape[0] == 9
    assert slow.calls[:2] == [8, 1]


async def test_a_model_that_hangs_is_given_up(tmp_path: Path, slow: type[Slow]) -> None:
    slow.seconds = 60.0
    async with opened(tmp_path, embed=0.05) as running:
        with pytest.raises(orbit.ProviderError, match=r"no answer within 0.05 s"):
            await running.embed([f"text {number}" for number in range(9)], "document", CONTEXT)
    assert slow.calls == [8, 1]


async def test_pieces_grow_for_a_fast_model_and_rows_keep_their_order(tmp_path: Path, slow: type[Slow]) -> None:
    texts = [f"word{number % 700}" for number in range(1000)]
    async with opened(tmp_path) as running:
        vectors = await running.embed(texts, "document", CONTEXT)
        alone = [await running.embed([text], "query", CONTEXT) for text in texts[::100]]
    assert slow.calls[0] == embedding.FIRST
    assert len(slow.calls) < 10 + len(alone)
    assert sorted(slow.texts[: -len(alone)]) == sorted(set(texts)), "each text is embedded once"
    np.testing.assert_allclose(vectors[::100], np.concatenate(alone))


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
@pytest.mark.parametrize("store", ["vectors", "two_pieces", "chroma"])
async def test_a_file_whose_vectors_find_nothing_fails_alone(
    tmp_path: Path, store: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Failing, "value", value)
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, text in {"a.txt": "Apples are red.", "b.txt": "This is broken.", "c.txt": "Cats purr."}.items():
        (docs / name).write_text(text)
    async with host({"echo": {}, "failing": {}, store: {}}, tmp_path / "data", PLUGINS) as running:
        summary = await ingest_paths(running, "docs", [docs], Ingest(), CONTEXT)
        held = await running.list_sources("docs", CONTEXT)
        alike = await running.embed(["", "fine"], "document", CONTEXT)
        if value == 0:
            assert not (await running.embed(["broken"], "query", CONTEXT)).any(), "a question of no known word"
        else:
            with pytest.raises(orbit.ProviderError, match="NaN or infinite"):
                await running.embed(["broken"], "query", CONTEXT)
    assert summary.added == ("a.txt", "c.txt")
    assert list(held) == ["a.txt", "c.txt"]
    assert [failed.source for failed in summary.failed] == ["b.txt"]
    assert "the text that begins 'b This is broken.'" in summary.failed[0].reason
    assert len(alike) == 2


async def test_vectors_of_two_sizes_are_refused_however_a_store_asks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Failing, "calls_left", 2)
    async with host({"echo": {}, "failing": {}, "two_pieces": {}}, tmp_path, PLUGINS) as running:
        with pytest.raises(orbit.ProviderError, match="gave vectors of 63 and 64 dimensions"):
            await running.index("docs", passages("one", "two"), CONTEXT)
        assert await running.list_sources("docs", CONTEXT) == {}


async def test_no_texts_give_no_rows(tmp_path: Path) -> None:
    async with opened(tmp_path) as running:
        assert (await running.embed([], "document", CONTEXT)).shape == (0, 64)


async def test_interrupted_work_goes_on_where_it_was(
    tmp_path: Path, slow: type[Slow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "SLOW_SECONDS", 0.0)
    texts = [f"passage {number}" for number in range(300)]
    slow.fails_at = 200
    async with opened(tmp_path) as running:
        with pytest.raises(orbit.ProviderError, match="the model is gone"):
            await running.index("docs", passages(*texts), CONTEXT)
    before = list(slow.texts)
    assert before
    assert (tmp_path / "unfinished.db").exists()
    slow.fails_at, slow.texts = 0, []
    finished: list[int] = []
    async with opened(tmp_path) as running:
        await running.index("docs", passages(*texts), orbit.CallContext("test", progress=finished.append))
        undisturbed = await running.embed(texts, "document", CONTEXT)
    assert slow.texts[: len(texts) - len(before)] == texts[len(before) :]
    assert sum(finished) == 300
    assert VectorStore.vectors is not None
    np.testing.assert_array_equal(VectorStore.vectors, undisturbed)
    assert not (tmp_path / "unfinished.db").exists(), "what the store holds is not kept twice"


async def test_a_fast_model_leaves_nothing_on_disk(tmp_path: Path, slow: type[Slow]) -> None:
    slow.fails_at = 20
    async with opened(tmp_path) as running:
        with pytest.raises(orbit.ProviderError):
            await running.index("docs", passages(*map(str, range(30))), CONTEXT)
    assert not (tmp_path / "unfinished.db").exists()


async def test_vectors_of_another_model_are_not_taken(
    tmp_path: Path, slow: type[Slow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "SLOW_SECONDS", 0.0)
    slow.fails_at = 10
    async with opened(tmp_path) as running:
        with pytest.raises(orbit.ProviderError):
            await running.index("docs", passages(*map(str, range(30))), CONTEXT)
    slow.fails_at = 0
    config = {"echo": {}, "slow": {"model": "other", "dimension": 32}, "vectors": {}}
    async with host(config, tmp_path, PLUGINS) as running:
        await running.index("docs", passages(*map(str, range(30))), CONTEXT)
    assert VectorStore.vectors is not None
    assert VectorStore.vectors.shape == (30, 32)


async def test_a_model_that_was_replaced_meanwhile_is_named_and_embeds_all_texts_again(
    tmp_path: Path, slow: type[Slow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the same name, so that what the former one embedded looks usable."""
    monkeypatch.setattr(embedding, "SLOW_SECONDS", 0.0)
    texts = passages(*map(str, range(30)))
    slow.fails_at = 10
    async with opened(tmp_path) as running:
        with pytest.raises(orbit.ProviderError, match="the model is gone"):
            await running.index("docs", texts, CONTEXT)
    slow.fails_at = 0
    async with host({"echo": {}, "slow": {"dimension": 32}, "vectors": {}}, tmp_path, PLUGINS) as running:
        with pytest.raises(orbit.ProviderError, match="gave vectors of 32 and 64 dimensions"):
            await running.index("docs", texts, CONTEXT)
        await running.index("docs", texts, CONTEXT)
    assert VectorStore.vectors is not None
    assert VectorStore.vectors.shape == (30, 32)


async def test_a_model_may_hang_once(tmp_path: Path) -> None:
    sent: list[Sequence[str]] = []

    async def call(piece: Sequence[str]) -> Vectors:
        sent.append(piece)
        if len(piece) > 1 or len(sent) == 4:
            raise orbit.ProviderError("too slow", kind="timeout")
        await asyncio.sleep(0.02)
        return np.zeros((1, 4), dtype=np.float32)

    made = await embedding.Embedding(tmp_path, 0.04).embed(["a", "b", "c", "d"], "slow/model", call)
    assert made.shape == (4, 4)
    assert [len(piece) for piece in sent] == [4, 1, 1, 1, 1, 1]


async def test_a_damaged_file_of_interrupted_work_is_named(tmp_path: Path) -> None:
    (tmp_path / "unfinished.db").write_bytes(b"no database" * 100)
    async with opened(tmp_path) as running:
        with pytest.raises(orbit.ProviderError, match=r"unfinished.db, which keeps interrupted work"):
            await running.index("docs", passages("a"), CONTEXT)


def test_vectors_that_nobody_wanted_for_long_are_removed(tmp_path: Path) -> None:
    kept = Unfinished(tmp_path / "unfinished.db")
    kept.add("m", ["old", "new"], np.ones((2, 3), dtype=np.float32))
    with sqlite3.connect(tmp_path / "unfinished.db") as database:
        database.execute("UPDATE vectors SET at = 0 WHERE key = ?", (kept.key("m", "old"),))
    kept.remove([])
    assert list(kept.find("m", ["old", "new"])) == ["new"]
    kept.remove([kept.key("m", "new")])
    assert not kept.exists()


async def test_texts_of_a_call_that_was_too_slow_are_all_embedded_in_smaller_ones(tmp_path: Path) -> None:
    """Also when all of them had fitted into one call before."""
    pieces = embedding.Embedding(tmp_path, 60.0)
    sizes: list[int] = []

    async def call(texts: Sequence[str]) -> Any:
        sizes.append(len(texts))
        if len(sizes) == 3:  # the first call with more than the first size
            raise orbit.ProviderError("too slow", kind="timeout")
        return np.array([[float(text), 1.0] for text in texts], dtype=np.float32)

    for count in (8, 64):
        vectors = await pieces.embed([str(number) for number in range(count)], "model", call)
        assert len(vectors) == count
    assert sizes == [8, 64]
    vectors = await pieces.embed([str(number) for number in range(64)], "model", call)
    assert [int(row[0]) for row in vectors] == list(range(64))
    assert sizes[2:4] == [64, 8]
