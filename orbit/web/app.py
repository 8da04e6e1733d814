"""``create_app``: builds the ASGI application from a configuration."""

from __future__ import annotations

import asyncio
import logging
import os
import traceback
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Response, Router, post
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, Receive, Scope, Send

from orbit.config import Config
from orbit.config.changes import Changes
from orbit.errors import ConfigError, OrbitError, Problem
from orbit.host.host import OrbitHost
from orbit.host.lent import lend
from orbit.observing.metrics_history import History
from orbit.web.api.admin.activity import kept_history, live_route
from orbit.web.api.admin.models import models_route
from orbit.web.api.admin.reload import Reload, no_reload, reload_route
from orbit.web.api.admin.routes import admin_routes
from orbit.web.api.conversations import conversation_routes
from orbit.web.api.documents import document_routes
from orbit.web.api.health import HealthCheck, health_routes
from orbit.web.api.metrics import FOLDER_VARIABLE, Exchange, metrics_routes
from orbit.web.api.plugin_routes import plugin_routes
from orbit.web.api.schema_page import openapi_config
from orbit.web.api.search import search_routes
from orbit.web.garbage import settle_again, settled
from orbit.web.generation import Generation
from orbit.web.http.access import Access
from orbit.web.http.cors import VARY, cors_config
from orbit.web.http.head import HeadBesideGet
from orbit.web.http.operation import operation
from orbit.web.http.plain_http import RedirectToHttps, challenge_route
from orbit.web.http.problems import RequestError, of_litestar, problem_response
from orbit.web.http.request import header, request_id_of
from orbit.web.http.root_path import RootPath
from orbit.web.key_guard import API_KEY
from orbit.web.pages.admin import admin_page_routes
from orbit.web.pages.assets import Assets
from orbit.web.pages.chat import chat_page_routes
from orbit.web.services import Services, open_services
from orbit.web.wires.anthropic import errors as anthropic_errors
from orbit.web.wires.anthropic.message_request import MessageRequest
from orbit.web.wires.anthropic.message_wire import MESSAGE_STREAM, AnswerMessage
from orbit.web.wires.anthropic.routes import MESSAGES, counting_route, message_handler
from orbit.web.wires.openai.chat_request import CompletionProtocol, CompletionRequest
from orbit.web.wires.openai.chat_wire import COMPLETION_STREAM, Completion
from orbit.web.wires.openai.errors import error_response
from orbit.web.wires.openai.models import model_routes
from orbit.web.wires.openai.rerank import PATHS, rerank_routes
from orbit.web.wires.openai.text_request import TextProtocol, TextRequest
from orbit.web.wires.openai.text_wire import TEXT_STREAM, TextCompletion
from orbit.web.wires.openai_responses.errors import error_response as responses_error
from orbit.web.wires.openai_responses.output import ResponseBody
from orbit.web.wires.openai_responses.request import ResponseRequest, ResponsesProtocol
from orbit.web.wires.openai_responses.routes import response_routes
from orbit.web.wires.openai_responses.wire import RESPONSE_STREAM
from orbit.web.wires.orbit import ORBIT_STREAM, ChatRequest, ChatResponse, orbit_handler
from orbit.web.wires.route import chat_handler

logger = logging.getLogger("orbit")

CHAT, COMPLETIONS, RESPONSES = "/chat", "/v1/chat/completions", "/v1/responses"
TEXT = "/v1/completions"
_ERROR = "error"
"""The key in a request's state for what a chat route raised before Litestar saw the request."""


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
        self.reload: Reload = no_reload
        """Reads the configuration again, for ``POST /admin/reload``; the server sets it."""
        self._host = host
        self._beside = beside
        self._starting: asyncio.Task[Any] | None = None
        self._abandoned = False
        self._generation: Generation
        self._exchange: Exchange
        self._history: History
        self._lasting: AsyncExitStack
        self._retiring: dict[asyncio.Task[None], Generation] = {}
        self._first = litestar(host.config, [self._lifespan])

    @property
    def services(self) -> Services:
        """The services of the newest configuration."""
        return self._generation.services

    @property
    def litestar(self) -> Litestar:
        """Litestar with the routes of the newest configuration."""
        return self._generation.litestar if hasattr(self, "_generation") else self._first

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            generation = self._generation
            lend(generation.services.host)
            with generation:
                await generation.entry(scope, receive, send)
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
            self._generation = Generation(services, stack)
            self._lasting.push_async_callback(self._close)
            folder = os.environ.get(FOLDER_VARIABLE)
            self._exchange = Exchange(services, Path(folder) if folder else None)
            await self._lasting.enter_async_context(self._exchange.publishing())
            self._history = await self._lasting.enter_async_context(kept_history(self._exchange))
            self._build(self._generation, app)
            await self._generation.begin()
            self._lasting.enter_context(settled())
            self._starting = None
            if self._beside is not None:
                await self._lasting.enter_async_context(_running(self._held(self._beside)))
            yield

    async def prepare(self, host: OrbitHost) -> Generation:
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
            generation = Generation(services, stack)
            await asyncio.to_thread(lambda: self._build(generation, litestar(host.config)))
            generation.stack = stack.pop_all()
            return generation

    async def put(self, generation: Generation) -> None:
        """Serve all later requests by a prepared generation. The former one closes when its requests have ended."""
        former, self._generation = self._generation, generation
        services = generation.services
        services.host.take_over(former.services.host)
        services.resize()
        await generation.begin()
        self._exchange.follow(services)
        task = asyncio.create_task(self._retire(former), name="end the former configuration")
        self._retiring[task] = former
        task.add_done_callback(self._retiring.pop)

    def _build(self, generation: Generation, app: Litestar) -> None:
        """Register the routes of a generation on ``app``."""
        services = generation.services
        chats = chat_handlers(services)
        for route in routes(services, chats, self._exchange, self._history, self._reload):
            app.register(route)
        generation.litestar = app
        generation.entry = middleware(services, AnswersFirst(app, chats, services.config.host.cors.allow_origins))

    async def _reload(self) -> Changes:
        return await self.reload()  # what it is when the request comes

    async def _held(self, beside: Background) -> None:
        with self._generation:
            await beside(self._host)

    async def _retire(self, generation: Generation) -> None:
        try:
            await generation.retire()
        except Exception:
            logger.exception("the former configuration did not end cleanly")
        self._exchange.ended(generation.services)
        settle_again()

    async def _close(self) -> None:
        """Close all generations; their requests have ended, or will not."""
        for generation in self._retiring.values():
            generation.hurry()
        await asyncio.gather(*self._retiring)
        await self._generation.close()


def litestar(config: Config, lifespan: Sequence[Any] = ()) -> Litestar:
    """Return Litestar without routes, which need started services."""
    return Litestar(
        [],
        lifespan=lifespan,
        cors_config=cors_config(config.host.cors),
        exception_handlers={Exception: _error_response},
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


class AnswersFirst:
    """Serves a plain POST to a chat route before Litestar looks at it; everything else, errors too, is Litestar's.

    Litestar's routing and exception handling cost a plain turn a fifth of its own time; see docs/architecture.md.
    """

    def __init__(self, app: ASGIApp, chats: Mapping[str, ASGIApp], origins: Sequence[str]) -> None:
        self._app = app
        self._chats = {} if origins else chats  # with CORS, Litestar completes the headers

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        path = scope["path"]
        answer = self._chats.get(path)
        if answer is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["path_template"] = path
        try:
            await answer(scope, receive, send)
        except Exception as error:
            state = scope["state"]
            if "status" in state:  # the response has begun
                raise
            state[_ERROR] = error
            await self._app(scope, receive, send)


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
    services: Services, chats: Mapping[str, ASGIApp], exchange: Exchange, history: History, reload: Reload
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
            reload_route(reload),
        ),
        conversation_routes(services),
        search_routes(services),
        *document_routes(services),
        *plugin_routes(services),
        *page_routes(services),
    ]


def chat_handlers(services: Services) -> dict[str, ASGIApp]:
    """Return what answers chats, by path."""
    settings = services.config.host
    kept = services.conversations.responses
    protocol = CompletionProtocol(settings.limits, settings.general)
    responses = ResponsesProtocol(settings.limits, settings.general, kept)
    return {
        CHAT: orbit_handler(services),
        COMPLETIONS: chat_handler(services, protocol),
        MESSAGES: message_handler(services),
        RESPONSES: chat_handler(services, responses),
        TEXT: chat_handler(services, TextProtocol(settings.limits, settings.general)),
    }


def chat_routes(services: Services, chats: Mapping[str, ASGIApp]) -> list[Any]:
    """Return the routes of ORBIT's own protocol, of OpenAI's and of Anthropic's."""

    @post(
        CHAT,
        status_code=200,
        operation_id="chat",
        operation_class=operation(ChatResponse, ChatRequest, stream=ORBIT_STREAM),
        summary="Ask a question",
        tags=["chat"],
        security=[{API_KEY: []}],
        middleware=[instead(chats[CHAT])],
    )
    async def chat() -> None: ...

    @post(
        "/chat/completions",
        status_code=200,
        operation_id="completions",
        operation_class=operation(Completion, CompletionRequest, stream=COMPLETION_STREAM),
        summary="Answer a conversation",
        middleware=[instead(chats[COMPLETIONS])],
    )
    async def completions() -> None: ...

    @post(
        status_code=200,
        operation_id="messages",
        operation_class=operation(AnswerMessage, MessageRequest, stream=MESSAGE_STREAM),
        summary="Answer a conversation",
        middleware=[instead(chats[MESSAGES])],
    )
    async def messages() -> None: ...

    @post(
        "/responses",
        status_code=200,
        operation_id="create_response",
        operation_class=operation(ResponseBody, ResponseRequest, stream=RESPONSE_STREAM),
        summary="Answer a conversation, which the server may keep",
        middleware=[instead(chats[RESPONSES])],
    )
    async def responses() -> None: ...

    @post(
        "/completions",
        status_code=200,
        operation_id="text_completions",
        operation_class=operation(TextCompletion, TextRequest, stream=TEXT_STREAM),
        summary="Answer a prompt",
        middleware=[instead(chats[TEXT])],
    )
    async def texts() -> None: ...

    security: list[Any] = [{"bearerKey": []}, {API_KEY: []}]
    rerank, rerank_elsewhere = rerank_routes(services, security)
    openai = [completions, texts, responses, *response_routes(services), rerank, *model_routes(services)]
    return [
        chat,
        rerank_elsewhere,
        Router("/v1", route_handlers=openai, tags=["openai"], security=security),
        Router(MESSAGES, route_handlers=[messages, counting_route(services)], tags=["anthropic"], security=security),
    ]


def instead(app: ASGIApp) -> Any:
    """Return middleware that serves a handler's requests by ``app``, without Litestar's request and response.

    A request that ``AnswersFirst`` could not serve only raises its error here, for Litestar to answer.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if (error := scope["state"].get(_ERROR)) is not None:
            raise error
        await app(scope, receive, send)

    def middleware(app: ASGIApp) -> ASGIApp:  # noqa: ARG001  # Litestar's signature
        return serve

    return middleware


def page_routes(services: Services) -> list[Any]:
    """Return the web pages, and the certificate challenges if they have a folder."""
    config = services.config.host
    acme_folder = config.general.https.acme_folder
    challenges = [challenge_route(Path(acme_folder))] if acme_folder else []
    if not config.pages.enabled:
        return challenges
    assets = Assets(root=config.general.root)
    return [*assets.routes(), *chat_page_routes(config, assets), *admin_page_routes(config, assets), *challenges]


def _while_reading(error: BaseException) -> bool:
    """Whether an exception comes from the JSON of a request's body."""
    return any(frame.f_code is Request.json.__code__ for frame, _ in traceback.walk_tb(error.__traceback__))


def _error_response(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Turn an exception of Litestar or of a handler into an error in the shape of the protocol."""
    request_id = request_id_of(request.scope)
    if isinstance(error, HTTPException):
        error = of_litestar(error, request_id)
    elif isinstance(error, RecursionError) and _while_reading(error):
        error = RequestError(400, "invalid_json", "The body is nested too deeply.")
    path = request.scope["path"]
    anthropics = path.startswith("/v1/models") and header(request.scope, b"anthropic-version") is not None
    if anthropics or path == MESSAGES or path.startswith(f"{MESSAGES}/"):
        return anthropic_errors.error_response(error, request_id)
    if path.startswith(RESPONSES):
        return responses_error(error, request_id)
    respond = error_response if path.startswith("/v1/") or path in PATHS else problem_response
    return respond(error, request_id)
