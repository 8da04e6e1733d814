"""Asks robots.txt what may be fetched."""

from __future__ import annotations

from urllib.parse import urlsplit

from protego import Protego

import orbit
from orbit_web.client import Client, OutsideError, UnreachableError
from orbit_web.settings import WebSettings

_MOST = 500_000
"""Bytes of a robots.txt to read, as the standard wants at least."""


class Robots:
    """The rules of each host, read when they are first needed."""

    def __init__(self, settings: WebSettings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._rules: dict[str, Protego] = {}

    async def allows(self, url: str) -> bool:
        """Whether an address may be fetched. Raises ProviderError if the server does not give its rules."""
        return not self._settings.robots or bool((await self._of(url)).can_fetch(url, self._settings.user_agent))

    async def sitemaps(self, url: str) -> list[str]:
        """Return the sitemaps of the host of an address."""
        return list((await self._of(url)).sitemaps) or [f"{_root(url)}/sitemap.xml"]

    async def _of(self, url: str) -> Protego:
        root = _root(url)
        if root not in self._rules:
            self._rules[root] = rules = Protego.parse(await self._text(f"{root}/robots.txt"))
            if self._settings.robots:
                self._client.slow_down(rules.crawl_delay(self._settings.user_agent))
        return self._rules[root]

    async def _text(self, url: str) -> str:
        """Return the rules; none if the server has none. A server that fails allows nothing, says the standard."""
        try:
            answer = await self._client.get(url, _MOST, lambda _: True)
        except OutsideError:
            return ""
        except UnreachableError as error:
            raise orbit.ProviderError(f"{url} {error}.", kind="unavailable", retryable=True) from error
        if answer.status >= 500 and self._settings.robots:  # noqa: PLR2004  # the server's fault
            sentence = f"{url} answers with status {answer.status}, so nothing may be fetched."
            raise orbit.ProviderError(sentence, kind="unavailable", retryable=True)
        return answer.content.decode("utf-8", "replace") if answer.status == 200 else ""  # noqa: PLR2004  # OK


def _root(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
