"""The HTTP client: sends requests with aiohttp and converts its exceptions to ORBIT's errors."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from orbit import Chunk, OrbitError, ProviderError
from orbit.upstreams import Address, Refused, WrongCertificate, failed_connection, is_of_tls, tls_context
from orbit_openai.errors import NoModelList, cut_off, not_compatible, oversized, status_error
from orbit_openai.reader import ChatReader
from orbit_openai.settings import OpenAISettings
from orbit_openai.wire import Model, models_from, vectors_from

if TYPE_CHECKING:
    import aiohttp

_OK = 200
_LONGEST_EXPLANATION = 65_536
_SECONDS_TO_END = 0.5
_SECONDS_FOR_USAGE = 2.0
_NO_LIST = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
"""Responses of gateways that have no model list, or do not show it to this key."""
LONGEST_ANSWER = 64 * 1024 * 1024
"""Limit of a streamed answer, in bytes: a quarter of a million tokens, each in its own frame."""
_LONGEST_LIST = 8 * 1024 * 1024
_LONGEST_VECTOR = 256 * 1024


class Client:
    """Connections to all servers of an instance. Create it inside an event loop; ``close`` it when done."""

    def __init__(self, settings: OpenAISettings) -> None:
        import aiohttp  # noqa: PLC0415  # heavy; only those who start the provider pay

        self._settings = settings
        authorization = {"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
        proxy = Address.parse(settings.proxy) if settings.proxy else None
        self._proxy = proxy.url if proxy else None
        self._proxy_headers = {"Proxy-Authorization": proxy.authorization} if proxy and proxy.authorization else {}
        tls = tls_context(settings.ca_certs, verify_certs=settings.verify_certs)
        self._session = aiohttp.ClientSession(
            # The host limits concurrency.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30.0, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",  # compressing every piece is slow
                **authorization,
                **settings.headers,
            },
        )

    async def close(self) -> None:
        """Close all connections, including those of running answers."""
        await self._session.close()

    async def models(self, address: Address) -> list[Model]:
        """Return the models that a server lists. Raises ProviderError: NoModelList if the server has no list."""
        try:
            async with self._asked("GET", address, "/models", seconds=self._settings.connect_timeout) as response:
                return models_from(await _body(response, _LONGEST_LIST, str(address)), str(address))
        except Refused as error:
            if error.status in _NO_LIST:
                raise NoModelList(error.message, error.status, error.marks, kind=error.kind, retryable=False) from error
            raise

    async def answers(self, address: Address, path: str, model: str) -> None:
        """Raise ProviderError if a server does not know a route. Ignore other complaints about the empty request."""
        body = b'{"model": %b}' % msgspec.json.encode(model)
        try:
            async with self._asked("POST", address, path, body, model, seconds=self._settings.connect_timeout):
                return
        except Refused as error:
            if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
                raise
        except OrbitError:
            return

    async def embed(self, address: Address, body: bytes, count: int, model: str, seconds: float) -> list[list[float]]:
        """Return ``count`` vectors, in the order of the texts. Raises ProviderError."""
        async with self._asked("POST", address, "/embeddings", body, model, seconds=seconds) as response:
            url, limit = str(address), _LONGEST_LIST + count * _LONGEST_VECTOR
            return vectors_from(await _body(response, limit, url), count, url)

    async def chat(
        self, address: Address, body: bytes, reader: ChatReader, model: str, silence: float
    ) -> AsyncGenerator[Chunk]:
        """Yield the pieces of an answer; ``silence`` is in seconds. Raises ProviderError or PromptTooLong.

        Closing the generator closes the connection, which makes the server stop.
        """
        import aiohttp  # noqa: PLC0415  # loaded by __init__

        async with self._asked("POST", address, "/chat/completions", body, model, silence=silence) as response:
            size = 0
            while not reader.done and (data := await _piece(response, reader)):
                size += len(data)
                if size > LONGEST_ANSWER:
                    raise oversized(str(address), "an answer", LONGEST_ANSWER)
                chunk = reader.feed(data)
                if chunk is not None:
                    yield chunk
            chunk = reader.end(response.content_type)
            if chunk is not None:
                yield chunk
            # Read to the end of the body, so that the connection can be reused.
            with suppress(TimeoutError, aiohttp.ClientError, OSError):
                async with asyncio.timeout(_SECONDS_TO_END):
                    await response.content.readany()

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        address: Address,
        path: str,
        body: bytes | None = None,
        model: str = "",
        *,
        seconds: float | None = None,
        silence: float | None = None,
    ) -> "AsyncIterator[aiohttp.ClientResponse]":
        """Send a request. Convert exceptions to ORBIT's errors, also while the caller reads the response.

        ``seconds`` limits the whole call, ``silence`` each wait. They are never 0, which aiohttp would take for no
        limit.
        """
        import aiohttp  # noqa: PLC0415  # loaded by __init__

        url = str(address)
        timeout = aiohttp.ClientTimeout(
            total=None if seconds is None else max(seconds, 0.001),
            sock_connect=self._settings.connect_timeout,
            sock_read=None if silence is None else max(silence, 0.001),
        )
        try:
            response = await self._session.request(
                method,
                address.at(path),
                data=body,
                headers=address.headers() | ({} if address.url.startswith("https:") else self._proxy_headers),
                timeout=timeout,
                allow_redirects=False,
                proxy=self._proxy,
                proxy_headers=self._proxy_headers,
            )
            try:
                if response.status != _OK:
                    said = await response.content.read(_LONGEST_EXPLANATION)
                    raise status_error(response.status, response.headers, said, model, url)
                yield response
            finally:
                response.close()  # otherwise aiohttp would wait for the rest of the answer
        except aiohttp.ConnectionTimeoutError:  # its text contains the whole address, and so do some of those below
            seconds = self._settings.connect_timeout
            raise cut_off(url, f"cannot be reached: no connection within {seconds:g} s") from None
        except TimeoutError as error:
            raise ProviderError(f"{url} did not answer in time.", kind="timeout", retryable=True) from error
        except aiohttp.ClientConnectorError as error:
            proxied = isinstance(error, aiohttp.ClientProxyConnectionError)
            reason = f"cannot be reached: {failed_connection(error.os_error)}"
            if is_of_tls(error.os_error):
                raise WrongCertificate(f"{url} {reason}") from error
            raise cut_off(f"the proxy {self._proxy} before {url}" if proxied else url, reason) from error
        except aiohttp.ClientHttpProxyError as error:
            raise status_error(error.status, error.headers or {}, b"", model, url) from None
        except aiohttp.ClientResponseError as error:
            raise not_compatible(url, error.message.partition("\n")[0]) from None
        except aiohttp.InvalidURL:
            raise not_compatible(url, "it is not a valid address") from None
        except (aiohttp.ClientError, OSError) as error:
            raise cut_off(url, "closed the connection") from error


async def _piece(response: "aiohttp.ClientResponse", reader: ChatReader) -> bytes:
    """Return the data that has arrived; empty at the end. Once the answer is complete, wait only briefly."""
    import aiohttp  # noqa: PLC0415  # loaded by Client

    if not reader.finished:
        return await response.content.readany()
    try:
        async with asyncio.timeout(_SECONDS_FOR_USAGE):
            return await response.content.readany()
    except (TimeoutError, aiohttp.ClientError, OSError):
        return b""


async def _body(response: "aiohttp.ClientResponse", limit: int, url: str) -> bytes:
    """Return a whole decompressed body of at most ``limit`` bytes. Raises ProviderError."""
    body = bytearray()
    async for data in response.content.iter_any():
        body += data
        if len(body) > limit:
            raise oversized(url, "a body", limit)
    return bytes(body)
