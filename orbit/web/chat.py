"""``POST /chat``: ORBIT's own wire."""

from __future__ import annotations

import itertools
import secrets
from typing import Any, Literal

import msgspec
from litestar.types import Receive, Scope, Send

from orbit.auth import Identity
from orbit.turn import Answer, Source, Turn
from orbit.types import CallContext, GenerateOptions, Usage
from orbit.web.answering import read_body, send_stream, send_whole
from orbit.web.problems import ProblemResponse, RequestError, problem_of
from orbit.web.services import Services

_MAX_ID_CHARS = 200
_STREAMED, _WHOLE = GenerateOptions(stream=True), GenerateOptions(stream=False)
_encoder = msgspec.json.Encoder()


class ChatRequest(msgspec.Struct, frozen=True):
    """The body of ``POST /chat``."""

    message: str
    stream: bool = True
    session_id: str | None = None


class Metadata(msgspec.Struct, frozen=True):
    """What there is to say of an answer besides its text and sources."""

    request_id: str
    provider: str
    model: str
    blocked: bool
    dropped_documents: int
    dropped_turns: int
    without_documents: bool


class ChatResponse(msgspec.Struct, frozen=True):
    """The body of an answer that is not streamed."""

    response: str
    sources: tuple[Source, ...]
    usage: Usage
    finish_reason: str
    metadata: Metadata


class _End(msgspec.Struct, frozen=True):
    text: str
    done: bool
    finish_reason: str
    sources: tuple[Source, ...]
    usage: Usage
    metadata: Metadata


_PROCESS = secrets.token_hex(8)
_count = itertools.count(1)
"""Together they make request ids that are unique and cost nothing: the process by chance, the request by number."""
_decoder = msgspec.json.Decoder(ChatRequest)


class OrbitWire:
    """ORBIT's frames: ``data: {"text": ..., "done": ...}``. Cumulative text is for clients of earlier servers."""

    def __init__(self, request_id: str, form: Literal["delta", "cumulative"]) -> None:
        self._request_id = request_id
        self._cumulative = form == "cumulative"
        self._so_far = ""

    def whole(self, text: str, answer: Answer) -> bytes:
        """The JSON body."""
        response = ChatResponse(text, answer.sources, answer.usage, answer.finish_reason, self._metadata(answer))
        return _encoder.encode(response)

    def piece(self, text: str) -> bytes:
        """One frame of text."""
        if self._cumulative:
            self._so_far += text
            text = self._so_far
        return b'data: {"text":' + _encoder.encode(text) + b',"done":false}\n\n'

    def end(self, answer: Answer) -> bytes:
        """The frame that says how the answer ended."""
        metadata = self._metadata(answer)
        frame = _End(self._so_far, True, answer.finish_reason, answer.sources, answer.usage, metadata)  # noqa: FBT003  # the field is called done
        return b"data: " + _encoder.encode(frame) + b"\n\n"

    def failure(self, error: BaseException) -> bytes:
        """The frame that says that the answer broke off."""
        problem = problem_of(error, self._request_id)
        frame = {"error": {"code": problem.code, "message": problem.detail}, "done": True}
        return b"data: " + _encoder.encode(frame) + b"\n\n"

    def _metadata(self, answer: Answer) -> Metadata:
        return Metadata(
            self._request_id,
            answer.provider,
            answer.model,
            answer.blocked,
            answer.dropped_documents,
            answer.dropped_turns,
            answer.without_documents,
        )


def chat_handler(services: Services) -> Any:
    """The ASGI handler of ``POST /chat``."""
    settings = services.config.host

    async def chat(scope: Scope, receive: Receive, send: Send) -> None:
        request_id = request_id_of(scope)
        headers = [(b"x-request-id", request_id.encode())]
        try:
            if scope["method"] != "POST":  # type: ignore[typeddict-item]  # an HTTP scope has it
                raise RequestError(405, "method_not_allowed", "ask with POST.")
            identity = await services.authenticator.authenticate(header(scope, b"x-api-key"))
            quota = await services.limiter.admit(identity.key)
            if quota is not None:
                headers += quota.headers()
            body = await read_body(scope, receive, settings.limits.max_body_bytes)
            request = parse(body, settings.limits.max_message_chars)
            turn = turn_of(request, identity, request_id, scope)
            wire = OrbitWire(request_id, settings.general.stream_text)
            events = services.pipeline.answer(turn)
            if request.stream:
                await send_stream(events, wire, headers, receive, send, settings.timeouts.ping)
            else:
                await send_whole(events, wire, headers, receive, send)
        except Exception as error:  # noqa: BLE001  # the last place where it can become an answer
            await ProblemResponse(error, request_id)(scope, receive, send)

    return chat


def parse(body: bytes, max_message_chars: int) -> ChatRequest:
    """Decode and check the body. Raises RequestError with what is wrong and what is expected."""
    expected = 'Expected {"message": "...", "stream": true or false}.'
    try:
        request = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise RequestError(400, "invalid_request", f"{error}. {expected}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(400, "invalid_json", f"the body is not valid JSON: {error}. {expected}") from error
    except RecursionError as error:
        raise RequestError(400, "invalid_json", f"the body is nested too deeply. {expected}") from error
    if not request.message.strip():
        raise RequestError(400, "empty_message", f"the message is empty. {expected}")
    if len(request.message) > max_message_chars:
        detail = f"the message has {len(request.message)} characters; at most {max_message_chars} are allowed."
        raise RequestError(413, "message_too_long", f"{detail} (limits.max_message_chars)")
    if request.session_id is not None and not 0 < len(request.session_id) <= _MAX_ID_CHARS:
        raise RequestError(400, "invalid_session_id", f"session_id must have 1 to {_MAX_ID_CHARS} characters.")
    return request


def turn_of(request: ChatRequest, identity: Identity, request_id: str, scope: Scope) -> Turn:
    """The turn that a request of this caller asks for."""
    key, prompt = identity.key, identity.prompt
    client = scope.get("client")
    context = CallContext(
        request_id=request_id,
        key_id=key.id,
        key_hint=key.hint,
        client_name=key.client_name,
        collection=key.collection_name,
        session_id=request.session_id,
        client_ip=client[0] if client else "",
    )
    options = _STREAMED if request.stream else _WHOLE
    if prompt is None:
        return Turn(request.message, context, options=options)
    return Turn(request.message, context, prompt.prompt, prompt.id, prompt.version, options=options)


def header(scope: Scope, name: bytes) -> str | None:
    """The value of a request header, or None."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return None


def request_id_of(scope: Scope) -> str:
    """The client's ``X-Request-ID`` if it is fit to be logged, else a new one."""
    given = header(scope, b"x-request-id")
    if given and len(given) <= _MAX_ID_CHARS and given.isascii() and given.isprintable():
        return given
    return f"{_PROCESS}{next(_count):08x}"
