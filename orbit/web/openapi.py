"""The OpenAPI document: what Litestar knows of its routes, and what it cannot know.

The answering routes stand in front of Litestar; they are described here, from the types that they decode and encode.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from orbit.web.chat import ChatRequest, ChatResponse, StreamFrame
from orbit.web.openai.chat import CompletionRequest
from orbit.web.openai.errors import ErrorBody
from orbit.web.openai.models import EmbeddingList, EmbeddingRequest, ModelInfo, ModelList
from orbit.web.openai.wire import Completion
from orbit.web.problems import Problem

DESCRIPTION = (
    "ORBIT answers questions from an organisation's own documents. Ask at `/chat`, or with any client of OpenAI's API "
    "at `/v1`; `/admin` is for operators."
)

_KEY, _BEARER, _ADMIN = "apiKey", "bearerKey", "adminToken"
_SCHEMES = {
    _KEY: {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
    _BEARER: {"type": "http", "scheme": "bearer", "description": "An API key, as OpenAI's clients send it."},
    _ADMIN: {"type": "http", "scheme": "bearer", "description": "The operator's admin token."},
}
_ACCESS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("/health/", ("",)),
    ("/health", ("", _KEY, _ADMIN)),
    ("/metrics", ("", _ADMIN)),
    ("/admin", (_ADMIN,)),
    ("/v1", (_BEARER, _KEY)),
    ("/", (_KEY,)),
)
"""Who may use the routes under a prefix, the first that fits; the empty scheme is nobody in particular."""

_STREAM = {"text/event-stream": {"schema": {"type": "string", "description": "Server-sent events."}}}
_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


def complete(document: Mapping[str, Any]) -> dict[str, Any]:
    """Litestar's document with the answering routes, the errors as they are, and who may use what."""
    components = document.get("components", {})
    schemas = {**components.get("schemas", {}), **_schemas()}
    paths = {**document["paths"], **_answering_paths()}
    whole = {
        **document,
        "paths": {path: _with_access(path, item) for path, item in sorted(paths.items())},
        "components": {**components, "schemas": schemas, "securitySchemes": _SCHEMES},
    }
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(whole))  # Litestar leaves tuples in it
    return plain


def _schemas() -> dict[str, Any]:
    described = (
        *(ChatRequest, ChatResponse, StreamFrame, Problem, CompletionRequest, Completion),
        *(EmbeddingRequest, EmbeddingList, ModelInfo, ModelList, ErrorBody),
    )
    return msgspec.json.schema_components(described, ref_template="#/components/schemas/{name}")[1]


def _answering_paths() -> dict[str, Any]:
    name = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    frames = {**_STREAM["text/event-stream"], "x-frame": _ref(StreamFrame)}
    return {
        "/chat": {
            "post": _operation("chat", "Ask a question", ChatResponse, ChatRequest, {"text/event-stream": frames})
        },
        "/v1/chat/completions": {
            "post": _operation("completions", "Answer a conversation", Completion, CompletionRequest, _STREAM)
        },
        "/v1/models": {"get": _operation("models", "The models that may be asked for", ModelList)},
        "/v1/models/{model}": {"get": {**_operation("model", "One model", ModelInfo), "parameters": [name]}},
        "/v1/embeddings": {"post": _operation("embeddings", "Embed texts", EmbeddingList, EmbeddingRequest)},
    }


def _operation(
    name: str, summary: str, answer: type, body: type | None = None, also: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """One operation; ``also`` has the other media types of its answer."""
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "tags": ["chat" if name == "chat" else "openai"],
        "responses": {"200": {"description": "OK", "content": {**_json(answer), **(also or {})}}},
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": _json(body)}
    return operation


def _with_access(path: str, item: Mapping[str, Any]) -> dict[str, Any]:
    schemes = next(schemes for prefix, schemes in _ACCESS if path.startswith(prefix))
    access: list[dict[str, list[str]]] = [{scheme: []} if scheme else {} for scheme in schemes]
    errors = _json(ErrorBody) if path.startswith("/v1/") else _json(Problem, "application/problem+json")
    return dict(_secured(item, access, {"description": "An error", "content": errors}))


def _secured(
    item: Mapping[str, Any], access: list[dict[str, list[str]]], error: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    for key, value in item.items():
        if key not in _METHODS:
            yield key, value
            continue
        responses = {status: answer for status, answer in value["responses"].items() if status < "400"}
        yield key, {**value, "responses": {**responses, "default": error}, "security": access}


def _json(kind: type, media_type: str = "application/json") -> dict[str, Any]:
    return {media_type: {"schema": _ref(kind)}}


def _ref(kind: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
