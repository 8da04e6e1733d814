"""Wrong in `fetch`."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from wrong_kit import Right, Service, Wrong, swallow

import orbit
from orbit import Fetched, hookimpl


class RightFetcher(Right):
    """Two files."""

    names = ("a.md", "folder/b.md")

    @hookimpl
    async def fetch(self, known: Mapping[str, str], limit: int, context: orbit.CallContext) -> AsyncIterator[Fetched]:
        with self.connect():
            for name in self.names:
                await asyncio.sleep(0)
                if Service.lost:
                    raise orbit.ProviderError("the service does not answer any more.", retryable=True)
                yield self.file(name, known.get(name, ""), limit)

    def file(self, name: str, known: str, limit: int) -> Any:
        version = str(Service.edition)
        content = f"The text of {name}, edition {version}.".encode()
        if known == version:
            return Fetched(name, version=version)
        if len(content) > limit:
            return Fetched(name, version=version, problem=f"is larger than {limit} bytes")
        return Fetched(name, content, version)


class SameVersion(RightFetcher):
    def file(self, name: str, known: str, limit: int) -> Any:
        if known == "1":
            return Fetched(name, version="1")
        return Fetched(name, f"Edition {Service.edition}".encode(), "1")


class HidesTheOutage(RightFetcher):
    @hookimpl
    async def fetch(self, known: Mapping[str, str], limit: int) -> AsyncIterator[Fetched]:
        for name in self.names:
            if not Service.lost:
                yield self.file(name, known.get(name, ""), limit)


class StumblesMidway(RightFetcher):
    @hookimpl
    async def fetch(self, known: Mapping[str, str], limit: int) -> AsyncIterator[Fetched]:
        for name in self.names:
            if Service.lost:
                raise OSError("connection reset")
            yield self.file(name, known.get(name, ""), limit)


class Hidden(RightFetcher):
    def offers(self, hook: str) -> bool:
        return False


class YieldsNames(RightFetcher):
    def file(self, name: str, known: str, limit: int) -> Any:
        return name


class YieldsNothing(RightFetcher):
    def file(self, name: str, known: str, limit: int) -> Any:
        return Fetched(name, version="1")


class Absolute(RightFetcher):
    names = ("/a.md", "b.md")


class Twice(RightFetcher):
    names = ("a.md", "a.md")


class NewVersions(RightFetcher):
    numbers = itertools.count()

    def file(self, name: str, known: str, limit: int) -> Any:
        return Fetched(name, b"text", str(next(self.numbers)))


class Forgets(RightFetcher):
    def file(self, name: str, known: str, limit: int) -> Any:
        return super().file(name, "", limit)


class TakesAnyVersion(RightFetcher):
    def file(self, name: str, known: str, limit: int) -> Any:
        return super().file(name, known and "1", limit)


class OnlyNews(RightFetcher):
    @hookimpl
    async def fetch(self, known: Mapping[str, str], limit: int) -> AsyncIterator[Fetched]:
        for name in self.names:
            if name not in known:
                yield self.file(name, "", limit)


class IgnoresLimit(RightFetcher):
    def file(self, name: str, known: str, limit: int) -> Any:
        return super().file(name, known, 1_000)


class LeavesOut(RightFetcher):
    def file(self, name: str, known: str, limit: int) -> Any:
        fetched = super().file(name, known, limit)
        return Fetched(name, version="1") if fetched.problem else fetched


class GoesOn(RightFetcher):
    @hookimpl
    async def fetch(self, known: Mapping[str, str], limit: int) -> AsyncIterator[Fetched]:
        self.listing = asyncio.create_task(asyncio.sleep(2))
        for name in self.names:
            yield self.file(name, known.get(name, ""), limit)


class NeedsItsService(RightFetcher):
    async def health(self) -> orbit.Health:
        with self.connect():
            return orbit.Health()


class EndsEarly(RightFetcher):
    @hookimpl
    async def fetch(self, known: Mapping[str, str], limit: int) -> AsyncIterator[Fetched]:
        for name in self.names if self.settings.up else ():
            yield self.file(name, known.get(name, ""), limit)


class Stumbles(RightFetcher):
    @hookimpl
    async def fetch(self, known: Mapping[str, str], limit: int) -> AsyncIterator[Fetched]:
        if not self.settings.up:
            raise OSError("no route to host")
        for name in self.names:
            yield self.file(name, known.get(name, ""), limit)


class GivesText(RightFetcher):
    def file(self, name: str, known: str, limit: int) -> Any:
        content: Any = "text"
        return Fetched(name, content, "1")


class CountsVersions(RightFetcher):
    def file(self, name: str, known: str, limit: int) -> Any:
        version: Any = 1
        return Fetched(name, b"text", version)


class NamesOfWindows(RightFetcher):
    names = ("a.md", "folder\\b.md")


class TakesOff(RightFetcher):
    @hookimpl
    async def fetch(self, known: dict[str, str], limit: int) -> AsyncIterator[Fetched]:
        for name in self.names:
            yield self.file(name, known.pop(name, ""), limit)


class HoldsOn(RightFetcher):
    @hookimpl
    async def fetch(self, known: Mapping[str, str], limit: int) -> AsyncIterator[Fetched]:
        for name in self.names:
            await swallow()
            yield self.file(name, known.get(name, ""), limit)


class Blocks(RightFetcher):
    def file(self, name: str, known: str, limit: int) -> Any:
        time.sleep(1.2)
        return super().file(name, known, limit)


WRONG = (
    Wrong("test_fetch_notices_changes", SameVersion, "'a.md' kept its version"),
    Wrong("test_fetch_names_an_outage_midway", HidesTheOutage, "it ended without 'folder/b.md'"),
    Wrong("test_fetch_names_an_outage_midway", StumblesMidway, "it raised OSError"),
    Wrong("test_fetch_yields_files", GivesText, "content is a str"),
    Wrong("test_fetch_yields_files", CountsVersions, "version is an int"),
    Wrong("test_fetch_names_are_paths", NamesOfWindows, "a name is 'folder"),
    Wrong("test_fetch_leaves_known_alone", TakesOff, "changed the mapping"),
    Wrong("test_fetch_can_be_cancelled", HoldsOn, "the call"),
    Wrong("test_fetch_leaves_the_loop_free", Blocks, "nothing else could run"),
    Wrong("test_fetch_is_offered", Hidden, "the host does not see it"),
    Wrong("test_fetch_yields_files", YieldsNames, "it yielded"),
    Wrong("test_fetch_yields_files", YieldsNothing, "has neither"),
    Wrong("test_fetch_names_are_paths", Absolute, "a name is '/a.md'"),
    Wrong("test_fetch_names_are_paths", Twice, "'a.md' came twice"),
    Wrong("test_fetch_is_repeatable", NewVersions, "something else the second time"),
    Wrong("test_fetch_skips_what_is_known", Forgets, "came with content again"),
    Wrong("test_fetch_skips_what_is_known", TakesAnyVersion, "had another version and no content"),
    Wrong("test_fetch_lists_what_is_known", OnlyNews, "other names with `known`"),
    Wrong("test_fetch_observes_limit", IgnoresLimit, "yield it with a problem"),
    Wrong("test_fetch_observes_limit", LeavesOut, "neither content nor problem"),
    Wrong("test_fetch_can_be_closed", GoesOn, "still ran"),
    Wrong("test_health_while_down", NeedsItsService, "the call raised ProviderError"),
    Wrong("test_fetch_names_the_outage", EndsEarly, "it yielded 0 files and ended"),
    Wrong("test_fetch_names_the_outage", Stumbles, "it raised OSError"),
)
