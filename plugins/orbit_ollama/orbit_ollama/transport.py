"""aiohttp's transport for httpx, with a limit on the size of responses. Importing it costs as much as httpx."""

import zlib
from collections.abc import AsyncIterator
from typing import Final

import httpx
from httpx_aiohttp import AiohttpTransport

from orbit_ollama.wire import not_ollama, oversized

LONGEST_ANSWER: Final = 128 * 1024 * 1024
"""Limit of a decompressed body, in bytes: the largest batch of embeddings, or half a million lines of an answer."""
_PIECE: Final = 64 * 1024
_GZIP: Final = b"\x1f"
"""The first byte of each member in gzip's format."""


class LimitedTransport(AiohttpTransport):
    """Sends requests and counts the bytes of the responses."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Raises ProviderError, also while the caller reads the response."""
        response = await super().handle_async_request(request)
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        packing = response.headers.get("content-encoding", "identity").lower()
        if packing not in ("identity", "", "gzip", "x-gzip", "deflate"):
            await stream.aclose()
            raise not_ollama(f"it is compressed with {packing}, which the request did not allow")
        if packing not in ("identity", ""):
            del response.headers["content-encoding"]  # otherwise httpx would decompress it again
            response.stream = _Limited(_Unpacked(stream, packing))
        else:
            response.stream = _Limited(stream)
        return response


class _Limited(httpx.AsyncByteStream):
    """A body that raises an error once it is too long."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for data in self._stream:
            size += len(data)
            if size > LONGEST_ANSWER:
                raise oversized("an answer", LONGEST_ANSWER)
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Unpacked(httpx.AsyncByteStream):
    """Decompresses a body in small pieces: a few bytes may expand to gigabytes."""

    def __init__(self, stream: httpx.AsyncByteStream, packing: str) -> None:
        self._stream = stream
        self._packing = packing

    async def __aiter__(self) -> AsyncIterator[bytes]:
        unpack = None
        try:
            async for data in self._stream:
                packed = data
                while packed and (unpack is None or not unpack.eof or packed.startswith(_GZIP)):
                    if unpack is None or unpack.eof:
                        unpack = self._begun(packed)
                    if piece := unpack.decompress(packed, _PIECE):  # an empty one would look like the end
                        yield piece
                    packed = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
        except zlib.error as error:
            raise not_ollama(str(error)) from error

    def _begun(self, packed: bytes) -> "zlib._Decompress":
        """Return what decompresses a body, or a further member of one in gzip's format, by its first byte."""
        if self._packing == "deflate" and packed[0] & 0x0F != zlib.DEFLATED:  # some servers leave out zlib's header
            return zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib

    async def aclose(self) -> None:
        await self._stream.aclose()
