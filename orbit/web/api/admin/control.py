"""``/admin/reload`` and ``/admin/log-level``: change the running server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from litestar import get, post, put
from litestar.params import JSONBody

from orbit.admin.wire import Reloaded, ServerLogLevel
from orbit.config.changes import Changes
from orbit.config.model import LogLevel
from orbit.errors import ConfigError, PluginLoadError
from orbit.web.http.problems import RequestError
from orbit.web.services import Services


class Control(Protocol):
    """What the program that runs the application lets operators do with it. Methods raise OrbitError."""

    async def reload(self) -> Changes:
        """Read the configuration again. After an error nothing has changed."""
        ...

    async def set_level(self, level: LogLevel) -> None:
        """Log at this level in all processes."""
        ...


class NoControl:
    """Refuses: the program that runs the application has not said how."""

    async def reload(self) -> Changes:
        """Raise RequestError."""
        raise _not_controlled()

    async def set_level(self, level: LogLevel) -> None:  # noqa: ARG002  # the protocol's signature
        """Raise RequestError."""
        raise _not_controlled()


def _not_controlled() -> RequestError:
    return RequestError(501, "not_reloadable", "This server was not started by `orbit serve`; restart it instead.")


def control_routes(services: Services, control: Callable[[], Control]) -> list[Any]:
    """Return the routes. An answer comes when all workers have done it. ``control`` is asked at each request."""

    @post("/reload", status_code=200, summary="Read the configuration again, without a restart")
    async def reload_configuration() -> Reloaded:
        try:
            changes = await control().reload()
        except (ConfigError, PluginLoadError) as error:
            detail = f"The server goes on with the configuration that it has.\n{error}"
            raise RequestError(422, "configuration_refused", detail) from error
        return Reloaded(**msgspec.structs.asdict(changes), message=str(changes))

    @get("/log-level", summary="The lowest severity that the server log has")
    async def log_level() -> ServerLogLevel:
        settings = services.config.host
        return ServerLogLevel("DEBUG" if settings.general.verbose else settings.logging.level)

    @put("/log-level", summary="Change it until a restart or a reload")
    async def set_log_level(data: JSONBody[ServerLogLevel]) -> ServerLogLevel:
        await control().set_level(data.level)
        return data

    return [reload_configuration, log_level, set_log_level]
