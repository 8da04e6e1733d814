"""Vectors of an interrupted ingestion are found again, and leave nothing behind once they are stored."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from orbit.errors import ProviderError
from orbit.host.documents import unfinished
from orbit.host.documents.unfinished import Unfinished

VECTORS = np.array([[1, 2], [3, 4]], dtype=np.float32)


@pytest.fixture
def kept(tmp_path: Path) -> Unfinished:
    return Unfinished(tmp_path / "unfinished.db")


def test_vectors_are_found_by_their_text_and_embedding(kept: Unfinished) -> None:
    kept.add("minilm", ["tea", "train"], VECTORS)
    found = kept.find("minilm", ["train", "tea", "other"])
    assert {text: vector.tolist() for text, vector in found.items()} == {"tea": [1, 2], "train": [3, 4]}
    assert kept.find("other", ["tea"]) == {}


def test_a_new_vector_of_a_text_replaces_the_old_one(kept: Unfinished) -> None:
    for vectors in (VECTORS, VECTORS[::-1]):
        kept.add("minilm", ["tea", "train"], vectors)
    assert kept.find("minilm", ["tea"])["tea"].tolist() == [3, 4]


def test_the_file_lives_as_long_as_something_is_unfinished(kept: Unfinished) -> None:
    assert not kept.exists()
    keys = kept.add("minilm", ["tea", "train"], VECTORS)
    one, other = keys
    kept.remove([one])
    assert kept.exists()
    kept.remove([other])
    assert not kept.exists()


def test_vectors_that_nobody_wants_any_longer_go(kept: Unfinished, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.add("minilm", ["tea", "train"], VECTORS)
    later = time.time() + unfinished.KEEP_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    kept.remove([])
    assert not kept.exists()


def test_what_is_no_text_has_a_key_too(kept: Unfinished) -> None:
    kept.add("minilm", ["\udcff", "a\0b"], VECTORS)
    assert set(kept.find("minilm", ["\udcff", "a\0b"])) == {"\udcff", "a\0b"}


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "unfinished.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(ProviderError, match=r"unfinished\.db, which keeps interrupted work, cannot be used: "):
        Unfinished(tmp_path / "unfinished.db").find("minilm", ["tea"])
