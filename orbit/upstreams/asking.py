"""HTTP requests over aiohttp, with its exceptions as errors of ORBIT. Plugins that use it depend on aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec

from orbit.errors import OrbitError, ProviderError
from orbit.upstreams.addresses import Address
from orbit.upstreams.connections import failed_connection, is_of_tls, tls_context
from orbit.upstreams.failures import Refused, WrongCertificate
from orbit.upstreams.settings import ServerSettings

if TYPE_CHECKING:
    import aiohttp

_LONGEST_EXPLANATION: Final = 65_536
_SECONDS_TO_END: Final = 0.5
_SECONDS_FOR_USAGE: Final = 2.0

StatusError = Callable[[int, Mapping[str, str], bytes, str, str], OrbitError]
"""Makes the error of a response from its status, its headers, the beginning of its body, the model and the URL."""


class Connections:
    """Connections to all servers of an instance. Create it inside an event loop; ``close`` it when done.

    Derive a plugin's client from it.

    The host limits concurrency, so they have no limit. They follow no redirects, keep no cookies, and read no proxy
    from the environment.
    """

    def __init__(
        self,
        settings: ServerSettings,
        headers: Mapping[str, str],
        *,
        refused: StatusError,
        incompatible: Callable[[str, str], OrbitError],
    ) -> None:
        """``headers`` go with every request, and so do those of the settings, which override them.

        ``refused`` makes the error for a status other than 200, ``incompatible`` the one for a response that is no
        HTTP, from the URL and what is wrong with it.
        """
        import aiohttp  # noqa: PLC0415  # heavy; only those who start the provider pay

        self._refused = refused
        self._incompatible = incompatible
        address = Address.parse(settings.proxy) if settings.proxy else None
        self._proxy = address.url if address else None
        self._proxy_headers = (
            {"Proxy-Authorization": address.authorization} if address and address.authorization else {}
        )
        self.connect_timeout = settings.connect_timeout
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=30.0,
                ssl=tls_context(settings.ca_certs, verify_certs=settings.verify_certs),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",  # compressing every piece is slow
                **headers,
                **settings.headers,
            },
        )

    async def close(self) -> None:
        """Close all connections, including those of running answers."""
        await self._session.close()
        await asyncio.sleep(0)  # the event loop closes the sockets in its next turn, and may have no other

    @asynccontextmanager
    async def asked(
        self,
        method: str,
        address: Address,
        path: str,
        body: bytes | None = None,
        model: str = "",
        *,
        seconds: float | None = None,
        silence: float | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Send a request. Convert exceptions to ORBIT's errors, also while the caller reads the response.

        ``model`` is the one to name in errors. ``seconds`` limits the whole call, ``silence`` each wait; a limit that
        has passed, such as 0, allows no wait.
        """
        import aiohttp  # noqa: PLC0415  # loaded by __init__

        url = str(address)
        timeout = aiohttp.ClientTimeout(
            total=None if seconds is None else max(seconds, 0.001),  # aiohttp would take 0 for no limit
            sock_connect=self.connect_timeout,
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
                if response.status != HTTPStatus.OK:
                    headers, said = response.headers, await response.content.read(_LONGEST_EXPLANATION)
                    raise _as_wished(self._refused(response.status, headers, said, model, url), headers)
                yield response
            finally:
                response.close()  # otherwise aiohttp would wait for the rest of the answer
        except aiohttp.ConnectionTimeoutError:  # its text contains the whole address, and so do some of those below
            raise cut_off(url, f"cannot be reached: no connection within {self.connect_timeout:g} s") from None
        except TimeoutError as error:
            raise ProviderError(f"{url} did not answer in time.", kind="timeout", retryable=True) from error
        except aiohttp.ClientConnectorError as error:
            proxied = isinstance(error, aiohttp.ClientProxyConnectionError)
            reason = f"cannot be reached: {failed_connection(error.os_error)}"
            if is_of_tls(error.os_error):
                raise WrongCertificate(f"{url} {reason}") from error
            raise cut_off(f"the proxy {self._proxy} before {url}" if proxied else url, reason) from error
        except aiohttp.ClientHttpProxyError as error:
            raise self._refused(error.status, error.headers or {}, b"", model, url) from None
        except aiohttp.ClientResponseError as error:
            raise self._incompatible(url, error.message.partition("\n")[0]) from None
        except aiohttp.InvalidURL:
            raise self._incompatible(url, "it is not a valid address") from None
        except (aiohttp.ClientError, OSError) as error:
            raise cut_off(url, "closed the connection") from error

    async def answers(self, address: Address, path: str, model: str) -> None:
        """Raise ProviderError if a server does not know a route. Ignore other complaints about the empty request."""
        body = b'{"model": %b}' % msgspec.json.encode(model)
        try:
            async with self.asked("POST", address, path, body, model, seconds=self.connect_timeout):
                return
        except Refused as error:
            if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
                raise
        except OrbitError:
            return


def _as_wished(error: OrbitError, headers: Mapping[str, str]) -> OrbitError:
    """Return an error that is not retried if the server says so: it has retried already, or knows that it is final."""
    if isinstance(error, ProviderError) and headers.get("x-should-retry", "").lower() == "false":
        error.retryable = False
    return error


async def whole_body(response: aiohttp.ClientResponse, limit: int, url: str) -> bytes:
    """Return a whole decompressed body of at most ``limit`` bytes. Raises ProviderError."""
    body = bytearray()
    async for data in response.content.iter_any():
        body += data
        if len(body) > limit:
            raise oversized(url, "a body", limit)
    return bytes(body)


async def next_piece(response: aiohttp.ClientResponse, *, finished: bool) -> bytes:
    """Return what has arrived of an answer; nothing at its end.

    Once the answer is ``finished``, wait only briefly for what servers send after it, such as counts of tokens.
    """
    import aiohttp  # noqa: PLC0415  # loaded by Connections

    if not finished:
        return await response.content.readany()
    try:
        async with asyncio.timeout(_SECONDS_FOR_USAGE):
            return await response.content.readany()
    except (TimeoutError, aiohttp.ClientError, OSError):
        return b""


async def read_to_end(response: aiohttp.ClientResponse) -> None:
    """Read the end of a body whose content is complete, so that the connection can be reused. Wait only briefly."""
    import aiohttp  # noqa: PLC0415  # loaded by Connections

    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(_SECONDS_TO_END):
            await response.content.readany()


def oversized(url: str, what: str, limit: int) -> ProviderError:
    """Return the error for an implausibly long response; ``limit`` is in bytes."""
    return ProviderError(f"{url} sent {what} of more than {limit >> 20} MiB; the rest was not read.")


def cut_off(url: str, what: str) -> ProviderError:
    """Return the error for a connection that failed or broke."""
    return ProviderError(f"{url} {what.rstrip('.')}.", kind="unavailable", retryable=True)
