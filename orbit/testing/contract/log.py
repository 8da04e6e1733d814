"""The contract of ``log``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import pytest

from orbit import CallContext, ChatRecord, SourceRef
from orbit.testing.contract import calls
from orbit.testing.contract.fixtures import Make, started
from orbit.testing.contract.leftovers import until
from orbit.testing.contract.promise import Promise, kind
from orbit.testing.contract.provider import BaseProviderContract
from orbit.testing.contract.samples import HUGE, UNICODE
from orbit.testing.contract.subject import CONTEXT, Subject
from orbit.types import STATUSES_WITHOUT_ERROR

_STATUSES: Final = (*STATUSES_WITHOUT_ERROR, "provider_failed", "overloaded")
_SIDES: Final = 20


class BaseLogContract(BaseProviderContract):
    """The contract of providers that store the records of turns."""

    @pytest.fixture
    def records(self) -> Sequence[ChatRecord]:
        """Return at least two records to store, each with its own request id."""
        return [
            ChatRecord(timestamp=1.8e9 + number, request_id=f"contract-{number}", query="How?", response="So.")
            for number in range(3)
        ]

    @pytest.fixture
    def stored(self) -> Callable[[], Sequence[str]] | None:
        """Return a function that lists the request ids of the stored records, oldest first; None if nothing can."""
        return None

    async def test_log_is_offered(self, promise: Promise, subject: Subject) -> None:
        """The provider implements `log` and, with these settings, offers it."""
        calls.offered(promise, subject, "log")

    async def test_log_returns_nothing(self, promise: Promise, subject: Subject, records: Sequence[ChatRecord]) -> None:
        """`log` returns nothing."""
        value = await calls.answered(promise, lambda: _log(subject, records[0]))
        if value is not None:
            promise.broken(f"it returned {kind(value)}", "end without a return")

    async def test_log_keeps_every_record(
        self,
        promise: Promise,
        make: Make,
        records: Sequence[ChatRecord],
        stored: Callable[[], Sequence[str]] | None,
        patience: float,
    ) -> None:
        """Each record is kept once, in the order of the calls, at the latest when the provider has stopped."""
        if stored is None:
            promise.untold("since the fixture stored is None")
        async with started(make(), promise) as subject:
            for record in records:
                await calls.answered(promise, partial(_log, subject, record))
        expected = [record.request_id for record in records]
        if not await until(lambda: list(stored()) == expected, patience):
            promise.broken(f"{list(stored())} are kept of {expected}", "deliver in __aexit__ what still waits")

    async def test_log_takes_any_record(
        self, promise: Promise, subject: Subject, records: Sequence[ChatRecord]
    ) -> None:
        """`log` keeps any record: of every status, with sources, empty or huge texts, odd characters."""
        full = msgspec.structs.replace(
            records[0],
            query=UNICODE,
            response=HUGE,
            reason="\0\n\u2028",
            sources=(SourceRef("id", UNICODE, 0.5), SourceRef("id2", "", None)),
            durations={"total": 0.1},
            session_id="",
        )
        odd = [msgspec.structs.replace(records[0], query="", response="", status=status) for status in _STATUSES]
        for record in (full, *odd):
            await calls.answered(promise, partial(_log, subject, record))

    async def test_log_side_by_side(
        self,
        promise: Promise,
        make: Make,
        records: Sequence[ChatRecord],
        stored: Callable[[], Sequence[str]] | None,
        patience: float,
    ) -> None:
        """Concurrent calls do not affect each other: each record is kept."""
        many = [msgspec.structs.replace(records[0], request_id=f"side-{number}") for number in range(_SIDES)]
        async with started(make(), promise) as subject:
            await calls.side_by_side(promise, [partial(_log, subject, record) for record in records])
            await calls.answered(promise, lambda: asyncio.gather(*(_log(subject, record) for record in many)))
        if stored is None:
            return
        expected = {record.request_id for record in many}
        if not await until(lambda: set(stored()) >= expected, patience):
            lost = len(expected - set(stored()))
            promise.broken(f"{lost} of {len(many)} were lost", "keep the record of a call in a variable, not in self")

    async def test_log_can_be_cancelled(
        self, promise: Promise, subject: Subject, records: Sequence[ChatRecord], patience: float
    ) -> None:
        """A cancelled call ends at once, at any moment."""
        await calls.cancelled(promise, lambda: _log(subject, records[0]), patience)

    async def test_log_keeps_deadlines(
        self, promise: Promise, subject: Subject, records: Sequence[ChatRecord], patience: float
    ) -> None:
        """A call past its deadline ends: cancelled, or with a ProviderError."""
        await calls.ended_in_time(promise, lambda context: _log(subject, records[0], context), patience)

    async def test_log_leaves_the_loop_free(
        self, promise: Promise, subject: Subject, records: Sequence[ChatRecord]
    ) -> None:
        """`log` does not block the event loop."""
        await calls.shared_loop(promise, lambda: _log(subject, records[0]))

    async def test_log_leaves_nothing_running(
        self, promise: Promise, subject: Subject, records: Sequence[ChatRecord], patience: float
    ) -> None:
        """Nothing keeps running after the calls, such as a task for each."""
        await calls.left_alone(promise, lambda: _log(subject, records[0]), patience)

    async def test_log_while_down(self, promise: Promise, down: Subject, records: Sequence[ChatRecord]) -> None:
        """While its service is down, `log` keeps the record for later, or raises ProviderError."""
        await calls.attempted(promise, lambda: _log(down, records[0]))


def _log(subject: Subject, record: ChatRecord, context: CallContext = CONTEXT) -> Any:
    return subject.call("log", context, record=record)
