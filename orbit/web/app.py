"""``create_app``: a configuration becomes an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Any

from litestar import Litestar, Request, Response, asgi
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig

from orbit.config import Config
from orbit.errors import OrbitError
from orbit.host import OrbitHost
from orbit.web.admin import admin_routes
from orbit.web.chat import OrbitProtocol
from orbit.web.draining import announced_end
from orbit.web.handler import chat_handler
from orbit.web.health import health_routes
from orbit.web.openai.chat import CompletionProtocol
from orbit.web.openai.models import OpenAIRoutes, chat_models
from orbit.web.problems import Problem, RequestError, headers_of, problem_of
from orbit.web.services import Services, open_services


def create_app(config: Config, host: OrbitHost | None = None) -> Application:
    """Build the application. Providers and store open in its lifespan and close in reverse order.

    Raises ConfigError if the configuration has problems; nothing has been opened then.
    """
    host = host or OrbitHost(config)
    host.raise_problems()
    return Application(host)


class Application:
    """The ASGI application: Litestar, and in front of it the routes that answer.

    Those routes read the body to their own limit, watch the connection while the model works, and send thousands of
    frames a second; routing, exception and response machinery around each send would cost as much as all that ORBIT
    itself does, so they take the request as the server gives it.
    """

    def __init__(self, host: OrbitHost) -> None:
        self.services: Services
        self.start_error = ""
        self._host = host
        self._answering: dict[str, Any] = {}
        self.litestar = Litestar(
            [],
            lifespan=[self._lifespan],
            exception_handlers={Exception: _problem},
            openapi_config=OpenAPIConfig(title="ORBIT", version="1", path="/schema"),
            logging_config=None,
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            handler = self._answering.get(scope["path"])
            await (handler or self.litestar)(scope, receive, send)
            return

        async def tell(message: Any) -> None:
            if message["type"] == "lifespan.startup.failed" and self.start_error:
                message = {**message, "message": f"ORBIT cannot start: {self.start_error}"}
            await send(message)

        await self.litestar(scope, receive, tell)

    @asynccontextmanager
    async def _lifespan(self, app: Litestar) -> AsyncGenerator[None, None]:
        async with AsyncExitStack() as stack:
            try:
                services = await stack.enter_async_context(open_services(self._host.config, self._host))
            except OrbitError as error:
                self.start_error = str(error)  # told in one sentence, where the server would print a traceback
                raise
            self.services = services
            stack.enter_context(announced_end(services.draining))
            self._answering = answering_routes(services)
            for route in routes(services):
                app.register(route)
            yield


def answering_routes(services: Services) -> dict[str, Any]:
    """The routes that a model answers, by path."""
    settings = services.config.host
    completions = CompletionProtocol(chat_models(services.host), settings.limits.max_message_chars)
    return {
        "/chat": chat_handler(services, OrbitProtocol(settings)),
        "/v1/chat/completions": chat_handler(services, completions),
    }


def routes(services: Services) -> list[Any]:
    """The routes that Litestar serves."""
    return [
        *health_routes(services),
        *admin_routes(services),
        asgi("/v1", is_mount=True, copy_scope=False)(OpenAIRoutes(services).__call__),
    ]


def _problem(_: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Turn an exception of any handler into a problem document."""
    if isinstance(error, HTTPException):
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        error = RequestError(error.status_code, code, error.detail)
    problem = problem_of(error)
    headers = {name.decode(): value.decode() for name, value in headers_of(error, problem.status)}
    return Response(problem, status_code=problem.status, headers=headers, media_type="application/problem+json")
