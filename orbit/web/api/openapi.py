"""The OpenAPI document: what Litestar knows of its routes, and what it cannot know.

The answering routes stand in front of Litestar; they are described here, from the types that they decode and encode.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from orbit.auth.sign_ins import COOKIE_PREFIX
from orbit.web.http.problems import ProblemDetails
from orbit.web.wires.openai.chat_request import CompletionRequest
from orbit.web.wires.openai.chat_wire import Completion
from orbit.web.wires.openai.errors import ErrorBody
from orbit.web.wires.openai.models import EmbeddingList, EmbeddingRequest, ModelInfo, ModelList
from orbit.web.wires.orbit import ChatRequest, ChatResponse, StreamFrame

DESCRIPTION = (
    "ORBIT answers questions from an organisation's own documents. Ask at `/chat`, or with any client of OpenAI's API "
    "at `/v1`; `/admin` is for operators."
)

_KEY, _BEARER, _SESSION, _CSRF = "apiKey", "bearerKey", "adminSession", "csrfToken"
_ADMIN, _ADMIN_HEADER = "adminToken", "adminTokenHeader"
_SCHEMES = {
    _KEY: {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
    _BEARER: {"type": "http", "scheme": "bearer", "description": "An API key, as OpenAI's clients send it."},
    _ADMIN: {"type": "http", "scheme": "bearer", "description": "The operator's admin token."},
    _ADMIN_HEADER: {"type": "apiKey", "in": "header", "name": "X-Admin-Token", "description": "The same token."},
    _SESSION: {
        "type": "apiKey",
        "in": "cookie",
        # The rest of the real name is made from the admin token: who only reads the document is not to know it.
        "name": f"{COOKIE_PREFIX}*",
        "description": "The cookie that POST /admin/session sets; the * stands for letters of the server's own.",
    },
    _CSRF: {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF-Token",
        "description": "The `csrf_token` of the session, with requests that change something.",
    },
}

_Access: TypeAlias = tuple[tuple[str, ...], ...]
"""Alternatives; each is the schemes that are needed together, and an empty one lets everybody in."""

_TOKEN: _Access = ((_ADMIN,), (_ADMIN_HEADER,))
_ACCESS: tuple[tuple[str, _Access], ...] = (
    ("/health/", ((),)),
    ("/health", ((), (_KEY,), *_TOKEN)),
    ("/metrics", ((), *_TOKEN)),
    ("/v1", ((_BEARER,), (_KEY,))),
    ("/", ((_KEY,),)),
)
"""Who may use the routes under a prefix, the first that fits."""

_STREAM = {"text/event-stream": {"schema": {"type": "string", "description": "Server-sent events."}}}
_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_SAFE = frozenset({"get", "head", "options"})


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
        *(ChatRequest, ChatResponse, StreamFrame, ProblemDetails, CompletionRequest, Completion),
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
    errors = _json(ErrorBody) if path.startswith("/v1/") else _json(ProblemDetails, "application/problem+json")
    return dict(_secured(path, item, {"description": "An error", "content": errors}))


def _secured(path: str, item: Mapping[str, Any], error: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in item.items():
        if key not in _METHODS:
            yield key, value
            continue
        responses = {status: answer for status, answer in value["responses"].items() if status < "400"}
        security = [dict.fromkeys(schemes, ()) for schemes in _access(path, key)]
        yield key, {**value, "responses": {**responses, "default": error}, "security": security}


def _access(path: str, method: str) -> _Access:
    if not path.startswith("/admin"):
        return next(access for prefix, access in _ACCESS if path.startswith(prefix))
    session = (_SESSION,) if method in _SAFE else (_SESSION, _CSRF)
    if path == "/admin/session":  # the token begins a session; all else is for the session itself
        return _TOKEN if method == "post" else (session,)
    return (*_TOKEN, session)


def _json(kind: type, media_type: str = "application/json") -> dict[str, Any]:
    return {media_type: {"schema": _ref(kind)}}


def _ref(kind: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
