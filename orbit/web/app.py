"""``create_app``: a configuration becomes an ASGI application."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Response, asgi
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ASGIApp

from orbit.config import Config
from orbit.errors import OrbitError
from orbit.host.host import OrbitHost
from orbit.observing.metrics_history import History
from orbit.web.api.admin.activity import kept_history, live_route
from orbit.web.api.admin.routes import admin_routes
from orbit.web.api.conversations import conversation_routes
from orbit.web.api.health import HealthCheck, health_routes
from orbit.web.api.metrics import FOLDER_VARIABLE, Exchange, metrics_routes
from orbit.web.api.plugin_routes import plugin_routes
from orbit.web.api.schema_page import openapi_config
from orbit.web.garbage import settled
from orbit.web.http.access import Front
from orbit.web.http.cors import CrossOrigin
from orbit.web.http.plain_http import Challenges, ToHttps
from orbit.web.http.problems import ProblemDetails, RequestError, headers_of, invalid_fields, problem_of
from orbit.web.http.request import request_id_of
from orbit.web.pages.admin import admin_page_routes
from orbit.web.pages.assets import Assets
from orbit.web.pages.chat import chat_page_routes
from orbit.web.services import Services, open_services
from orbit.web.wires.openai.chat_request import CompletionProtocol
from orbit.web.wires.openai.models import OpenAIRoutes, chat_models
from orbit.web.wires.orbit import OrbitProtocol
from orbit.web.wires.route import chat_handler

logger = logging.getLogger("orbit.web")


def create_app(config: Config, host: OrbitHost | None = None) -> Application:
    """Build the application. Providers and database open in its lifespan and close in reverse order.

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
        self._front: ASGIApp
        self._starting: asyncio.Task[Any] | None = None
        self._abandoned = False
        self.litestar = Litestar(
            [],
            lifespan=[self._lifespan],
            exception_handlers={Exception: _problem},
            openapi_config=openapi_config(),
            logging_config=None,
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            await self._front(scope, receive, send)
            return

        async def tell(message: Any) -> None:
            if message["type"] == "lifespan.startup.failed" and (self.start_error or self._abandoned):
                message = {**message, "message": self.start_error and f"ORBIT cannot start: {self.start_error}"}
            await send(message)

        await self.litestar(scope, receive, tell)

    def abandon_start(self) -> None:
        """Cancel the start, if it is under way; what has started stops."""
        if self._starting is not None:
            self._abandoned = True
            self._starting.cancel()

    @asynccontextmanager
    async def _lifespan(self, app: Litestar) -> AsyncGenerator[None, None]:
        self._starting = asyncio.current_task()
        async with AsyncExitStack() as stack:
            try:
                services = await stack.enter_async_context(open_services(self._host.config, self._host))
            except OrbitError as error:
                self.start_error = str(error)  # told in one sentence, where the server would print a traceback
                raise
            self.services = services
            folder = os.environ.get(FOLDER_VARIABLE)
            exchange = Exchange(services, Path(folder) if folder else None)
            await stack.enter_async_context(exchange.publishing())
            history = await stack.enter_async_context(kept_history(exchange))
            for route in routes(services, exchange, history):
                app.register(route)
            self._front = front(services, app)
            stack.enter_context(settled())
            self._starting = None
            yield


def answering_routes(services: Services) -> dict[str, Any]:
    """The routes that a model answers, by path."""
    settings = services.config.host
    completions = CompletionProtocol(chat_models(services.host), settings.limits.max_message_chars)
    return {
        "/chat": chat_handler(services, OrbitProtocol(settings)),
        "/v1/chat/completions": chat_handler(services, completions),
    }


def front(services: Services, framework: ASGIApp) -> ASGIApp:
    """What stands before all routes: the answering ones, ids and counts, cross-origin rules, what HTTP is left for."""
    host = services.config.host
    https = host.general.https
    metrics = services.pipeline.metrics if host.metrics.enabled else None
    app: ASGIApp = Front(answering_routes(services), framework, metrics, log=host.logging.access)
    if host.cors.allow_origins:
        app = CrossOrigin(app, host.cors)
    if https.enabled and https.redirect_http:
        app = ToHttps(app, https.port)
    if https.acme_folder:
        app = Challenges(app, Path(https.acme_folder))
    return app


def routes(services: Services, exchange: Exchange, history: History) -> list[Any]:
    """The routes that Litestar serves."""
    check = HealthCheck(services)
    return [
        *health_routes(services, check),
        *metrics_routes(services, exchange, check),
        *admin_routes(services, live_route(exchange, history, check)),
        conversation_routes(services),
        *plugin_routes(services),
        *page_routes(services),
        asgi("/v1", is_mount=True, copy_scope=False)(OpenAIRoutes(services).__call__),
    ]


def page_routes(services: Services) -> list[Any]:
    """The web pages for people."""
    if not services.config.host.pages.enabled:
        return []
    assets = Assets()
    config = services.config.host
    return [*assets.routes(), *chat_page_routes(config, assets), *admin_page_routes(config, assets)]


def _problem(request: Request[Any, Any, Any], error: Exception) -> Response[ProblemDetails]:
    """Turn an exception of any handler into a problem document."""
    if isinstance(error, HTTPException):
        error = _of_litestar(error, request_id_of(request.scope))
    problem = problem_of(error, request_id_of(request.scope))
    headers = {name.decode(): value.decode() for name, value in headers_of(error, problem.status)}
    return Response(problem, status_code=problem.status, headers=headers, media_type="application/problem+json")


def _of_litestar(error: HTTPException, request_id: str) -> RequestError:
    """Translate Litestar's errors, those of plugins' routes included. A status of 5xx keeps its details to the log."""
    status = error.status_code
    code = HTTPStatus(status).phrase.lower().replace(" ", "_")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request %s failed: %s", request_id, error.detail, exc_info=error)
        return RequestError(status, code, "The server could not do this.")
    if isinstance(error, ValidationException):
        return RequestError(status, "invalid_request", invalid_fields(error))
    return RequestError(status, code, error.detail)
