"""The client of an Ollama server: the ``ollama`` package over httpx-aiohttp's transport, with msgspec as decoder.

Opening a client imports the heavy modules, so that importing the plugin stays cheap.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

import msgspec

from orbit import PromptTooLong, ProviderError
from orbit.upstreams import Address, WrongCertificate, failed_connection, is_of_tls, tls_context
from orbit_ollama import wire
from orbit_ollama.answer import ChatLine, ChatLines
from orbit_ollama.settings import OllamaSettings
from orbit_ollama.silence import Silence

if TYPE_CHECKING:
    import httpx
    import ollama
    from httpx_aiohttp import AiohttpTransport

_LONGEST_EXPLANATION = 65_536
_SECONDS_TO_END = 1.0


class InstalledModel(msgspec.Struct, frozen=True):
    """A model on a server. ``size`` is in bytes; ``digest`` changes with the model."""

    name: str
    digest: str
    size: int
    parameters: str
    quantization: str


class ShownModel(msgspec.Struct, frozen=True):
    """What a server says of a model; None where it says nothing."""

    capabilities: list[str] | None
    context: int | None
    """The longest context that the model was trained for, in tokens."""

    @property
    def chats(self) -> bool:
        """Whether the model answers conversations. Old servers do not say, but their users know their models."""
        return self.capabilities is None or "completion" in self.capabilities


class Client:
    """The connections to one server. Create it with ``open``; ``close`` it when done."""

    def __init__(
        self, address: Address, settings: OllamaSettings, api: "ollama.AsyncClient", transport: "AiohttpTransport"
    ) -> None:
        self.url = str(address)
        self._address = address
        self._settings = settings
        self._api = api
        self._transport = transport
        self._http: httpx.AsyncClient = api._client  # noqa: SLF001  # the only way to the headers and URL it has made
        self._extensions = {"timeout": self._http.timeout.as_dict()}
        self._urls: dict[str, httpx.URL] = {}

    @classmethod
    def open(cls, address: Address, settings: OllamaSettings) -> Self:
        """Return a client for a server, without connecting yet. Call it inside an event loop. Raises ConfigError."""
        import aiohttp  # noqa: PLC0415  # heavy; only those who start the provider pay
        import httpx  # noqa: PLC0415  # the same
        import ollama  # noqa: PLC0415  # the same

        from orbit_ollama.transport import LimitedTransport  # noqa: PLC0415  # the same

        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the host limits concurrency
                keepalive_timeout=30.0,
                ssl=tls_context(settings.ca_certs, verify_certs=settings.verify_certs),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        headers = {"Accept-Encoding": "identity", **settings.headers, **address.headers()}
        proxy = None
        if settings.proxy:
            by = Address.parse(settings.proxy)
            authorization = {"Proxy-Authorization": by.authorization} if by.authorization else {}
            proxy = httpx.Proxy(by.url, headers=authorization)
            if address.url.startswith("http:"):  # without a tunnel, the proxy itself reads the request
                headers |= authorization
        transport = LimitedTransport(client=session, proxy=proxy)
        api = ollama.AsyncClient(
            host=address.url,
            headers=headers,
            params=address.query or None,
            timeout=httpx.Timeout(None, connect=settings.connect_timeout),
            transport=transport,
        )
        return cls(address, settings, api, transport)

    async def close(self) -> None:
        """Close all connections, including those of running answers."""
        await self._http.aclose()

    async def version(self) -> str:
        """Return the server's version. Raises ProviderError."""
        body = await self.call("GET", "/api/version", None, "", self._settings.connect_timeout)
        try:
            return str(msgspec.json.decode(body)["version"])
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise wire.not_ollama("no version") from error

    async def models(self) -> list[InstalledModel]:
        """Return the models on the server. Raises ProviderError: Refused if the server does not list them."""
        async with self._failures(""):
            async with asyncio.timeout(self._settings.connect_timeout * 2):
                listed = await self._api.list()
            return [
                InstalledModel(
                    model.model or "",
                    model.digest or model.model or "",
                    int(model.size or 0),
                    (model.details and model.details.parameter_size) or "",
                    (model.details and model.details.quantization_level) or "",
                )
                for model in listed.models
            ]

    async def show(self, model: str) -> ShownModel:
        """Return what the server says of a model. Raises ProviderError."""
        async with self._failures(model):
            async with asyncio.timeout(self._settings.connect_timeout * 2):
                shown = await self._api.show(model)
            lengths = [int(v) for k, v in (shown.modelinfo or {}).items() if k.endswith(".context_length") and v]
            return ShownModel(shown.capabilities, min(lengths, default=None))

    async def pull(self, model: str) -> AsyncIterator[tuple[str, int, int]]:
        """Download a model. Yield its progress: status, bytes so far, total bytes. Raises ProviderError."""
        async with self._failures(model):
            async for step in await self._api.pull(model, stream=True):
                yield step.status or "", step.completed or 0, step.total or 0

    async def call(self, method: str, path: str, body: bytes | None, model: str, seconds: float) -> bytes:
        """Return the body of a response that is not streamed. Raises ProviderError."""
        async with self._failures(model), asyncio.timeout(seconds):
            response = await self._transport.handle_async_request(self._request(method, path, body))
            try:
                content = await response.aread()
            finally:
                await response.aclose()
            if response.status_code != 200:  # noqa: PLR2004  # OK
                raise wire.status_error(response.status_code, content, model, self.url, response.headers)
            return content

    async def chat(self, body: bytes, model: str, first: float, stall: float) -> AsyncGenerator[list[ChatLine]]:
        """Yield the lines of an answer as they arrive together; the last one is ``done``. Raises ProviderError.

        ``first`` and ``stall`` limit the seconds until the first bytes and between later ones. Closing the generator
        closes the connection, which makes Ollama stop.
        """
        import httpx  # noqa: PLC0415  # loaded by open()

        lines = ChatLines()
        async with self._failures(model):
            async with asyncio.timeout(first) as waiting:
                response = await self._transport.handle_async_request(self._request("POST", "/api/chat", body))
            left = (waiting.when() or 0.0) - asyncio.get_running_loop().time()
            stream = response.stream
            assert isinstance(stream, httpx.AsyncByteStream)
            pieces = Silence(aiter(stream), stream.aclose, max(left, 0.001))
            try:
                if response.status_code != 200:  # noqa: PLR2004  # OK
                    said = await _explanation(pieces)
                    raise wire.status_error(response.status_code, said, model, self.url, response.headers)
                while True:
                    piece = await pieces.next()
                    arrived = lines.feed(piece) if piece else lines.end()
                    for index, line in enumerate(arrived):
                        if line.error:
                            if index:
                                yield arrived[:index]
                            raise wire.line_error(line.error)
                        if line.done:
                            del arrived[index + 1 :]
                            break
                    if arrived:
                        pieces.wait_at_most(stall)
                        yield arrived
                        if arrived[-1].done:
                            break
                    if not piece:
                        raise ProviderError(
                            f"{self.url} closed the connection in the middle of the answer.",
                            kind="unavailable",
                            retryable=True,
                        )
                pieces.wait_at_most(_SECONDS_TO_END)
                with suppress(
                    TimeoutError, httpx.HTTPError, OSError
                ):  # read to the end, so that the connection can be reused
                    await pieces.next()
            finally:
                await pieces.close()
                await stream.aclose()

    def _request(self, method: str, path: str, body: bytes | None) -> "httpx.Request":
        """Return a request as the package would send it.

        It goes straight to the transport. This avoids the package's pydantic models and httpx's handling of cookies,
        redirects and authentication, which together cost more than everything else.
        """
        import httpx  # noqa: PLC0415  # loaded by open()

        url = self._urls.get(path)
        if url is None:  # parsing it costs as much as sending the request
            base = self._http.base_url
            query = self._address.query.encode() or None
            url = self._urls[path] = base.copy_with(path=base.path.rstrip("/") + path, query=query)
        return httpx.Request(method, url, headers=self._http.headers, content=body, extensions=self._extensions)

    @asynccontextmanager
    async def _failures(self, model: str) -> AsyncIterator[None]:
        """Convert the exceptions of the packages below to ProviderError."""
        import httpx  # noqa: PLC0415  # loaded by open()
        import ollama  # noqa: PLC0415  # the same

        try:
            yield
        except ollama.ResponseError as error:
            if error.status_code < 0:  # an error line within a stream
                raise wire.line_error(error.error) from error
            body = msgspec.json.encode({"error": error.error})
            raise wire.status_error(error.status_code, body, model, self.url) from error
        except TimeoutError as error:
            raise ProviderError(f"{self.url} did not answer in time.", kind="timeout", retryable=True) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._connection_error(error) from None  # its text may contain the whole address
        except ValueError as error:  # from pydantic or json
            raise wire.not_ollama(str(error).partition("\n")[0]) from error

    def _connection_error(self, error: Exception) -> ProviderError | PromptTooLong:
        import aiohttp  # noqa: PLC0415  # loaded by open()

        # The package hides the cause behind its own exception.
        cause = error.__cause__ or (error.__context__ and error.__context__.__cause__) or error
        url = self.url
        if isinstance(cause, aiohttp.ConnectionTimeoutError):
            what = f"cannot be reached: no connection within {self._settings.connect_timeout:g} s."
        elif isinstance(cause, aiohttp.ClientConnectorError):
            what = f"cannot be reached: {failed_connection(cause.os_error)}"
            if is_of_tls(cause.os_error):
                return WrongCertificate(f"{url} {what}")
            if isinstance(cause, aiohttp.ClientProxyConnectionError):
                url = f"the proxy {Address.parse(self._settings.proxy)} before {url}"
        elif isinstance(cause, aiohttp.ClientHttpProxyError):
            return wire.status_error(cause.status, b"", "", url)
        elif isinstance(cause, aiohttp.ServerTimeoutError):
            return ProviderError(f"{url} did not answer in time.", kind="timeout", retryable=True)
        else:
            what = "closed the connection."
        return ProviderError(f"{url} {what}", kind="unavailable", retryable=True)


class Clients(dict[Address, Client]):
    """A client of each server of an instance."""

    def __init__(self, settings: OllamaSettings) -> None:
        super().__init__((address, Client.open(address, settings)) for address in settings.addresses)

    async def close(self) -> None:
        """Close all connections, including those of running answers."""
        await asyncio.gather(*(client.close() for client in self.values()))


async def _explanation(pieces: Silence) -> bytes:
    """Return the beginning of an error's body."""
    body = b""
    pieces.wait_at_most(_SECONDS_TO_END)
    with suppress(TimeoutError):
        while len(body) < _LONGEST_EXPLANATION and (piece := await pieces.next()):
            body += piece
    return body
