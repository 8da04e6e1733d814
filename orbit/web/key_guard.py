"""API keys in front of routes: who asks, and whether the key's limit allows it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from litestar import Router
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope

from orbit.auth.budgets import Charge
from orbit.auth.keys import Identity
from orbit.auth.rate_limits import RateLimited
from orbit.chat.admission import Admission
from orbit.errors import Overloaded
from orbit.types import CallContext
from orbit.web.http.access import QUOTA
from orbit.web.http.own_router import OwnRouter
from orbit.web.http.problems import RequestError, ServerStopping
from orbit.web.http.request import bearer, header, request_id_of
from orbit.web.services import Services

API_KEY = "apiKey"
"""The name of the key's header among the OpenAPI document's security schemes."""

_IDENTITY = "identity"


async def admit(services: Services, scope: Scope, secret: str | None, admission: Admission | None = None) -> Identity:
    """Check the key of a request and count the request against the key's limit.

    Raises Unauthorized, RateLimited or DatabaseUnavailable. Raises Overloaded, and counts nothing, if ``admission``
    would refuse the request at once.
    """
    identity = await services.authenticator.authenticate(secret)
    if admission is not None:
        admission.check(identity.key.id)
    return await admit_key(services, scope, identity)


async def admit_key(services: Services, scope: Scope, identity: Identity) -> Identity:
    """Count a request of a key that has been checked. Raises RateLimited."""
    state: dict[str, Any] = scope["state"]
    state["key_id"] = identity.key.id  # for the access log
    state[_IDENTITY] = identity
    if identity.key.requests_per_minute is not None:
        state[QUOTA] = await services.limiter.admit(identity.key)
    return identity


async def admit_prompts(services: Services, scope: Scope, others: int) -> None:
    """Count the ``others`` of a request's prompts like requests: all, or not even the first.

    Raises RateLimited, and RequestError for more prompts than the key may ever send.
    """
    state: dict[str, Any] = scope["state"]
    key = _identity(scope).key
    limit = key.requests_per_minute
    if limit is None:
        return
    if others >= limit:
        detail = f"There are {others + 1} prompts. Each counts as a request, and this key may make {limit} a minute."
        raise RequestError(400, "invalid_value", detail, param="prompt")
    quotas = [state.pop(QUOTA)]
    try:
        for _ in range(others):
            quotas.append(await services.limiter.admit(key))  # noqa: PERF401 - those before a refusal are needed
    except RateLimited:
        for quota in quotas:
            await services.limiter.give_back(key, quota)
        raise
    state[QUOTA] = quotas[-1]


async def forgive(services: Services, scope: Scope, error: BaseException | None) -> None:
    """Undo the count of a request that the server did not serve because it was overloaded or stopping."""
    state: dict[str, Any] = scope["state"]
    if isinstance(error, Overloaded | ServerStopping) and (quota := state.get(QUOTA)) is not None:
        state[QUOTA] = await services.limiter.give_back(state[_IDENTITY].key, quota)


@asynccontextmanager
async def place_beside_chats(services: Services, scope: Scope) -> AsyncGenerator[None, None]:
    """Hold one of the places for requests that need no model. Raises Overloaded."""
    key = _identity(scope).key
    try:
        async with services.admission.place(key.id):
            yield
    except Overloaded as error:
        await forgive(services, scope, error)
        raise


@asynccontextmanager
async def charged(services: Services, identity: Identity) -> AsyncGenerator[Charge | None, None]:
    """Charge the key's budgets for the body, unless it raises; None if there are none. Raises BudgetExceeded."""
    if identity.budgets is None:
        yield None
        return
    async with await services.ledger.admit(identity.key, identity.budgets) as charge:
        yield charge


def identity_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Identity:
    """Return the identity behind the key of an admitted request."""
    return _identity(connection.scope)


def context_of(scope: Scope, identity: Identity, deadline: float | None = None) -> CallContext:
    """Return the context of a request that ``identity`` asks; ``deadline`` is as in ``CallContext``."""
    key = identity.key
    client = scope.get("client")
    return CallContext(
        request_id=request_id_of(scope),
        key_id=key.id,
        key_hint=key.hint,
        client_name=key.client_name,
        collection=key.collection_name,
        client_ip=client[0] if client else "",
        deadline=deadline,
        groups=frozenset(key.groups),
    )


def guarded_router(
    services: Services, path: str, handlers: Sequence[Any], tags: Sequence[str] = (), *, counted: bool = True
) -> Router:
    """Return a router that admits only requests with a key in ``X-API-Key``, within the key's limit.

    Without ``counted``, the limit is left to what the handlers ask for, and the key may be a bearer token.
    """

    async def only_with_a_key(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        scope = connection.scope
        if counted:
            await admit(services, scope, header(scope, b"x-api-key"))
        else:
            identity = await services.authenticator.authenticate(bearer(scope))
            scope["state"] |= {_IDENTITY: identity, "key_id": identity.key.id}

    return OwnRouter(path, route_handlers=handlers, guards=[only_with_a_key], tags=tags, security=[{API_KEY: []}])


def _identity(scope: Any) -> Identity:
    identity: Identity = scope["state"][_IDENTITY]
    return identity
