"""Routes behind a client's key: who asks, whether the key's limit allows it, and how much of it is left."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from litestar import Router
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from orbit.auth.keys import Identity
from orbit.chat.admission import Admission
from orbit.errors import Overloaded
from orbit.web.http.problems import ServerStopping
from orbit.web.http.request import header
from orbit.web.services import Services

_IDENTITY, _QUOTA = "identity", "quota"


async def admit(services: Services, scope: Scope, secret: str | None, admission: Admission | None = None) -> Identity:
    """Check a request's key and count the request.

    Raises Unauthorized, RateLimited or DatabaseUnavailable, and Overloaded if ``admission`` would refuse it at once:
    nothing is counted then.
    """
    identity = await services.authenticator.authenticate(secret)
    if admission is not None:
        admission.check(identity.key.id)
    state: dict[str, Any] = scope["state"]
    state["key_id"] = identity.key.id  # for the access log
    state[_IDENTITY] = identity
    state[_QUOTA] = await services.limiter.admit(identity.key)
    return identity


async def forgive(services: Services, scope: Scope, error: BaseException | None) -> None:
    """Give a request back to its key's limit if the server, for want of room or while it stops, did not serve it."""
    state: dict[str, Any] = scope["state"]
    if isinstance(error, Overloaded | ServerStopping) and (quota := state.get(_QUOTA)) is not None:
        state[_QUOTA] = await services.limiter.give_back(state[_IDENTITY].key, quota)


@asynccontextmanager
async def place_beside_chats(services: Services, scope: Scope) -> AsyncGenerator[None, None]:
    """Hold one of the places for requests that no model answers. Raises Overloaded."""
    key = _identity(scope).key
    try:
        async with services.admission.place(key.id):
            yield
    except Overloaded as error:
        await forgive(services, scope, error)
        raise


def identity_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Identity:
    """Whom the key of an admitted request stands for."""
    return _identity(connection.scope)


def quota_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The ``RateLimit`` headers of a request; none if it is not admitted, or its key has no limit."""
    state: dict[str, Any] = scope["state"]
    quota = state.get(_QUOTA)
    return [] if quota is None else quota.headers()


def telling_quota(scope: Scope, send: Send) -> Send:
    """``send`` with the ``RateLimit`` headers of an admitted request, whatever becomes of it."""

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *quota_headers(scope)]
        await send(message)

    return told


def guarded_router(services: Services, path: str, handlers: Sequence[Any], tags: Sequence[str] = ()) -> Router:
    """Routes that let pass only requests with a key in ``X-API-Key``, within its limit, and tell what is left."""

    async def only_with_a_key(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        await admit(services, connection.scope, header(connection.scope, b"x-api-key"))

    def telling(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            await app(scope, receive, telling_quota(scope, send))

        return middleware

    return Router(path, route_handlers=handlers, guards=[only_with_a_key], middleware=[telling], tags=tags)


def _identity(scope: Any) -> Identity:
    identity: Identity = scope["state"][_IDENTITY]
    return identity
