"""How much an answer of a Chroma server may hold. Importing it costs as much as httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx

import orbit

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_ANSWER: Final = 256 * 1024 * 1024
"""Bytes: a page of a large collection with its texts."""
UNPACKED: Final = {"Accept-Encoding": "identity"}


def limit(response: httpx.Response) -> None:
    """Give a response a limit, before its body is read (an event hook of httpx). Raises ProviderError.

    What is packed may be any size once it is unpacked, so it is refused: it was not asked for.
    """
    packing = response.headers.get("content-encoding", "identity")
    if packing != "identity":
        raise orbit.ProviderError(f"the Chroma server packs its answers with {packing}, which was not asked for")
    assert isinstance(response.stream, httpx.SyncByteStream)
    response.stream = _Limited(response.stream)


class _Limited(httpx.SyncByteStream):
    """A body that ends with an error once it is too long."""

    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for data in self._stream:
            size += len(data)
            if size > LONGEST_ANSWER:
                raise orbit.ProviderError(
                    f"the Chroma server sent an answer of more than {LONGEST_ANSWER >> 20} MiB; the rest was not read"
                )
            yield data

    def close(self) -> None:
        self._stream.close()
