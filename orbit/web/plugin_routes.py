"""Routes that plugins add, under ``/plugins/<instance>/`` and behind the same keys and limits as ``/chat``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Router
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from orbit.web.request import header
from orbit.web.services import Services

logger = logging.getLogger("orbit.plugins")

_QUOTA = "plugin_quota"


def plugin_routes(services: Services) -> list[Router]:
    """One router for each started provider that has routes; one that fails to give them is left without."""

    async def only_with_a_key(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        identity = await services.authenticator.authenticate(header(connection.scope, b"x-api-key"))
        connection.scope["state"][_QUOTA] = await services.limiter.admit(identity.key)

    def router(name: str, handlers: Sequence[Any]) -> Router:
        return Router(
            f"/plugins/{name}",
            route_handlers=handlers,
            guards=[only_with_a_key],
            middleware=[_telling_the_quota],
            tags=[name],
        )

    routers: list[Router] = []
    for name, caller in services.host.registry.callers("register_routes").items():
        try:
            handlers = list(caller())
            Litestar([router(name, handlers)], openapi_config=None)  # finds what a router alone does not
            routers.append(router(name, handlers))
        except Exception:  # whatever a plugin raises concerns its own routes only
            logger.exception("the routes of %s are left out", name)
    return routers


def _telling_the_quota(app: ASGIApp) -> ASGIApp:
    """Add the ``RateLimit`` headers that ``/chat`` has as well."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            quota = scope["state"].get(_QUOTA)
            if quota is not None and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *quota.headers()]
            await send(message)

        await app(scope, receive, told)

    return middleware
