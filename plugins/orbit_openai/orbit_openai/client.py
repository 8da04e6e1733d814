"""The HTTP client: the routes of OpenAI's API."""

from collections.abc import AsyncGenerator
from http import HTTPStatus

from orbit import Chunk
from orbit.upstreams import Address, Connections, Refused, next_piece, oversized, read_to_end, whole_body
from orbit_openai.errors import NoModelList, not_compatible, status_error
from orbit_openai.reader import ChatReader
from orbit_openai.settings import OpenAISettings
from orbit_openai.wire import Model, models_from, vectors_from

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


class Client(Connections):
    """Connections to all servers of an instance. Create it inside an event loop; ``close`` it when done."""

    def __init__(self, settings: OpenAISettings) -> None:
        authorization = {"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else {}
        super().__init__(settings, authorization, refused=status_error, incompatible=not_compatible)

    async def models(self, address: Address) -> list[Model]:
        """Return the models that a server lists. Raises ProviderError: NoModelList if the server has no list."""
        try:
            async with self.asked("GET", address, "/models", seconds=self.connect_timeout) as response:
                return models_from(await whole_body(response, _LONGEST_LIST, str(address)), str(address))
        except Refused as error:
            if error.status in _NO_LIST:
                raise NoModelList(error.message, error.status, error.marks, kind=error.kind, retryable=False) from error
            raise

    async def embed(self, address: Address, body: bytes, count: int, model: str, seconds: float) -> list[list[float]]:
        """Return ``count`` vectors, in the order of the texts. Raises ProviderError."""
        async with self.asked("POST", address, "/embeddings", body, model, seconds=seconds) as response:
            url, limit = str(address), _LONGEST_LIST + count * _LONGEST_VECTOR
            return vectors_from(await whole_body(response, limit, url), count, url)

    async def chat(
        self, address: Address, body: bytes, reader: ChatReader, model: str, silence: float
    ) -> AsyncGenerator[Chunk]:
        """Yield the pieces of an answer; ``silence`` is in seconds. Raises ProviderError or PromptTooLong.

        Closing the generator closes the connection, which makes the server stop.
        """
        async with self.asked("POST", address, "/chat/completions", body, model, silence=silence) as response:
            size = 0
            while not reader.done and (data := await next_piece(response, finished=reader.finished)):
                size += len(data)
                if size > LONGEST_ANSWER:
                    raise oversized(str(address), "an answer", LONGEST_ANSWER)
                chunk = reader.feed(data)
                if chunk is not None:
                    yield chunk
            chunk = reader.end(response.content_type)
            if chunk is not None:
                yield chunk
            await read_to_end(response)
