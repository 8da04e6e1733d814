"""The contract of ``fetch``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import Any

import pytest

from orbit import Fetched, Health, ProviderError
from orbit.testing.contract import calls
from orbit.testing.contract.leftovers import left, running
from orbit.testing.contract.promise import Promise, kind, mistyped, told
from orbit.testing.contract.provider import BaseProviderContract
from orbit.testing.contract.subject import Subject

_LIMIT = 50_000_000


class BaseFetchContract(BaseProviderContract):
    """The contract of connectors. Their service holds at least two files during the test."""

    @pytest.fixture
    def change_file(self) -> Callable[[], str] | None:
        """Return a function that changes the content of a file, and returns its name; None if impossible."""
        return None

    @pytest.fixture
    def fail_midway(self) -> Callable[[], None] | None:
        """Return a function that makes the service fail once the first file has come; None if impossible."""
        return None

    def test_fetch_is_offered(self, promise: Promise, subject: Subject) -> None:
        """The provider implements `fetch` and, with these settings, offers it."""
        calls.offered(promise, subject, "fetch")

    async def test_fetch_yields_files(self, promise: Promise, subject: Subject) -> None:
        """`fetch` yields an orbit.Fetched for each file, with content or a problem, if no version is known."""
        found = await _all(promise, subject)
        if len(found) < 2:  # noqa: PLR2004  # the rules need two
            promise.broken(f"it yielded {len(found)} files", "set up at least two files for the test")
        for file in found:
            if file.content is None and not file.problem:
                promise.broken(f"{file.name!r} has neither", "give its content unless `known` has its version")

    async def test_fetch_names_are_paths(self, promise: Promise, subject: Subject) -> None:
        """Names are unique relative paths with `/`, without `.`, `..` and empty parts."""
        seen: set[str] = set()
        for file in await _all(promise, subject):
            if file.name in seen:
                promise.broken(f"{file.name!r} came twice", "yield each file once")
            seen.add(file.name)
            if {"", ".", ".."} & set(file.name.split("/")) or "\\" in file.name:
                promise.broken(f"a name is {file.name!r}", "name files by their path below the connector's root")

    async def test_fetch_is_repeatable(self, promise: Promise, subject: Subject) -> None:
        """`fetch` yields the same files with the same versions while nothing changes."""
        if await _all(promise, subject) != await _all(promise, subject):
            promise.broken("it yielded something else the second time", "derive versions from the files alone")

    async def test_fetch_skips_what_is_known(self, promise: Promise, subject: Subject) -> None:
        """`fetch` yields a file without content if `known` has its version, and with content if the version differs."""
        first = await _all(promise, subject)
        versions = {file.name: file.version for file in first if file.version and not file.problem}
        for file in await _all(promise, subject, versions):
            if file.name in versions and file.content is not None:
                promise.broken(f"{file.name!r} came with content again", "yield it without content")
        other = dict.fromkeys(versions, "another version")
        for file in await _all(promise, subject, other):
            if file.content is None and not file.problem:
                promise.broken(f"{file.name!r} had another version and no content", "compare `known[name]`")

    async def test_fetch_notices_changes(
        self, promise: Promise, subject: Subject, change_file: Callable[[], str] | None
    ) -> None:
        """A file whose content has changed has another version, or none, and comes with its content."""
        if change_file is None:
            promise.untold("since the fixture change_file is None")
        versions = {file.name: file.version for file in await _all(promise, subject) if file.version}
        name = change_file()
        changed = next((file for file in await _all(promise, subject, versions) if file.name == name), None)
        if changed is None:
            promise.broken(
                f"it did not yield {name!r}", "let the fixture change_file return the name that `fetch` yields"
            )
        if changed.content is None or changed.version == versions.get(name):
            fix = "derive the version from what changes with the content, such as an ETag, or leave it empty"
            promise.broken(f"{name!r} kept its version", fix)

    async def test_fetch_lists_what_is_known(self, promise: Promise, subject: Subject) -> None:
        """`fetch` yields unchanged files too: others are removed. It does not yield those that are gone."""
        first = {file.name for file in await _all(promise, subject)}
        known = {"no/such/file.txt": "1", **dict.fromkeys(first, "1")}
        if {file.name for file in await _all(promise, subject, known)} != first:
            promise.broken("it yielded other names with `known` than without", "list everything that is there")

    async def test_fetch_leaves_known_alone(self, promise: Promise, subject: Subject) -> None:
        """`fetch` does not change `known`."""
        known = {file.name: file.version for file in await _all(promise, subject)}
        given = dict(known)

        async def collect() -> None:
            async with aclosing(subject.call("fetch", known=given, limit=_LIMIT)) as files:
                async for _ in files:
                    pass

        await calls.answered(promise, collect)
        calls.unchanged(promise, known, given, "mapping")

    async def test_fetch_observes_limit(self, promise: Promise, subject: Subject) -> None:
        """`fetch` gives no content of more than `limit` bytes, but a problem."""
        for file in await _all(promise, subject, limit=1):
            if file.content is not None and len(file.content) > 1:
                promise.broken(f"{file.name!r} has {len(file.content)} bytes", "yield it with a problem")
            if file.content is None and not file.problem:
                promise.broken(f"{file.name!r} has neither content nor problem", 'problem="is larger than ..."')

    async def test_fetch_can_be_closed(self, promise: Promise, subject: Subject, patience: float) -> None:
        """Closing the iterator early stops the work behind it."""
        before = running()
        async with asyncio.timeout(calls.ANSWER_SECONDS):
            async with aclosing(subject.call("fetch", known={}, limit=_LIMIT)) as files:
                await anext(files)
        if still := await left(before, patience, "tasks", "processes"):
            promise.broken(f"{still} still ran {patience:g} s later", "end in `finally` what the hook starts")

    async def test_fetch_can_be_cancelled(self, promise: Promise, subject: Subject, patience: float) -> None:
        """`fetch` ends at once when the call is cancelled."""
        await calls.cancelled(promise, lambda: _all(promise, subject), patience)

    async def test_fetch_leaves_the_loop_free(self, promise: Promise, subject: Subject) -> None:
        """`fetch` does not block the event loop."""
        await calls.shared_loop(promise, lambda: _all(promise, subject))

    async def test_health_while_down(self, promise: Promise, down: Subject) -> None:
        """While its service is down, `health` answers; only `orbit sync` needs the service."""
        health = await calls.answered(promise, down.provider.health)
        if not isinstance(health, Health):
            promise.broken(f"it returned {kind(health)}", "return orbit.Health()")

    async def test_fetch_names_the_outage(self, promise: Promise, make_down: Callable[[], Subject]) -> None:
        """While its service is down, `fetch` raises a ProviderError, so that nothing is removed."""
        subject = make_down()
        async with subject.host:
            try:
                async with asyncio.timeout(calls.ANSWER_SECONDS):
                    found = [file async for file in subject.call("fetch", known={"a.md": "1"}, limit=_LIMIT)]
            except ProviderError:
                return
            except Exception as error:  # noqa: BLE001  # plugin code can raise anything
                promise.broken(f"it raised {told(error)}", "raise orbit.ProviderError with a sentence for operators")
        promise.broken(f"it yielded {len(found)} files and ended", "raise orbit.ProviderError")

    async def test_fetch_names_an_outage_midway(
        self, promise: Promise, subject: Subject, fail_midway: Callable[[], None] | None
    ) -> None:
        """If its service fails in the middle, `fetch` raises a ProviderError, unless it yields every file anyway."""
        if fail_midway is None:
            promise.untold("since the fixture fail_midway is None")
        missing = {file.name for file in await _all(promise, subject)}
        try:
            async with (
                asyncio.timeout(calls.ANSWER_SECONDS),
                aclosing(subject.call("fetch", known={}, limit=_LIMIT)) as files,
            ):
                missing.discard((await anext(files)).name)
                fail_midway()
                async for file in files:
                    missing.discard(file.name)
        except ProviderError:
            return
        except Exception as error:  # noqa: BLE001  # plugin code can raise anything
            promise.broken(f"it raised {told(error)}", "raise orbit.ProviderError with a sentence for operators")
        if missing:
            promise.broken(f"it ended without {min(missing)!r}", "raise orbit.ProviderError, or the file is removed")


async def _all(
    promise: Promise, subject: Subject, known: Mapping[str, str] | None = None, limit: int = _LIMIT
) -> list[Fetched]:
    async def collect() -> list[Any]:
        async with aclosing(subject.call("fetch", known=dict(known or {}), limit=limit)) as files:
            return [file async for file in files]

    found: list[Any] = await calls.answered(promise, collect)
    for file in found:
        if not isinstance(file, Fetched):
            promise.broken(f"it yielded {kind(file)}", "yield orbit.Fetched")
        if mistake := mistyped(file):
            promise.broken(f"in a Fetched, {mistake}", "give each field the type that orbit.Fetched declares")
    return found
