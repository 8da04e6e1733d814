"""The transport of the Elasticsearch client, with a limit on what an answer may hold."""

from __future__ import annotations

from typing import Final

import aiohttp
from elastic_transport import AiohttpHttpNode

LONGEST_ANSWER: Final = 64 * 1024 * 1024
"""Bytes, unpacked: many times what the largest batch of records is answered with."""


class LimitedNode(AiohttpHttpNode):
    """Reads no more than ``LONGEST_ANSWER`` of an answer."""

    def _create_aiohttp_session(self) -> None:
        super()._create_aiohttp_session()
        assert self.session is not None
        self.session._response_class = _LimitedResponse  # noqa: SLF001  # the session is made by the base class alone


class _LimitedResponse(aiohttp.ClientResponse):
    async def read(self) -> bytes:
        """Return the body. Raises ClientPayloadError."""
        body = bytearray()
        async for data in self.content.iter_any():
            body += data
            if len(body) > LONGEST_ANSWER:
                self.close()
                raise aiohttp.ClientPayloadError(
                    f"an answer of more than {LONGEST_ANSWER >> 20} MiB; the rest was not read"
                )
        return bytes(body)
