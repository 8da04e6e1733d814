"""The HTTP client: the routes of the Messages API."""

from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Final

import msgspec

from orbit import Chunk
from orbit.upstreams import Address, Connections, Refused, next_piece, oversized, read_to_end, whole_body
from orbit_anthropic.errors import not_compatible, status_error
from orbit_anthropic.models import Model, models_from
from orbit_anthropic.reader import MessageReader
from orbit_anthropic.settings import AnthropicSettings

_NO_LIST: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
)
"""Responses of gateways that have no model list, or do not show it to this key."""
LONGEST_ANSWER: Final = 64 * 1024 * 1024
"""Limit of a streamed answer, in bytes."""
_LONGEST_BODY: Final = 8 * 1024 * 1024


class _Counted(msgspec.Struct):
    input_tokens: int


class Client(Connections):
    """Connections to all servers of an instance. Create it inside an event loop; ``close`` it when done."""

    def __init__(self, settings: AnthropicSettings) -> None:
        key = {"x-api-key": settings.api_key} if settings.api_key else {}
        headers = {"anthropic-version": settings.version, **key}
        super().__init__(settings, headers, refused=status_error, incompatible=not_compatible)

    async def models(self, address: Address) -> list[Model] | None:
        """Return the models that a server lists; None if it has no list. Raises ProviderError."""
        path = "/v1/models" if address.query else "/v1/models?limit=1000"  # the most; else it lists 20
        try:
            async with self.asked("GET", address, path, seconds=self.connect_timeout) as response:
                return models_from(await whole_body(response, _LONGEST_BODY, str(address)), str(address))
        except Refused as error:
            if error.status in _NO_LIST:
                return None
            raise

    async def count(self, address: Address, body: bytes, model: str, seconds: float) -> int:
        """Return the tokens of a prompt. Raises OrbitError."""
        url = str(address)
        async with self.asked("POST", address, "/v1/messages/count_tokens", body, model, seconds=seconds) as response:
            try:
                return msgspec.json.decode(await whole_body(response, _LONGEST_BODY, url), type=_Counted).input_tokens
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise not_compatible(url, "it does not count tokens") from error

    async def message(
        self, address: Address, body: bytes, reader: MessageReader, model: str, silence: float
    ) -> AsyncGenerator[Chunk]:
        """Yield the pieces of an answer; ``silence`` is in seconds. Raises ProviderError or PromptTooLong.

        Closing the generator closes the connection, which makes the server stop.
        """
        async with self.asked("POST", address, "/v1/messages", body, model, silence=silence) as response:
            size = 0
            while not reader.done and (data := await next_piece(response, finished=reader.finished)):
                size += len(data)
                if size > LONGEST_ANSWER:
                    raise oversized(str(address), "an answer", LONGEST_ANSWER)
                for chunk in reader.feed(data):
                    yield chunk
            for chunk in reader.end(response.content_type):
                yield chunk
            await read_to_end(response)
