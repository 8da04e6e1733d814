"""The routes of chats in every protocol, and of what the protocols have beside chats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar import post
from litestar.openapi.spec import Operation
from litestar.types import ASGIApp, Receive, Scope, Send

from orbit.web.http.operation import operation
from orbit.web.http.own_router import OwnRouter
from orbit.web.key_guard import API_KEY
from orbit.web.services import Services
from orbit.web.wires.anthropic.message_request import MessageRequest
from orbit.web.wires.anthropic.message_wire import MESSAGE_STREAM, AnswerMessage
from orbit.web.wires.anthropic.routes import MESSAGES, counting_route, message_handler
from orbit.web.wires.openai.chat_request import CompletionProtocol, CompletionRequest
from orbit.web.wires.openai.chat_wire import COMPLETION_STREAM, Completion
from orbit.web.wires.openai.embeddings import embedding_route
from orbit.web.wires.openai.models import model_routes
from orbit.web.wires.openai.rerank import rerank_routes
from orbit.web.wires.openai.text_request import TextProtocol, TextRequest
from orbit.web.wires.openai.text_wire import TEXT_STREAM, TextCompletion
from orbit.web.wires.openai_responses.output import ResponseBody
from orbit.web.wires.openai_responses.request import ResponseRequest, ResponsesProtocol
from orbit.web.wires.openai_responses.routes import RESPONSES, response_routes
from orbit.web.wires.openai_responses.wire import RESPONSE_STREAM
from orbit.web.wires.orbit.chat_request import ChatRequest, orbit_handler
from orbit.web.wires.orbit.chat_wire import ORBIT_STREAM, ChatResponse
from orbit.web.wires.route import chat_handler

CHAT: Final = "/chat"
COMPLETIONS: Final = "/v1/chat/completions"
TEXT: Final = "/v1/completions"
_ERROR: Final = "error"
"""The key in a request's state for what a chat route raised before Litestar saw the request."""


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
    own = operation(ChatResponse, ChatRequest, stream=ORBIT_STREAM)
    completion = operation(Completion, CompletionRequest, stream=COMPLETION_STREAM)
    text = operation(TextCompletion, TextRequest, stream=TEXT_STREAM)
    response = operation(ResponseBody, ResponseRequest, stream=RESPONSE_STREAM)
    message = operation(AnswerMessage, MessageRequest, stream=MESSAGE_STREAM)
    security: list[Any] = [{"bearerKey": []}, {API_KEY: []}]
    rerank, rerank_elsewhere = rerank_routes(services, security)
    openai = [
        _route(chats[COMPLETIONS], "/chat/completions", "completions", completion, "Answer a conversation"),
        _route(chats[TEXT], "/completions", "text_completions", text, "Answer a prompt"),
        _route(
            chats[RESPONSES],
            "/responses",
            "create_response",
            response,
            "Answer a conversation, which the server may keep",
        ),
        *response_routes(services),
        rerank,
        *model_routes(services),
        embedding_route(services),
    ]
    messages = _route(chats[MESSAGES], "/", "messages", message, "Answer a conversation")
    return [
        _route(chats[CHAT], CHAT, "chat", own, "Ask a question", tags=["chat"], security=[{API_KEY: []}]),
        rerank_elsewhere,
        OwnRouter("/v1", route_handlers=openai, tags=["openai"], security=security),
        OwnRouter(MESSAGES, route_handlers=[messages, counting_route(services)], tags=["anthropic"], security=security),
    ]


def _route(app: ASGIApp, path: str, name: str, described: type[Operation], summary: str, **more: Any) -> Any:
    """Return a route whose requests ``app`` answers. ``more`` are options of Litestar's handlers."""

    @post(
        path,
        status_code=200,
        operation_id=name,
        operation_class=described,
        summary=summary,
        middleware=[instead(app)],
        **more,
    )
    async def answer() -> None: ...

    return answer


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
