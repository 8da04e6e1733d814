"""``GET /v1/models`` and ``POST /v1/embeddings``, for any holder of a key."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from litestar.types import Receive, Scope, Send
from msgspec import Meta

from orbit.host.host import OrbitHost
from orbit.types import CallContext
from orbit.web.http.body import decode, read_body
from orbit.web.http.problems import RequestError
from orbit.web.http.request import request_id_of
from orbit.web.key_guard import admit, place_beside_chats, telling_quota
from orbit.web.services import Services
from orbit.web.wires.openai.chat_request import bearer, check_model
from orbit.web.wires.openai.errors import ErrorResponse, ParameterError

_BATCH = 2048


class EmbeddingRequest(msgspec.Struct, frozen=True):
    """The body of a request for embeddings."""

    model: str
    input: str | Annotated[list[str | int | list[int]], Meta(min_length=1)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


class ModelInfo(msgspec.Struct, frozen=True):
    """A model that may be asked for, and the provider instance that has it."""

    id: str
    owned_by: str
    object: str = "model"
    created: int = 0


class ModelList(msgspec.Struct, frozen=True):
    """All models that may be asked for."""

    data: tuple[ModelInfo, ...]
    object: str = "list"


class Embedding(msgspec.Struct, frozen=True):
    """The vector of one input, as numbers or as float32 in base64."""

    index: int
    embedding: list[float] | str
    object: str = "embedding"


class EmbeddingUsage(msgspec.Struct, frozen=True):
    """The words of the inputs: embedding providers do not tell their tokens."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(msgspec.Struct, frozen=True):
    """The vectors of all inputs, in order."""

    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
    object: str = "list"


_decoder = msgspec.json.Decoder(EmbeddingRequest)
_EXPECTED = 'Expected {"model": "...", "input": "..." or ["...", ...]}.'


def chat_models(host: OrbitHost) -> tuple[str, ...]:
    """The names under which the generating model may be asked for."""
    name = host.roles.generate
    return tuple(dict.fromkeys((host.registry.model(name, "generate") or name, "orbit")))


def embedding_models(host: OrbitHost) -> tuple[str, ...]:
    """The names of the embedding model; empty if there is none."""
    name = host.roles.embed
    return (host.registry.model(name, "embed") or name,) if name else ()


class OpenAIRoutes:
    """An ASGI application for what stands under ``/v1`` besides chat."""

    def __init__(self, services: Services) -> None:
        self._services = services
        host = services.host
        self._models = {
            name: ModelInfo(name, owner)
            for names, owner in (
                (chat_models(host), host.roles.generate),
                (embedding_models(host), host.roles.embed),
            )
            for name in names
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request_id = request_id_of(scope)
        send = telling_quota(scope, send)
        try:
            body = await self._answer(scope, receive, request_id)
        except Exception as error:  # noqa: BLE001  # the last place where it can become an answer
            await ErrorResponse(error, request_id)(scope, receive, send)
            return
        encoded = msgspec.json.encode(body)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(encoded)).encode()),
            (b"x-request-id", request_id.encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": encoded, "more_body": False})

    async def _answer(self, scope: Any, receive: Receive, request_id: str) -> ModelList | ModelInfo | EmbeddingList:
        services = self._services
        method, path = scope["method"], scope["path"].removeprefix("/v1").rstrip("/")
        if path == "/embeddings" and method == "POST":
            settings = services.config.host
            key = (await admit(services, scope, bearer(scope), services.admission)).key
            deadline = time.monotonic() + settings.timeouts.turn
            context = CallContext(request_id, key.id, key.hint, key.client_name, deadline=deadline)
            body = await read_body(scope, receive, settings.limits.max_body_bytes)
            async with place_beside_chats(services, scope):
                return await self._embed(decode(body, _decoder, _EXPECTED), context)
        await services.authenticator.authenticate(bearer(scope))
        if path == "/models" and method == "GET":
            return ModelList(tuple(self._models.values()))
        if path.startswith("/models/") and method == "GET":
            name = path.removeprefix("/models/")
            check_model(name, tuple(self._models))
            return self._models[name]
        raise RequestError(404, "not_found", f"there is no {method} {scope['path']}.")

    async def _embed(self, request: EmbeddingRequest, context: CallContext) -> EmbeddingList:
        host = self._services.host
        check_model(request.model, embedding_models(host))
        texts = _texts(request.input)
        if any(not text for text in texts):
            raise ParameterError("input", "an input must not be empty.")
        vectors = await host.embed(texts, "document", context)
        if request.dimensions not in (None, vectors.shape[1]):
            raise ParameterError("dimensions", f"this model's vectors have {vectors.shape[1]} dimensions.")
        encode: Callable[[Any], list[float] | str] = _base64 if request.encoding_format == "base64" else _floats
        data = [Embedding(index, encode(vector)) for index, vector in enumerate(vectors)]
        words = sum(len(text.split()) for text in texts)
        return EmbeddingList(data, request.model, EmbeddingUsage(words, words))


def _texts(given: str | list[str | int | list[int]]) -> list[str]:
    items = [given] if isinstance(given, str) else given
    texts = [item for item in items if isinstance(item, str)]
    if len(texts) != len(items):
        detail = (
            "The input must be text, not numbers of tokens: they would be those of another model. "
            "LangChain's OpenAIEmbeddings sends text with check_embedding_ctx_length=False."
        )
        raise ParameterError("input", detail)
    if len(texts) > _BATCH:
        raise ParameterError("input", f"The input has {len(texts)} texts; at most {_BATCH} are allowed.")
    return texts


def _floats(vector: Any) -> list[float]:
    values: list[float] = vector.tolist()
    return values


def _base64(vector: Any) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
