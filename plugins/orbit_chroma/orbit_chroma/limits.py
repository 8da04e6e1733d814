"""The size limit of a Chroma server's responses. Importing it costs as much as httpx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx

import orbit

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_ANSWER: Final = 256 * 1024 * 1024
"""Limit of a response, in bytes: a page of a large collection with its texts."""
UNPACKED: Final = {"Accept-Encoding": "identity"}


def limit(response: httpx.Response) -> None:
    """Limit a response before its body is read (an event hook of httpx). Raises ProviderError.

    Rejects compressed responses: nothing requested compression, and they may expand to any size.
    """
    packing = response.headers.get("content-encoding", "identity")
    if packing != "identity":
        raise orbit.ProviderError(
            f"the Chroma server compresses its responses with {packing}, which the request did not allow"
        )
    assert isinstance(response.stream, httpx.SyncByteStream)
    response.stream = _Limited(response.stream)


class _Limited(httpx.SyncByteStream):
    """A body that raises an error once it is too long."""

    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for data in self._stream:
            size += len(data)
            if size > LONGEST_ANSWER:
                raise orbit.ProviderError(
                    f"the Chroma server sent a response of more than {LONGEST_ANSWER >> 20} MiB; the rest was not read"
                )
            yield data

    def close(self) -> None:
        self._stream.close()
