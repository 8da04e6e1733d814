"""Routes that plugins add, under ``/plugins/<instance>/`` and behind the same keys and limits as ``/chat``."""

from __future__ import annotations

import logging
from typing import Any

from litestar import Router
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from orbit.web.request import header
from orbit.web.services import Services

logger = logging.getLogger("orbit.plugins")


def plugin_routes(services: Services) -> list[Router]:
    """One router for each started provider that has routes; one that fails to give them is left without."""

    async def only_with_a_key(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        identity = await services.authenticator.authenticate(header(connection.scope, b"x-api-key"))
        await services.limiter.admit(identity.key)

    routers: list[Router] = []
    for name, caller in services.host.registry.callers("register_routes").items():
        try:
            handlers = list(caller())
            router = Router(f"/plugins/{name}", route_handlers=handlers, guards=[only_with_a_key], tags=[name])
        except Exception:  # whatever a plugin raises concerns its own routes only
            logger.exception("the routes of %s are left out", name)
        else:
            routers.append(router)
    return routers
