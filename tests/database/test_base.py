"""What every database shares: opening, its state for operators, and changes that other processes notice."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from orbit.database.base import Database
from orbit.errors import DatabaseUnavailable

STEPS: list[str] = []


class Shelf(Database):
    """Opens two things; the second may fail."""

    fails = False
    away = False

    async def _enter(self, stack: contextlib.AsyncExitStack) -> None:
        stack.enter_context(self._signal)
        stack.callback(STEPS.append, "first closed")
        if self.fails:
            raise DatabaseUnavailable("it is away.")
        stack.callback(STEPS.append, "second closed")

    async def ping(self) -> None:
        if self.away:
            raise DatabaseUnavailable("it is away.")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    STEPS.clear()
    kind: Any = type("WholeShelf", (Shelf,), {"__abstractmethods__": frozenset()})
    kind.__abstractmethods__ = frozenset()
    made: Shelf = kind(tmp_path / "signal")
    return made


async def test_what_was_opened_is_closed_in_reverse_order(shelf: Shelf) -> None:
    async with shelf:
        assert STEPS == []
    assert STEPS == ["second closed", "first closed"]


async def test_a_database_that_cannot_be_opened_leaves_nothing_open(shelf: Shelf) -> None:
    shelf.fails = True
    with pytest.raises(DatabaseUnavailable):
        await shelf.__aenter__()
    assert STEPS == ["first closed"]


async def test_its_health_says_why_it_is_down(shelf: Shelf) -> None:
    assert (await shelf.health()).status == "ok"
    shelf.away = True
    health = await shelf.health()
    assert (health.status, health.detail) == ("down", "it is away.")


async def test_a_change_is_noticed_by_others_on_the_same_file(shelf: Shelf, tmp_path: Path) -> None:
    other = type(shelf)(tmp_path / "signal")
    async with shelf, other:
        before, unchanged = other.generation(), other.generation()
        assert before == unchanged
        shelf.changed()
        assert other.generation() != before
        assert other.generation() == shelf.generation()
