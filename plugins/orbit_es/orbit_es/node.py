"""The transport of the Elasticsearch client, with a limit on the size of responses."""

from __future__ import annotations

from typing import Final

import aiohttp
from elastic_transport import AiohttpHttpNode

LONGEST_ANSWER: Final = 64 * 1024 * 1024
"""Limit of a decompressed response, in bytes: many times the response to the largest batch."""


class LimitedNode(AiohttpHttpNode):
    """Reads at most ``LONGEST_ANSWER`` bytes of a response."""

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
                    f"the response exceeds {LONGEST_ANSWER >> 20} MiB; the rest was not read"
                )
        return bytes(body)
