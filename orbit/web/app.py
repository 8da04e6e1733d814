"""``create_app``: a configuration becomes an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any

from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig

from orbit.config import Config
from orbit.errors import OrbitError
from orbit.host import OrbitHost
from orbit.web.admin import admin_routes
from orbit.web.chat import chat_route
from orbit.web.draining import announced_end
from orbit.web.health import health_routes
from orbit.web.problems import Problem, RequestError, headers_of, problem_of
from orbit.web.services import Services, open_services


def create_app(config: Config, host: OrbitHost | None = None) -> Litestar:
    """Build the application. Providers and store open in its lifespan and close in reverse order.

    Raises ConfigError if the configuration has problems; nothing has been opened then.
    """
    host = host or OrbitHost(config)
    host.raise_problems()

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None, None]:
        async with AsyncExitStack() as stack:
            try:
                services = await stack.enter_async_context(open_services(config, host))
            except OrbitError as error:
                app.state.start_error = str(error)
                raise
            app.state.services = services
            stack.enter_context(announced_end(services.draining))
            for handler in routes(services):
                app.register(handler)
            yield

    return Litestar(
        [],
        lifespan=[lifespan],
        exception_handlers={Exception: _problem},
        openapi_config=OpenAPIConfig(title="ORBIT", version="1", path="/schema"),
        logging_config=None,
    )


def routes(services: Services) -> list[Any]:
    """Every route of the server."""
    return [chat_route(services), *health_routes(services), *admin_routes(services)]


def _problem(_: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Turn an exception of any handler into a problem document."""
    if isinstance(error, HTTPException):
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        error = RequestError(error.status_code, code, error.detail)
    problem = problem_of(error)
    headers = {name.decode(): value.decode() for name, value in headers_of(error, problem.status)}
    return Response(problem, status_code=problem.status, headers=headers, media_type="application/problem+json")
