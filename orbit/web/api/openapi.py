"""The OpenAPI document: Litestar's, with ORBIT's error responses and the schemas of bodies that handlers read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from litestar.openapi.spec import Components, SecurityScheme

from orbit.auth.sign_ins import COOKIE_PREFIX
from orbit.web.http.operation import reference
from orbit.web.http.problems import ProblemDetails
from orbit.web.key_guard import API_KEY
from orbit.web.wires.anthropic.errors import MessageErrorBody
from orbit.web.wires.anthropic.message_request import CountRequest, MessageRequest
from orbit.web.wires.anthropic.message_wire import AnswerMessage
from orbit.web.wires.anthropic.routes import MESSAGES, TokensCounted
from orbit.web.wires.openai.chat_request import CompletionRequest
from orbit.web.wires.openai.chat_wire import Completion
from orbit.web.wires.openai.embeddings import EmbeddingList, EmbeddingRequest
from orbit.web.wires.openai.errors import ErrorBody
from orbit.web.wires.openai.rerank import Ranking, RerankRequest
from orbit.web.wires.openai.text_request import TextRequest
from orbit.web.wires.openai.text_wire import TextCompletion
from orbit.web.wires.openai_responses.output import ResponseBody
from orbit.web.wires.openai_responses.request import InputTokensRequest, ResponseRequest
from orbit.web.wires.openai_responses.routes import InputTokens
from orbit.web.wires.orbit.chat_request import ChatRequest
from orbit.web.wires.orbit.chat_wire import ChatResponse, StreamFrame

DESCRIPTION = (
    "ORBIT answers questions from an organisation's own documents. Ask at `/chat`, or with any client of OpenAI's or "
    "Anthropic's API at `/v1`; `/admin` is for operators."
)
COMPONENTS = Components(
    security_schemes={
        API_KEY: SecurityScheme(
            type="apiKey", security_scheme_in="header", name="X-API-Key", description="An API key."
        ),
        "bearerKey": SecurityScheme(
            type="http", scheme="bearer", description="An API key, as clients of OpenAI's API send it."
        ),
        "adminToken": SecurityScheme(type="http", scheme="bearer", description="The operator's admin token."),
        "adminTokenHeader": SecurityScheme(
            type="apiKey", security_scheme_in="header", name="X-Admin-Token", description="The same token."
        ),
        "adminSession": SecurityScheme(
            type="apiKey",
            security_scheme_in="cookie",
            # The rest of the real name derives from the admin token, and the document is public.
            name=f"{COOKIE_PREFIX}*",
            description="The cookie that POST /admin/session sets; the server chooses what the * means.",
        ),
        "csrfToken": SecurityScheme(
            type="apiKey",
            security_scheme_in="header",
            name="X-CSRF-Token",
            description="The `csrf_token` of the session, with requests that change something.",
        ),
    }
)
_READ_BY_HANDLERS = (
    *(ChatRequest, ChatResponse, StreamFrame, ProblemDetails, ErrorBody),
    *(CompletionRequest, Completion, EmbeddingRequest, EmbeddingList, ResponseRequest, ResponseBody),
    *(InputTokensRequest, InputTokens),
    *(TextRequest, TextCompletion, RerankRequest, Ranking),
    *(MessageRequest, AnswerMessage, CountRequest, TokensCounted, MessageErrorBody),
)


def complete(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return Litestar's document with the schemas and the errors that Litestar does not know."""
    components = document["components"]
    schemas = msgspec.json.schema_components(_READ_BY_HANDLERS, ref_template="#/components/schemas/{name}")[1]
    whole = {
        **document,
        "paths": {path: dict(_operations(path, item)) for path, item in sorted(document["paths"].items())},
        "components": {**components, "schemas": {**components.get("schemas", {}), **schemas}},
    }
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(whole))  # Litestar leaves tuples in it
    return plain


def _operations(path: str, item: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the operations of a path, with the shape that all its errors have."""
    kind: type = ErrorBody if path.startswith("/v1/") else ProblemDetails
    if path.startswith(MESSAGES):
        kind = MessageErrorBody
    schema = reference(kind).to_schema()
    media_type = "application/problem+json" if kind is ProblemDetails else "application/json"
    error = {"description": "An error", "content": {media_type: {"schema": schema}}}
    for method, operation in item.items():
        if method == "head":  # goes without saying beside GET
            continue
        good = {status: answer for status, answer in operation["responses"].items() if status < "400"}
        yield method, {**operation, "responses": {**good, "default": error}}
