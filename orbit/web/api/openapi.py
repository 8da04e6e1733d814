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
from orbit.web.wires.openai.chat_request import CompletionRequest
from orbit.web.wires.openai.chat_wire import Completion
from orbit.web.wires.openai.errors import ErrorBody
from orbit.web.wires.openai.models import EmbeddingList, EmbeddingRequest
from orbit.web.wires.orbit import ChatRequest, ChatResponse, StreamFrame

DESCRIPTION = (
    "ORBIT answers questions from an organisation's own documents. Ask at `/chat`, or with any client of OpenAI's API "
    "at `/v1`; `/admin` is for operators."
)
COMPONENTS = Components(
    security_schemes={
        API_KEY: SecurityScheme(
            type="apiKey", security_scheme_in="header", name="X-API-Key", description="An API key."
        ),
        "bearerKey": SecurityScheme(
            type="http", scheme="bearer", description="An API key, as OpenAI's clients send it."
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
    *(CompletionRequest, Completion, EmbeddingRequest, EmbeddingList),
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
    openai = path.startswith("/v1/")
    schema = reference(ErrorBody if openai else ProblemDetails).to_schema()
    media_type = "application/json" if openai else "application/problem+json"
    error = {"description": "An error", "content": {media_type: {"schema": schema}}}
    for method, operation in item.items():
        if method == "head":  # goes without saying beside GET
            continue
        good = {status: answer for status, answer in operation["responses"].items() if status < "400"}
        yield method, {**operation, "responses": {**good, "default": error}}
