"""The connector: crawls web sites and gives their pages and documents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing

import orbit
from orbit.upstreams import without_effect
from orbit_web.settings import WebSettings


class WebProvider(orbit.Provider):
    """The pages and documents of web sites."""

    ORBIT_API = 2
    Settings = WebSettings
    settings: WebSettings

    def validate(self) -> Iterable[str]:
        """Check the addresses without connecting."""
        yield from self.settings.problems()

    def remarks(self) -> Iterable[str]:
        """Name settings that other people may mind, and those that do nothing."""
        if not self.settings.robots:
            yield "robots: false ignores the wishes of sites; use it for your own only"
        if not self.settings.links:
            yield from without_effect(self.settings, ("max_depth",), "links is false")

    @orbit.hookimpl
    async def fetch(self, known: Mapping[str, str], limit: int) -> AsyncIterator[orbit.Fetched]:
        """Yield the pages and documents of the site. What cannot be listed ends the run, so that nothing is removed."""
        from orbit_web.crawl import Crawl  # noqa: PLC0415  # importing a plugin stays light
        from orbit_web.memory import Memory  # noqa: PLC0415  # the same

        memory = await asyncio.to_thread(Memory, self.host.data_dir / "web" / f"{self.name}.json")
        async with aclosing(Crawl(self.settings, memory, known, limit).files()) as files:
            async for file in files:
                yield file
