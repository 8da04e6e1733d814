"""Routes of plugins, under ``/plugins/<instance>/``, behind the same keys and limits as ``/chat``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Router

from orbit.errors import ProviderError
from orbit.host.calls.calls import wrong_type
from orbit.web.key_guard import guarded_router
from orbit.web.services import Services

logger = logging.getLogger("orbit.plugins")

TOP = "top"
"""The option of a handler that is mounted at the top. Its key may come as a bearer token, and is not counted."""


def plugin_routes(services: Services) -> list[Router]:
    """Return a router for each started provider that has routes. Leaves out providers that fail to give theirs."""
    routers: list[Router] = []
    for name, caller in services.host.registry.callers("register_routes").items():
        try:
            handlers = caller()
            if not isinstance(handlers, list | tuple):
                raise wrong_type(name, "register_routes", "a list of route handlers", handlers)  # logged below
            # Only an application validates its routes; a router alone does not.
            Litestar(_routers(services, name, handlers), openapi_config=None, logging_config=None)  # the server logs
            routers += _routers(services, name, handlers)
        except ProviderError as error:
            told = error.message if error.provider in ("", name) else error  # a wrapper's fault, with its name
            logger.error("the routes of %s are left out: %s", name, told)  # noqa: TRY400  # it says enough
        except Exception as error:  # a failing plugin loses its own routes only
            logger.exception("the routes of %s are left out: %s: %s", name, type(error).__name__, error)  # noqa: TRY401  # before the traceback
    return routers


def _routers(services: Services, name: str, handlers: Sequence[Any]) -> list[Router]:
    """Return the router of an instance, and one for those of its handlers that want a path at the top."""
    top = [handler for handler in handlers if getattr(handler, "opt", {}).get(TOP)]
    own = [handler for handler in handlers if handler not in top]
    routers = [guarded_router(services, f"/plugins/{name}", own, tags=[name])] if own or not top else []
    return [*routers, *([guarded_router(services, "/", top, tags=[name], counted=False)] if top else [])]
