"""Walks through a site: page by page, the nearest first."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from fnmatch import translate
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import orbit
from orbit_web.client import Answer, Client, LoopError, OutsideError, UnreachableError
from orbit_web.memory import Known, Memory
from orbit_web.names import PAGE, TYPES, host_of, name_of, normal, stem_of
from orbit_web.pages import Page, page_of, with_charset
from orbit_web.robots import Robots
from orbit_web.settings import WebSettings
from orbit_web.sitemaps import MOST as MOST_SITEMAP
from orbit_web.sitemaps import Sitemap

_MOST_PAGE = 5_000_000
"""Bytes of a page to look for links in, also if it is too large to ingest."""
_MOST_SITEMAPS = 200
_MOST_VARIANTS = 200
"""Addresses that differ only after the question mark: calendars and filters have them without end."""
_MOST_ASKED = 10
"""Addresses to ask for, for each page that the site may have: some are pictures, or lead elsewhere."""
_GONE = frozenset((404, 410))
_PASSING = frozenset((408, 425, 429))
"""What the client can mend by asking later."""
_NOT_FETCHED = re.compile(
    r"\.(?:jpe?g|png|gif|webp|svg|ico|bmp|tiff?|avif|css|m?js|map|woff2?|ttf|eot|mp[34]|m4[av]|webm|og[gv]|wav|avi|mov|zip|gz"
    r"|tar|7z|rar|exe|msi|dmg|iso|apk|deb|rpm|jar|bin)\Z",
    re.IGNORECASE,
)
_VAGUE = frozenset(("application/octet-stream", "binary/octet-stream", "application/x-download"))
"""Types of servers that know none; the address may show it."""
_PATIENCE = 20
"""Pages in a row that may fail before the run ends: the fault is then not in the pages."""


class Crawl:
    """One run."""

    def __init__(self, settings: WebSettings, memory: Memory, known: Mapping[str, str], limit: int) -> None:
        self._settings = settings
        self._memory = memory
        self._known = known
        self._limit = limit
        self._starts = list(dict.fromkeys(map(normal, settings.start)))
        self._hosts = {*map(host_of, self._starts), *(host.lower() for host in settings.hosts)}
        self._include = [re.compile(translate(pattern)) for pattern in settings.include]
        self._exclude = [re.compile(translate(pattern)) for pattern in settings.exclude]
        self._client = Client(settings, self.belongs)
        self._robots = Robots(settings, self._client)
        self._waiting: deque[tuple[str, int]] = deque()
        self._seen: set[str] = set()
        self._done: set[str] = set()
        self._dropped: set[str] = set()
        self._instead: dict[str, orbit.Fetched] = {}
        self._names: set[str] = set()
        self._variants: Counter[str] = Counter()
        self._found: dict[str, Known] = {}
        self._lost = ""
        self._failures = 0

    def belongs(self, url: str) -> bool:
        """Whether an address is on a host of the site."""
        return host_of(url) in self._hosts

    async def files(self) -> AsyncGenerator[orbit.Fetched, None]:
        """Yield every page and document. Raises ProviderError at the end if something could not be listed."""
        async with self._client, aclosing(self._files()) as files:
            count = 0
            async for file in files:
                count += 1
                if count > self._settings.max_pages:
                    most = self._settings.max_pages
                    raise orbit.ProviderError(f"The site has more than {most} pages (max_pages).")
                yield file
        await asyncio.to_thread(self._remember)
        if self._lost:
            raise orbit.ProviderError(self._lost, kind="unavailable", retryable=True)

    async def _files(self) -> AsyncGenerator[orbit.Fetched, None]:
        for url in self._starts:
            self._add(url, 0)
        for url in self._starts:
            self._waiting.popleft()
            if (file := await self._file(url, 0)) is not None:
                yield file
        if self._settings.sitemaps:
            await self._read_sitemaps()
        while self._waiting:
            if len(self._done) > _MOST_ASKED * self._settings.max_pages:
                raise orbit.ProviderError(f"The site has more than {len(self._done)} addresses that are no pages.")
            if (file := await self._file(*self._waiting.popleft())) is not None:
                yield file

    def _remember(self) -> None:
        try:
            self._memory.keep(self._found)
        except OSError as error:
            raise orbit.ProviderError(f"The links of the pages cannot be kept: {error}.") from error

    def _add(self, url: str, depth: int, *, first: bool = False) -> None:
        """Queue an address that belongs to the site, once."""
        if not url or url in self._seen or depth > self._settings.max_depth:
            return
        if url not in self._starts and not (self.belongs(url) and self._takes(urlsplit(url).path)):
            return
        self._variants[url.partition("?")[0]] += 1
        if self._variants[url.partition("?")[0]] > _MOST_VARIANTS:
            return
        self._seen.add(url)
        if first:
            self._waiting.appendleft((url, depth))
        else:
            self._waiting.append((url, depth))

    def _takes(self, path: str) -> bool:
        if _NOT_FETCHED.search(path) or any(pattern.match(path) for pattern in self._exclude):
            return False
        return not self._include or any(pattern.match(path) for pattern in self._include)

    async def _read_sitemaps(self) -> None:
        named = [name for url in self._starts for name in await self._robots.sitemaps(url)]
        waiting = deque(dict.fromkeys(named))
        seen: set[str] = set()
        while waiting and len(seen) < _MOST_SITEMAPS:
            url = normal(waiting.popleft())
            if not url or url in seen or not self.belongs(url):
                continue
            seen.add(url)
            try:
                answer = await self._client.get(url, MOST_SITEMAP, lambda _: True)
            except UnreachableError as error:
                self._lost = self._lost or f"The sitemap {url} {error}."
                continue
            if answer.status >= 500:  # noqa: PLR2004  # passes by itself, perhaps
                self._lost = self._lost or f"The sitemap {url} answers with status {answer.status}."
            sitemap = await asyncio.to_thread(Sitemap, answer.content)
            waiting += sitemap.maps
            for page in sitemap.pages:
                self._add(normal(page), 0)

    async def _file(self, url: str, depth: int) -> orbit.Fetched | None:
        """Fetch a page, and queue its links. Return None for what is no file of its own."""
        if url in self._done or not await self._robots.allows(url):
            return None
        before = self._before(url)
        try:
            version, most = before.version if before else "", max(self._limit, _MOST_PAGE)
            answer = await self._client.get(url, most, extension_of, version, anywhere=url in self._starts)
        except UnreachableError as error:
            hides = not (isinstance(error, LoopError) and self._is_new(url))
            return None if isinstance(error, OutsideError) else self._failed(url, depth, str(error), hides=hides)
        self._seen.add(answer.url)
        if url in self._starts:
            self._hosts.add(host_of(answer.url))
        if answer.url != url and (answer.url in self._done or not await self._robots.allows(answer.url)):
            return None  # a redirect to another page
        self._done |= {url, answer.url}
        if answer.status == 304 and before is not None:  # noqa: PLR2004  # not modified
            self._failures = 0
            return self._kept(answer.url, before, depth)
        if answer.status != 200 or not extension_of(answer):  # noqa: PLR2004  # OK
            return self._refused(url, depth, answer)
        self._failures = 0
        return await self._read(answer, depth)

    async def _read(self, answer: Answer, depth: int) -> orbit.Fetched | None:
        """Return the file of an answer, unless it says that another address is the right one."""
        content, page, extension = answer.content, Page(), extension_of(answer)
        if extension == PAGE:
            page = await asyncio.to_thread(page_of, content, answer.url, answer.headers.get("x-robots-tag", ""))
            charset = answer.headers.get("content-type", "").lower().partition("charset=")[2]
            content = with_charset(content, charset.split(";")[0].strip(" \"'"))
        name = name_of(answer.url, extension)
        self._found[answer.url] = Known(answer.version, name, page.links)
        self._follow(page.links, depth)
        if self._settings.robots and not page.kept:
            return None
        too_large = f"is larger than {self._limit:,} bytes (ingest.max_file_bytes)"
        unchanged = answer.version and self._known.get(name) == answer.version
        file = orbit.Fetched(name, None if unchanged else content, answer.version, answer.url)
        if len(content) > self._limit or answer.too_large:
            file = orbit.Fetched(name, None, answer.version, answer.url, too_large)
        other = page.canonical
        if self._is_elsewhere(answer.url, other):
            self._dropped.add(answer.url)
            if other not in self._done:
                self._instead[other] = file
                self._add(other, depth, first=True)
            return None
        return self._yielded(file)

    def _is_elsewhere(self, url: str, canonical: str) -> bool:
        """Whether a page says that its right address is another one of the site, which does not say the same."""
        if canonical in {"", url} or canonical in self._dropped or not self.belongs(canonical):
            return False
        return self._takes(urlsplit(canonical).path)

    def _before(self, url: str) -> Known | None:
        """Return what is remembered of a page that the collection still holds in that version."""
        found = self._memory.pages.get(url)
        return found if found and found.version and self._known.get(found.name) == found.version else None

    def _kept(self, url: str, before: Known, depth: int) -> orbit.Fetched | None:
        self._found[url] = before
        self._follow(before.links, depth)
        return self._yielded(orbit.Fetched(before.name, None, before.version, url))

    def _follow(self, links: Iterable[str], depth: int) -> None:
        if self._settings.links:
            for link in links:
                self._add(link, depth + 1)

    def _refused(self, url: str, depth: int, answer: Answer) -> orbit.Fetched | None:
        """Return what becomes of a page that the server does not give: gone, of no use, or away for now."""
        status = answer.status
        of_no_use = status == 200  # noqa: PLR2004  # a picture, or the like
        if url in self._starts and (of_no_use or status in _GONE):
            what = f"is of the type {answer.kind}" if of_no_use else "does not exist"
            raise orbit.ProviderError(f"The start page {url} {what}.")
        if of_no_use or status in _GONE:
            file = self._instead.pop(url, None)
            return self._yielded(file) if file is not None else None
        forbidden = 400 <= status < 500 and status not in _PASSING  # noqa: PLR2004  # the client's fault
        if forbidden and self._is_new(url):
            return None
        return self._failed(url, depth, f"answers with status {status}")

    def _failed(self, url: str, depth: int, reason: str, *, hides: bool = True) -> orbit.Fetched | None:
        """Return a page that cannot be fetched now. Its earlier passages and links stay.

        ``hides`` says whether it may have links to pages that the collection holds.
        """
        self._done.add(url)
        self._failures += 1
        if url in self._starts:
            raise orbit.ProviderError(f"The start page {url} {reason}.", kind="unavailable", retryable=True)
        if self._failures >= _PATIENCE:
            sentence = f"{_PATIENCE} pages in a row failed; the last: {url} {reason}."
            raise orbit.ProviderError(sentence, kind="unavailable", retryable=True)
        before = self._memory.pages.get(url)
        if before is not None:
            self._found[url] = before
            self._follow(before.links, depth)
        elif hides:
            self._lost = self._lost or f"{url} {reason}, and what it links to is unknown."
        name = before.name if before else self._name_of_known(url)
        return self._yielded(orbit.Fetched(name, None, "", url, reason))

    def _is_new(self, url: str) -> bool:
        """Whether the collection does not hold a page. If it is none for good, it hides nothing that is held."""
        return url not in self._starts and self._name_of_known(url) not in self._known

    def _name_of_known(self, url: str) -> str:
        """Return the name that a page has in the collection, or would have as HTML."""
        stem = stem_of(url)
        names = (name for name in (stem, *(f"{stem}{ending}" for ending in TYPES.values())) if name in self._known)
        return next(names, name_of(url, PAGE))

    def _yielded(self, file: orbit.Fetched) -> orbit.Fetched | None:
        if file.name in self._names:
            return None
        self._names.add(file.name)
        return file


def extension_of(answer: Answer) -> str:
    """Return the extension that selects the reader of an answer; empty for what is not to be read."""
    if answer.kind in _VAGUE:
        own = PurePosixPath(urlsplit(answer.url).path).suffix.lower()
        return own if own in TYPES.values() else ""
    return TYPES.get(answer.kind, "")
