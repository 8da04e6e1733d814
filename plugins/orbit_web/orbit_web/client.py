"""Asks web servers: within the site, never at private addresses by chance, and never for more than the limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import httpx
import msgspec

import orbit
from orbit.upstreams import addresses_of, is_public, pinned_request, retry_after, system_reason, tls_context
from orbit_web.names import host_of, normal
from orbit_web.settings import WebSettings

_MOST_REDIRECTS = 5
_WHOLE = 4
"""A whole answer may take so many times as long as the server may be silent (``timeout``)."""
_LONGEST_PAUSE = 10.0
_BUSY = frozenset((429, 503))
"""A server that answers so may answer a little later."""


class Answer(msgspec.Struct, frozen=True):
    """What a server gave for an address."""

    url: str
    """The address after redirects."""
    status: int
    headers: Mapping[str, str]
    content: bytes = b""
    """Empty if the caller did not want this type."""
    too_large: bool = False

    @property
    def kind(self) -> str:
        """The type of the content, such as text/html."""
        return self.headers.get("content-type", "text/html").partition(";")[0].strip().lower()

    @property
    def version(self) -> str:
        """What changes with the content, as far as the server says."""
        if tag := self.headers.get("etag", ""):
            return f"etag {tag}"
        date = self.headers.get("last-modified", "")
        return f"modified {date}" if date else ""


class UnreachableError(Exception):
    """A server did not answer, or must not be asked. The message ends a sentence that begins with the address."""


class LoopError(UnreachableError):
    """Redirects that never end."""


class OutsideError(UnreachableError):
    """An address leads out of the site."""


class Client:
    """The connections of one run. Enter it (``async with``)."""

    def __init__(self, settings: WebSettings, allowed: Callable[[str], bool]) -> None:
        self._settings = settings
        self._allowed = allowed
        context = tls_context(settings.ca_certs, verify_certs=settings.verify_certs)
        self._http = httpx.AsyncClient(
            trust_env=False, timeout=settings.timeout, verify=context, follow_redirects=False
        )
        self._next = 0.0
        self.pause = settings.delay
        self.bytes = 0

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, traceback)

    def slow_down(self, seconds: float | None) -> None:
        """Obey the pause that a robots.txt asks for."""
        self.pause = max(self.pause, min(seconds or 0.0, _LONGEST_PAUSE))

    async def get(
        self, url: str, limit: int, wants: Callable[[Answer], object], known: str = "", *, anywhere: bool = False
    ) -> Answer:
        """Return the answer for an address, after redirects within the site.

        Read at most one byte more than ``limit``, and nothing of what ``wants`` rejects. ``known`` is a version that
        need not be sent again; the status is 304 then. ``anywhere`` follows redirects out of the site. Raises
        UnreachableError: LoopError, or without ``anywhere`` OutsideError.
        """
        for _ in range(_MOST_REDIRECTS + 1):
            answer = await self._ask(url, limit, wants, known)
            if answer.status in _BUSY:
                await asyncio.sleep(min(retry_after(answer.headers) or self.pause, _LONGEST_PAUSE))
                answer = await self._ask(url, limit, wants, known)
            target = answer.headers.get("location", "")
            if not (300 <= answer.status < 400 and answer.status != 304 and target):  # noqa: PLR2004  # redirects
                return answer
            url = normal(target, url)
            if not url or not (anywhere or self._allowed(url)):
                raise OutsideError("leads out of the site")
        raise LoopError("redirects again and again")

    async def _ask(self, url: str, limit: int, wants: Callable[[Answer], object], known: str) -> Answer:
        await self._wait()
        try:
            async with asyncio.timeout(self._settings.timeout * _WHOLE):
                response = await self._send(httpx.URL(url), known)
                try:
                    answer = Answer(url, response.status_code, response.headers)
                    if response.status_code != 200 or not wants(answer):  # noqa: PLR2004  # OK
                        return answer
                    content = await self._body(response, limit)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            raise UnreachableError(f"did not answer within {self._settings.timeout * _WHOLE:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            late = "did not answer in time" if isinstance(error, httpx.TimeoutException) else ""
            reason = late or system_reason(error).rstrip(".") or str(error) or type(error).__name__
            raise UnreachableError(f"cannot be fetched: {reason}") from error
        return msgspec.structs.replace(answer, content=content[:limit], too_large=len(content) > limit)

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        if (seconds := self._next - loop.time()) > 0:
            await asyncio.sleep(seconds)
        self._next = loop.time() + self.pause

    async def _body(self, response: httpx.Response, limit: int) -> bytes:
        content = bytearray()
        async for piece in response.aiter_bytes(65_536):
            content += piece
            self.bytes += len(piece)
            if self.bytes > self._settings.max_total_bytes:
                most = f"{self._settings.max_total_bytes:,}"
                raise orbit.ProviderError(f"The site has more than {most} bytes (max_total_bytes).")
            if len(content) > limit:
                break
        return bytes(content)

    async def _send(self, url: httpx.URL, known: str) -> httpx.Response:
        """Send a request to the first address of the host that takes the connection."""
        *others, last = await self._addresses(url)
        for address in others:
            try:
                return await self._http.send(self._request(url, address, known), stream=True)
            except httpx.ConnectError:
                continue
        return await self._http.send(self._request(url, last, known), stream=True)

    def _request(self, url: httpx.URL, address: str, known: str) -> httpx.Request:
        headers = {
            "User-Agent": self._settings.user_agent,
            "Accept": "text/html,application/xhtml+xml,application/pdf,*/*;q=0.5",
            **(self._settings.headers if self._allowed(str(url)) else {}),
        }
        kind, _, value = known.partition(" ")
        if kind == "etag":
            headers["If-None-Match"] = value
        elif kind == "modified":
            headers["If-Modified-Since"] = value
        return pinned_request(self._http, url, address, headers)

    async def _addresses(self, url: httpx.URL) -> list[str]:
        addresses = await addresses_of(url)
        if not addresses or not (self._settings.private or all(map(is_public, addresses))):
            raise UnreachableError(
                f"is at a private address ({host_of(str(url))}); set private: true if this is your own network"
            )
        return addresses
