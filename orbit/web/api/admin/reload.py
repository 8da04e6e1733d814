"""``POST /admin/reload``: read the configuration again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import post

from orbit.admin.wire import Reloaded
from orbit.config.changes import Changes
from orbit.errors import ConfigError, PluginLoadError
from orbit.web.http.problems import RequestError

Reload = Callable[[], Awaitable[Changes]]
"""Reads the configuration again and returns what changed. Raises OrbitError; nothing has changed then."""


async def no_reload() -> Changes:
    """Refuse: the program that runs the application has not said how to reload it."""
    raise RequestError(501, "not_reloadable", "This server was not started by `orbit serve`; restart it instead.")


def reload_route(reload: Reload) -> Any:
    """Return the route. Its answer comes when all workers serve by the new configuration."""

    @post("/reload", status_code=200, summary="Read the configuration again, without a restart")
    async def reload_configuration() -> Reloaded:
        try:
            changes = await reload()
        except (ConfigError, PluginLoadError) as error:
            detail = f"The server goes on with the configuration that it has.\n{error}"
            raise RequestError(422, "configuration_refused", detail) from error
        return Reloaded(**msgspec.structs.asdict(changes), message=str(changes))

    return reload_configuration
