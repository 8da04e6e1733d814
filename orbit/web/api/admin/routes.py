"""``/admin``: the administration API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, patch, post, put
from litestar.connection import ASGIConnection
from litestar.datastructures import ResponseHeader
from litestar.exceptions import ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from orbit.admin.collections import CollectionExists, EmptyCollection, UnknownDocument
from orbit.admin.names import BadCollectionName
from orbit.admin.service import Administration, BadRequest, use_today
from orbit.admin.wire import (
    Done,
    KeyDetails,
    KeyInfo,
    KeyReference,
    KeyUpdate,
    NewKey,
    NewPrompt,
    OwnKey,
    PromptInfo,
    PromptReference,
    PromptUpdate,
    Rotation,
    own_key,
)
from orbit.database.keys import DuplicateKey, UnknownKey
from orbit.database.prompts import DuplicatePrompt, PromptInUse, UnknownPrompt
from orbit.database.records import PAGE
from orbit.errors import DatabaseUnavailable, OrbitError
from orbit.web.admin_guard import ADMIN_SESSION, ADMIN_TOKEN, CHANGING_SESSION, NotAdministrator, TooManyAttempts
from orbit.web.api.admin.activity import chats_route
from orbit.web.api.admin.collections import collection_routes
from orbit.web.api.admin.sign_in import sign_in_routes
from orbit.web.http.own_router import OwnRouter
from orbit.web.http.problems import RequestError, headers_of, invalid_fields, operators_problem_of, problem_of
from orbit.web.http.redaction import redact_access_log
from orbit.web.http.request import request_id_of
from orbit.web.key_guard import API_KEY
from orbit.web.services import Services

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="Records in a page.")]
After = Annotated[str, QueryParameter(description="The id after which the page begins.")]
Force = Annotated[bool, QueryParameter(description="Delete also if keys use it; they are detached.")]

_ADMITTED = "administrator"
"""Set in a request's state once the guard has let it pass."""

STATUS = {
    UnknownKey: 404,
    UnknownPrompt: 404,
    DuplicateKey: 409,
    DuplicatePrompt: 409,
    PromptInUse: 409,
    UnknownDocument: 404,
    CollectionExists: 409,
    EmptyCollection: 409,
    BadRequest: 400,
    BadCollectionName: 422,
    TooManyAttempts: 429,
}


def admin_routes(services: Services, *more: Any) -> list[Any]:
    """Return the routes of ``/admin`` and ``more``, behind the admin token, and ``/key``: a client's own key."""
    redact_access_log()
    admin = Administration(services.database)
    guard = services.admin_guard

    async def only_administrators(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        await guard.check(connection)
        connection.scope["state"][_ADMITTED] = True

    handlers = [
        *_key_routes(admin),
        *_prompt_routes(admin),
        *collection_routes(services),
        chats_route(services.host.chat_log),
        *more,
    ]
    reading = [handler for handler in handlers if "GET" in handler.http_methods]
    changing = [handler for handler in handlers if "GET" not in handler.http_methods]
    router = OwnRouter(
        "/admin",
        route_handlers=[
            *sign_in_routes(guard, services.config.host.general.root),
            OwnRouter("/", route_handlers=reading, security=[*ADMIN_TOKEN, *ADMIN_SESSION]),
            OwnRouter("/", route_handlers=changing, security=[*ADMIN_TOKEN, *CHANGING_SESSION]),
        ],
        guards=[only_administrators],  # a function: Litestar makes a deep copy of anything else
        exception_handlers={OrbitError: _refusal, ValidationException: _invalid, RecursionError: _too_deep},
        response_headers=[ResponseHeader(name="Cache-Control", value="no-store")],
        request_max_body_size=services.config.host.limits.max_body_bytes,
        tags=["administration"],
    )
    return [router, _own_key_route(services)]


def _key_routes(admin: Administration) -> list[Any]:
    @post("/api-keys", summary="Make a key; only this answer shows it")
    async def create_key(data: JSONBody[NewKey]) -> KeyInfo:
        return await admin.create_key(data)

    @get("/api-keys", summary="A page of keys, masked; the Link header leads to the next one")
    async def list_keys(after: After = "", limit: Limit = PAGE) -> Response[list[KeyInfo]]:
        return _page("/admin/api-keys", await admin.list_keys(after, limit), limit)

    @get("/api-keys/{api_key:str}/status", summary="All about a key, named by its id or itself")
    async def key_status(api_key: FromPath[str]) -> KeyDetails:
        return await admin.key_status(api_key)

    @patch("/api-keys/{api_key:str}", summary="Change a key; the next request with it notices")
    async def update_key(api_key: FromPath[str], data: JSONBody[KeyUpdate]) -> KeyInfo:
        return await admin.update_key(api_key, data)

    @post("/api-keys/deactivate", status_code=200, summary="Revoke a key; its record stays")
    async def deactivate_key(data: JSONBody[KeyReference]) -> KeyInfo:
        return await admin.deactivate_key(data.api_key)

    @delete("/api-keys/{api_key:str}", status_code=200, summary="Forget a key")
    async def delete_key(api_key: FromPath[str]) -> Done:
        await admin.delete_key(api_key)
        return Done("API key deleted")

    @post("/api-keys/{api_key:str}/prompt", status_code=200, summary="Tie a key to a system prompt, or to none")
    async def set_prompt(api_key: FromPath[str], data: JSONBody[PromptReference]) -> KeyInfo:
        return await admin.set_prompt(api_key, data.prompt_id)

    @post("/api-keys/{api_key:str}/rotate", status_code=200, summary="Give a key a new secret, shown only here")
    async def rotate_key(api_key: FromPath[str], data: JSONBody[Rotation | None] = None) -> KeyInfo:
        return await admin.rotate_key(api_key, data.grace_seconds if data else 0.0)

    return [create_key, list_keys, key_status, deactivate_key, delete_key, set_prompt, rotate_key, update_key]


def _prompt_routes(admin: Administration) -> list[Any]:
    @post("/prompts", summary="Keep a system prompt under a new name")
    async def create_prompt(data: JSONBody[NewPrompt]) -> PromptInfo:
        return await admin.create_prompt(data)

    @get("/prompts", summary="A page of prompts; the Link header leads to the next one")
    async def list_prompts(after: After = "", limit: Limit = PAGE) -> Response[list[PromptInfo]]:
        return _page("/admin/prompts", await admin.list_prompts(after, limit), limit)

    @get("/prompts/{prompt_id:str}", summary="One prompt")
    async def get_prompt(prompt_id: FromPath[str]) -> PromptInfo:
        return await admin.get_prompt(prompt_id)

    @get("/prompts/{prompt_id:str}/versions", summary="All that a prompt ever was, the present first")
    async def prompt_versions(prompt_id: FromPath[str]) -> list[PromptInfo]:
        return await admin.prompt_versions(prompt_id)

    @put("/prompts/{prompt_id:str}", summary="Change a prompt; what it was is kept")
    async def update_prompt(prompt_id: FromPath[str], data: JSONBody[PromptUpdate]) -> PromptInfo:
        return await admin.update_prompt(prompt_id, data)

    @delete("/prompts/{prompt_id:str}", status_code=200, summary="Forget a prompt that no key uses")
    async def delete_prompt(prompt_id: FromPath[str], force: Force = False) -> Done:
        await admin.delete_prompt(prompt_id, force=force)
        return Done("Prompt deleted")

    return [create_prompt, list_prompts, get_prompt, prompt_versions, update_prompt, delete_prompt]


def _own_key_route(services: Services) -> Any:
    @get("/key", summary="What the caller's own key may do", tags=["administration"], security=[{API_KEY: []}])
    async def key(request: Request[Any, Any, Any]) -> Response[OwnKey]:
        identity = await services.authenticator.authenticate(request.headers.get("x-api-key"))
        try:
            use = await use_today(services.database, identity.key)
        except DatabaseUnavailable:  # the key is in the cache
            use = None
        return Response(own_key(identity.key, use), headers={"Cache-Control": "no-store"})

    return key


def _page(path: str, records: Sequence[Any], limit: int) -> Response[Any]:
    """Return records as an array; a full page links to the next one."""
    headers = {}
    if len(records) == limit:
        headers["Link"] = f'<{path}?after={records[-1].id}&limit={limit}>; rel="next"'
    return Response(list(records), headers=headers)


def _refusal(request: Request[Any, Any, Any], error: OrbitError) -> Response[Any]:
    """Turn an error of ORBIT into a problem document. Only an authenticated operator reads the cause."""
    status = error.status if isinstance(error, NotAdministrator) else STATUS.get(type(error))
    told = operators_problem_of if request.scope["state"].get(_ADMITTED) else problem_of
    request_id = request_id_of(request.scope)
    problem = told(RequestError(status, error.code, str(error)) if status else error, request_id)
    headers = {name.decode(): value.decode() for name, value in headers_of(error, problem.status)}
    if isinstance(error, NotAdministrator):
        headers["www-authenticate"] = 'Bearer realm="orbit admin"'
    body = msgspec.to_builtins(problem)
    if isinstance(error, PromptInUse):
        body["keys"] = [{"id": key.id, "client_name": key.client_name} for key in error.keys]
    return Response(body, status_code=problem.status, headers=headers, media_type="application/problem+json")


def _invalid(request: Request[Any, Any, Any], error: ValidationException) -> Response[Any]:
    """Name the field or parameter of the wrong shape, without the value that was sent."""
    return _refusal(request, RequestError(400, "invalid_request", invalid_fields(error)))


def _too_deep(request: Request[Any, Any, Any], _: RecursionError) -> Response[Any]:
    """Refuse a body that is nested too deeply to decode."""
    return _refusal(request, RequestError(400, "invalid_json", "The body is nested too deeply."))
