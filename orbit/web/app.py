"""``create_app``: builds the ASGI application from a configuration."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.plugins import PluginProtocol
from litestar.types import ASGIApp, Receive, Send

from orbit.config import Config
from orbit.errors import ConfigError, OrbitError, Problem
from orbit.host.host import OrbitHost
from orbit.host.host_proxy import lend
from orbit.observing.metrics_history import History
from orbit.web.api.admin.activity import kept_history, live_route
from orbit.web.api.admin.control import Control, NoControl, control_routes
from orbit.web.api.admin.models import models_route
from orbit.web.api.admin.routes import admin_routes
from orbit.web.api.conversations import conversation_routes
from orbit.web.api.documents import document_routes
from orbit.web.api.health import HealthCheck, health_routes
from orbit.web.api.metrics import FOLDER_VARIABLE, Exchange, metrics_routes
from orbit.web.api.plugin_routes import plugin_routes
from orbit.web.api.schema_page import openapi_config
from orbit.web.api.search import search_routes
from orbit.web.async_generators import untracked
from orbit.web.chat_routes import AnswersFirst, chat_handlers, chat_routes
from orbit.web.error_responses import error_response
from orbit.web.garbage_collection import settle_again, settled
from orbit.web.http.access import Access
from orbit.web.http.cors import VARY, cors_config
from orbit.web.http.head import HeadBesideGet
from orbit.web.http.plain_http import RedirectToHttps, challenge_route
from orbit.web.http.root_path import RootPath
from orbit.web.loaded_app import LoadedApp
from orbit.web.pages.admin import admin_page_routes
from orbit.web.pages.assets import Assets
from orbit.web.pages.chat import chat_page_routes
from orbit.web.services import Services, open_services

logger = logging.getLogger("orbit")

Background = Callable[[OrbitHost], Coroutine[Any, Any, None]]
"""Work with the providers of a running server."""


def create_app(config: Config, host: OrbitHost | None = None, beside: Background | None = None) -> Application:
    """Build the application. Its lifespan opens providers and the database, and closes them in reverse order.

    ``beside`` runs while the application answers, and is cancelled when it stops.
    Raises ConfigError if the configuration has problems; nothing has been opened then.
    """
    host = host or OrbitHost(config)
    host.raise_problems()
    return Application(host, beside)


class Application:
    """The ASGI application: Litestar, inside the middleware that every request passes."""

    def __init__(self, host: OrbitHost, beside: Background | None = None) -> None:
        self.start_error = ""
        self.control: Control = NoControl()
        """What the routes of the administration may do with the server, which sets it."""
        self._host = host
        self._beside = beside
        self._starting: asyncio.Task[Any] | None = None
        self._abandoned = False
        self._loaded: LoadedApp
        self._exchange: Exchange
        self._history: History
        self._lasting: AsyncExitStack
        self._retiring: dict[asyncio.Task[None], LoadedApp] = {}
        self._first = litestar(host, [self._lifespan])

    @property
    def services(self) -> Services:
        """The services of the newest configuration."""
        return self._loaded.services

    @property
    def litestar(self) -> Litestar:
        """Litestar with the routes of the newest configuration."""
        return self._loaded.litestar if hasattr(self, "_loaded") else self._first

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            loaded = self._loaded
            lend(loaded.services.host)
            with loaded:
                await loaded.entry(scope, receive, send)
            return

        async def tell(message: Any) -> None:
            if message["type"] == "lifespan.startup.failed" and (self.start_error or self._abandoned):
                message = {**message, "message": self.start_error and f"ORBIT cannot start: {self.start_error}"}
            await send(message)

        await self._first(scope, receive, tell)

    def abandon_start(self) -> None:
        """Cancel a start that is under way; everything that has started stops again."""
        if self._starting is not None:
            self._abandoned = True
            self._starting.cancel()

    @asynccontextmanager
    async def _lifespan(self, app: Litestar) -> AsyncGenerator[None, None]:
        self._starting = asyncio.current_task()
        async with AsyncExitStack() as self._lasting:
            stack = AsyncExitStack()
            try:
                services = await stack.enter_async_context(open_services(self._host, self._lasting))
            except OrbitError as error:
                self.start_error = str(error)  # one sentence instead of uvicorn's traceback
                raise
            self._loaded = LoadedApp(services, stack)
            self._lasting.push_async_callback(self._close)
            folder = os.environ.get(FOLDER_VARIABLE)
            self._exchange = Exchange(services, Path(folder) if folder else None)
            await self._lasting.enter_async_context(self._exchange.publishing())
            self._history = await self._lasting.enter_async_context(kept_history(self._exchange))
            self._build(self._loaded, app)
            await self._loaded.begin()
            self._lasting.enter_context(settled())
            self._lasting.enter_context(untracked())
            self._starting = None
            if self._beside is not None:
                await self._lasting.enter_async_context(_running(self._held(self._beside)))
            yield

    async def prepare(self, host: OrbitHost) -> LoadedApp:
        """Start what ``host`` has beyond the running one, and build its routes. Nobody is served by it yet.

        ``host`` was made with the running host as its ``former``. Raises OrbitError; nothing has changed then.
        """
        former = self.services
        async with AsyncExitStack() as stack:
            services = await stack.enter_async_context(open_services(host, self._lasting, former))
            already = former.host.registry.failed
            failed = [Problem(name, why) for name, why in host.registry.failed.items() if name not in already]
            if failed:  # at a start the server would go on without them, but now it has something better
                raise ConfigError(failed)
            loaded = LoadedApp(services, stack)
            await asyncio.to_thread(lambda: self._build(loaded, litestar(host)))
            loaded.stack = stack.pop_all()
            return loaded

    async def put(self, loaded: LoadedApp) -> None:
        """Serve all later requests by a prepared application. The former one closes when its requests have ended."""
        former, self._loaded = self._loaded, loaded
        services = loaded.services
        services.host.take_over(former.services.host)
        services.resize()
        await loaded.begin()
        self._exchange.follow(services)
        task = asyncio.create_task(self._retire(former), name="end the former configuration")
        self._retiring[task] = former
        task.add_done_callback(self._retiring.pop)

    def _build(self, loaded: LoadedApp, app: Litestar) -> None:
        """Register the routes of a loaded application on ``app``."""
        services = loaded.services
        chats = chat_handlers(services)
        for route in routes(services, chats, self._exchange, self._history, lambda: self.control):
            app.register(route)
        loaded.litestar = app
        loaded.entry = middleware(services, AnswersFirst(app, chats, services.config.host.cors.allow_origins))

    async def _held(self, beside: Background) -> None:
        with self._loaded:
            await beside(self._host)

    async def _retire(self, loaded: LoadedApp) -> None:
        try:
            await loaded.retire()
        except Exception:
            logger.exception("the former configuration did not end cleanly")
        self._exchange.ended(loaded.services)
        settle_again()

    async def _close(self) -> None:
        """Close all loaded applications; their requests have ended, or will not."""
        for loaded in self._retiring.values():
            loaded.hurry()
        await asyncio.gather(*self._retiring)
        await self._loaded.close()


class OwnRoutes(Litestar):
    """Litestar for ORBIT's own routes. It imports neither pydantic nor attrs, which only routes of plugins may use.

    Where pydantic is installed, Litestar's support of it would take a fifth of a server's start.
    """

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return plugins


def litestar(host: OrbitHost, lifespan: Sequence[Any] = ()) -> Litestar:
    """Return Litestar without routes, which need started services."""
    config = host.config
    made = Litestar if host.registry.implementing("register_routes") else OwnRoutes
    return made(
        [],
        lifespan=lifespan,
        cors_config=cors_config(config.host.cors),
        exception_handlers={Exception: error_response},
        openapi_config=openapi_config(config.host.general.root),
        plugins=[HeadBesideGet()],
        logging_config=None,
    )


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None, None]:
    """Run a coroutine beside the body; cancel it at the end. A failure of it is logged and ends nothing else."""
    task = asyncio.create_task(work)
    task.add_done_callback(_log_failure)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("work beside the server failed", exc_info=error)


def middleware(services: Services, app: ASGIApp) -> ASGIApp:
    """Wrap Litestar in the middleware stack: request ids, metrics, the access log and the redirect to HTTPS."""
    host = services.config.host
    https, origins = host.general.https, host.cors.allow_origins
    if https.redirects:
        app = RedirectToHttps(app, https.port, host.general.root)
    metrics = services.pipeline.metrics if host.metrics.enabled else None
    headers = (VARY,) if origins and "*" not in origins else ()
    access = Access(app, metrics, headers, log=host.logging.access)
    return RootPath(access, host.general.root) if host.general.root else access


def routes(
    services: Services,
    chats: Mapping[str, ASGIApp],
    exchange: Exchange,
    history: History,
    control: Callable[[], Control],
) -> list[Any]:
    """Return all routes."""
    check = HealthCheck(services)
    return [
        *chat_routes(services, chats),
        *health_routes(services, check),
        *metrics_routes(services, exchange, check),
        *admin_routes(
            services,
            live_route(exchange, history, check),
            models_route(services.host, check),
            *control_routes(services, control),
        ),
        conversation_routes(services),
        search_routes(services),
        *document_routes(services),
        *plugin_routes(services),
        *page_routes(services),
    ]


def page_routes(services: Services) -> list[Any]:
    """Return the web pages, and the certificate challenges if they have a folder."""
    config = services.config.host
    acme_folder = config.general.https.acme_folder
    challenges = [challenge_route(Path(acme_folder))] if acme_folder else []
    if not config.pages.enabled:
        return challenges
    assets = Assets(root=config.general.root)
    return [*assets.routes(), *chat_page_routes(config, assets), *admin_page_routes(config, assets), *challenges]
