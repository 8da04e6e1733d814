"""The connections to the servers: requests over aiohttp, its exceptions as ORBIT's errors."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from orbit import Chunk, ProviderError
from orbit_openai.errors import not_compatible, status_error
from orbit_openai.settings import OpenAISettings
from orbit_openai.wire import ChatReader, Model, models_from, vectors_from

if TYPE_CHECKING:
    import aiohttp

_OK = 200
_LONGEST_EXPLANATION = 65_536
_SECONDS_TO_END = 1.0


class Client:
    """Connections to all servers of an instance. Make it inside an event loop; ``close`` it when done."""

    def __init__(self, settings: OpenAISettings) -> None:
        import aiohttp  # noqa: PLC0415  # heavy; only those who start the provider pay

        self._settings = settings
        authorization = {"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30.0),  # the host limits what runs at once
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Content-Type": "application/json", **authorization, **settings.headers},
        )

    async def close(self) -> None:
        """Close all connections, running answers included."""
        await self._session.close()

    async def models(self, url: str) -> list[Model]:
        """Return the models that a server has. Raises ProviderError."""
        async with self._asked("GET", url, "/models", seconds=self._settings.connect_timeout) as response:
            return models_from(await response.read(), url)

    async def embed(self, url: str, body: bytes, count: int, model: str, seconds: float) -> list[list[float]]:
        """Return ``count`` vectors, in the order of the texts. Raises ProviderError."""
        async with self._asked("POST", url, "/embeddings", body, model, seconds=seconds) as response:
            return vectors_from(await response.read(), count, url)

    async def chat(self, url: str, body: bytes, model: str, silence: float) -> AsyncGenerator[Chunk]:
        """Yield the pieces of an answer; ``silence`` is in seconds. Raises ProviderError or PromptTooLong.

        Leaving the generator closes the connection, which makes the server stop.
        """
        async with self._asked("POST", url, "/chat/completions", body, model, silence=silence) as response:
            reader = ChatReader(model, url)
            if response.content_type == "application/json":
                chunk = reader.whole(await response.read())
            else:
                while not reader.done and (data := await response.content.readany()):
                    chunk = reader.feed(data)
                    if chunk is not None:
                        yield chunk
                chunk = None if reader.done else reader.end()
            if chunk is not None:
                yield chunk
            if not reader.done and response.content_type != "text/event-stream":
                raise not_compatible(url, f"what it sends is {response.content_type}")
            if not reader.done:
                raise _cut_off(url, "closed the connection in the middle of the answer")
            with suppress(TimeoutError):  # what follows is the end of the body; it frees the connection for others
                async with asyncio.timeout(_SECONDS_TO_END):
                    await response.content.readany()

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        url: str,
        path: str,
        body: bytes | None = None,
        model: str = "",
        *,
        seconds: float | None = None,
        silence: float | None = None,
    ) -> "AsyncIterator[aiohttp.ClientResponse]":
        """Send a request; what goes wrong, also while its answer is read, becomes an error of ORBIT.

        ``seconds`` is for all of it, ``silence`` for each wait; aiohttp takes 0 for no limit, so they are never 0.
        """
        import aiohttp  # noqa: PLC0415  # loaded by __init__

        timeout = aiohttp.ClientTimeout(
            total=None if seconds is None else max(seconds, 0.001),
            sock_connect=self._settings.connect_timeout,
            sock_read=None if silence is None else max(silence, 0.001),
        )
        try:
            response = await self._session.request(
                method,
                url + path,
                data=body,
                timeout=timeout,
                allow_redirects=False,
                proxy=self._settings.proxy or None,
            )
            try:
                if response.status != _OK:
                    said = await response.content.read(_LONGEST_EXPLANATION)
                    raise status_error(response.status, response.headers, said, model, url)
                yield response
            finally:
                response.close()  # without it, aiohttp would wait for the rest of an answer nobody wants
        except aiohttp.ConnectionTimeoutError as error:
            seconds = self._settings.connect_timeout
            raise _cut_off(url, f"cannot be reached: no connection within {seconds:g} s") from error
        except TimeoutError as error:
            raise ProviderError(f"{url} did not answer in time.", kind="timeout", retryable=True) from error
        except aiohttp.ClientConnectorError as error:
            raise _cut_off(url, f"cannot be reached: {_reason(error.os_error)}") from error
        except (aiohttp.InvalidURL, aiohttp.ClientResponseError) as error:
            raise not_compatible(url, str(error).splitlines()[0]) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _cut_off(url, "closed the connection") from error


def _cut_off(url: str, what: str) -> ProviderError:
    return ProviderError(f"{url} {what}.", kind="unavailable", retryable=True)


def _reason(error: OSError) -> str:
    """Return why a connection failed, in the system's words; event loops put others in their place."""
    known = error.errno is not None and error.errno > 0  # names that cannot be resolved have negative numbers
    return os.strerror(error.errno or 0) if known else error.strerror or str(error)
