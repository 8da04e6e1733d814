"""``GET /v1/models`` and ``POST /v1/embeddings``, for any holder of a key."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import msgspec
from litestar.types import Receive, Scope, Send
from msgspec import Meta

from orbit.host import OrbitHost
from orbit.types import CallContext
from orbit.web.body import decode, read_body
from orbit.web.openai.chat import bearer, check_model
from orbit.web.openai.errors import ErrorResponse, ParameterError
from orbit.web.problems import RequestError
from orbit.web.request import request_id_of
from orbit.web.services import Services

_BATCH = 2048


class EmbeddingRequest(msgspec.Struct, frozen=True):
    """The body of a request for embeddings."""

    model: str
    input: str | Annotated[list[str], Meta(min_length=1, max_length=_BATCH)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


_decoder = msgspec.json.Decoder(EmbeddingRequest)
_EXPECTED = 'Expected {"model": "...", "input": "..." or ["...", ...]}.'


def chat_models(host: OrbitHost) -> tuple[str, ...]:
    """The names under which the generating model may be asked for."""
    name = host.roles.generate
    return tuple(dict.fromkeys((host.registry[name].model("generate") or name, "orbit")))


def embedding_models(host: OrbitHost) -> tuple[str, ...]:
    """The names of the embedding model; empty if there is none."""
    name = host.roles.embed
    return (host.registry[name].model("embed") or name,) if name else ()


class OpenAIRoutes:
    """An ASGI application for what stands under ``/v1`` besides chat."""

    def __init__(self, services: Services) -> None:
        self._services = services
        host = services.host
        self._models = {
            name: {"id": name, "object": "model", "created": 0, "owned_by": owner}
            for names, owner in (
                (chat_models(host), host.roles.generate),
                (embedding_models(host), host.roles.embed),
            )
            for name in names
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request_id = request_id_of(scope)
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

    async def _answer(self, scope: Any, receive: Receive, request_id: str) -> dict[str, Any]:
        services = self._services
        identity = await services.authenticator.authenticate(bearer(scope))
        method, path = scope["method"], scope["path"].removeprefix("/v1").rstrip("/")
        if path == "/models" and method == "GET":
            return {"object": "list", "data": list(self._models.values())}
        if path.startswith("/models/") and method == "GET":
            name = path.removeprefix("/models/")
            check_model(name, tuple(self._models))
            return self._models[name]
        if path == "/embeddings" and method == "POST":
            await services.limiter.admit(identity.key)
            context = CallContext(request_id, identity.key.id, identity.key.hint, identity.key.client_name)
            body = await read_body(scope, receive, services.config.host.limits.max_body_bytes)
            return await self._embed(decode(body, _decoder, _EXPECTED), context)
        raise RequestError(404, "not_found", f"there is no {method} {scope['path']}.")

    async def _embed(self, request: EmbeddingRequest, context: CallContext) -> dict[str, Any]:
        host = self._services.host
        check_model(request.model, embedding_models(host))
        texts = [request.input] if isinstance(request.input, str) else request.input
        if any(not text for text in texts):
            raise ParameterError("input", "an input must not be empty.")
        vectors = await host.embed(texts, "document", context)
        if request.dimensions not in (None, vectors.shape[1]):
            raise ParameterError("dimensions", f"this model's vectors have {vectors.shape[1]} dimensions.")
        encode = _base64 if request.encoding_format == "base64" else _floats
        data = [
            {"object": "embedding", "index": index, "embedding": encode(vector)} for index, vector in enumerate(vectors)
        ]
        words = sum(len(text.split()) for text in texts)  # embedding providers do not tell their tokens
        usage = {"prompt_tokens": words, "total_tokens": words}
        return {"object": "list", "data": data, "model": request.model, "usage": usage}


def _floats(vector: Any) -> list[float]:
    values: list[float] = vector.tolist()
    return values


def _base64(vector: Any) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
