"""``POST /chat``: ORBIT's own protocol."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Sequence
from typing import Annotated, ClassVar, Literal, TypeAlias, get_args

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Meta

from orbit.auth.keys import Identity
from orbit.chat.outcome import Ending, Refused, ToolStep
from orbit.chat.turn import Turn
from orbit.config import HostConfig
from orbit.types import CallContext, GenerateOptions, Part, Source, Text, Thought, Usage
from orbit.web.http.body import check_length, decode
from orbit.web.http.problems import RequestError, problem_of
from orbit.web.http.request import header
from orbit.web.services import Services
from orbit.web.wires.attachments import BadAttachment, data_of, file_of, image_of, unpacked
from orbit.web.wires.checks import ParameterError, check_size
from orbit.web.wires.route import chat_handler
from orbit.web.wires.sending import Wire
from orbit.web.wires.used_tools import UsedTool, used_tools

TextForm: TypeAlias = Literal["delta", "cumulative"]
"""Text in a frame of a stream: what is new, or all of it so far."""
_MAX_SESSION_ID_CHARS = 200
_NEW = "new"
"""The ``session_id`` that asks the server to make one."""
_STREAMED, _WHOLE = GenerateOptions(stream=True), GenerateOptions(stream=False)
_encoder = msgspec.json.Encoder()


class ImagePart(msgspec.Struct, frozen=True, tag="image"):
    """An image beside the question: PNG, JPEG, GIF or WebP, in base64 or as a data URL."""

    data: str
    detail: Literal["", "low", "high", "auto"] = ""


class FilePart(msgspec.Struct, frozen=True, tag="file"):
    """A file beside the question, in base64 or as a data URL."""

    data: str
    name: str = ""


class ChatRequest(msgspec.Struct, frozen=True):
    """The body of ``POST /chat``."""

    message: Annotated[str, Meta(description="The question; empty only beside parts.")]
    stream: Annotated[bool, Meta(description="Whether the answer comes piece by piece.")] = True
    session_id: Annotated[
        str | None,
        Meta(
            description="The conversation that the question belongs to; 'new' begins one.",
            extra_json_schema={"minLength": 1, "maxLength": _MAX_SESSION_ID_CHARS},
        ),
    ] = None
    model: Annotated[
        str | None, Meta(description="The model, as GET /v1/models lists it; by default the server's own choice.")
    ] = None
    replaces: Annotated[
        int,
        Meta(
            ge=0, description="How many of the last turns of the conversation this one replaces, once it is answered."
        ),
    ] = 0
    thoughts: Annotated[
        bool,
        Meta(
            description="Whether a stream has the model's thoughts, in frames of their own, and the arguments and "
            "results of tools that the server calls."
        ),
    ] = False
    parts: Annotated[
        tuple[ImagePart | FilePart, ...], Meta(description="Images and files that belong to the question.")
    ] = ()


ORBIT_STREAM = (
    'Server-sent events. Each `data:` is JSON: `{"text": ..., "done": false}`, while the server calls a tool with '
    '`"tool": {"id", "name", "status", "seconds"}` and no new text, for thoughts with `"thought"`, and last a '
    "`StreamFrame` or "
    '`{"error": {"code", "message", "request_id"}, "done": true}`.'
)


class Metadata(msgspec.Struct, frozen=True):
    """The metadata of an answer. `tools` is absent if the server called none."""

    request_id: str
    provider: str
    model: str
    blocked: bool
    dropped_documents: int
    dropped_turns: int
    without_documents: bool
    remembered: bool
    tries: int
    tools: tuple[UsedTool, ...] | msgspec.UnsetType = msgspec.UNSET


class ChatUsage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens read and written; 0 if the provider does not count. The last two are absent if they are 0."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class ChatResponse(msgspec.Struct, frozen=True):
    """The body of a whole answer."""

    response: str
    sources: tuple[Source, ...]
    usage: ChatUsage
    finish_reason: str
    session_id: str | None
    metadata: Metadata


class StreamFrame(msgspec.Struct, frozen=True):
    """The last frame of a stream. Earlier frames have the new `text` and `done`, false."""

    text: str
    done: bool
    finish_reason: str
    sources: tuple[Source, ...]
    usage: ChatUsage
    session_id: str | None
    metadata: Metadata


_decoder = msgspec.json.Decoder(ChatRequest)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BESIDE = frozenset(
    {
        *(field.encode_name for field in msgspec.structs.fields(ChatRequest)),
        *("user", "user_id", "metadata", "client", "client_id", "id", "request_id", "timestamp"),
    }
)
"""The fields of a question, and fields that clients add without expecting another answer."""
_WITHOUT_EFFECT = (b"null", b"false", b'""', b"[]", b"{}")


class OrbitWire(Wire):
    """ORBIT's frames: ``data: {"text": ..., "done": ...}``. Cumulative text is for clients of earlier servers."""

    def __init__(self, request_id: str, form: TextForm, session_id: str | None) -> None:
        """``session_id`` is None if the turn belongs to no conversation."""
        self._request_id = request_id
        self._session_id = session_id
        self._cumulative = form == "cumulative"
        self._so_far = ""

    def whole(self, text: str, ending: Ending) -> bytes:
        """Return the JSON body."""
        response = ChatResponse(
            text, ending.sources, _usage(ending.usage), ending.finish_reason, self._session_id, self._metadata(ending)
        )
        return _encoder.encode(response)

    def piece(self, text: str) -> bytes:
        """Return a frame of text."""
        if self._cumulative:
            self._so_far += text
            text = self._so_far
        return b'data: {"text":' + _encoder.encode(text) + b',"done":false}\n\n'

    def thought(self, thought: Thought) -> bytes:
        """Return a frame of thoughts without new text."""
        return b"data: " + _encoder.encode({"text": self._so_far, "thought": thought.text, "done": False}) + b"\n\n"

    def step(self, step: ToolStep) -> bytes:
        """Return a frame without new text that says what the server does with a tool."""
        frame = {"text": self._so_far, "done": False, "tool": step}
        return b"data: " + _encoder.encode(frame) + b"\n\n"

    def end(self, ending: Ending) -> bytes:
        """Return the last frame, which says how the answer ended."""
        frame = StreamFrame(
            text=self._so_far,
            done=True,
            finish_reason=ending.finish_reason,
            sources=ending.sources,
            usage=_usage(ending.usage),
            session_id=self._session_id,
            metadata=self._metadata(ending),
        )
        return b"data: " + _encoder.encode(frame) + b"\n\n"

    def failure(self, error: BaseException) -> bytes:
        """Return the frame for an answer that failed half-way."""
        problem = problem_of(error, self._request_id)
        frame = {
            "error": {"code": problem.code, "message": problem.detail, "request_id": self._request_id},
            "done": True,
        }
        return b"data: " + _encoder.encode(frame) + b"\n\n"

    def _metadata(self, ending: Ending) -> Metadata:
        return Metadata(
            self._request_id,
            ending.provider,
            ending.model,
            isinstance(ending, Refused),
            ending.dropped_documents,
            ending.dropped_turns,
            ending.without_documents,
            ending.remembered,
            ending.tries,
            used_tools(ending),
        )


def _usage(usage: Usage) -> ChatUsage:
    return ChatUsage(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens)


class OrbitQuestion(msgspec.Struct, frozen=True):
    """A checked request."""

    request: ChatRequest
    parts: tuple[Part, ...]
    form: TextForm
    remembers: bool

    is_complete: ClassVar[bool] = True

    async def completed(self, hosts: Sequence[str], limit: int, key_id: str) -> OrbitQuestion:
        """Return it as it is: nothing in it is fetched."""
        del hosts, limit, key_id
        return self

    @property
    def stream(self) -> bool:
        """Whether the client wants a stream."""
        return self.request.stream

    def turn(self, identity: Identity, context: CallContext) -> Turn:
        """Return the turn that the request asks for."""
        request, prompt = self.request, identity.prompt
        if request.session_id is not None:
            context = msgspec.structs.replace(context, session_id=request.session_id)
        return Turn(
            request.message,
            context,
            prompt.prompt if prompt else None,
            prompt.id if prompt else None,
            prompt.version if prompt else None,
            options=_STREAMED if request.stream else _WHOLE,
            parts=self.parts,
            thoughts=request.thoughts,
            details=request.thoughts,
            model=request.model or "",
            replaces=request.replaces,
        )

    def wire(self, request_id: str) -> OrbitWire:
        """Return the wire that writes the answer."""
        return OrbitWire(request_id, self.form, self.request.session_id if self.remembers else None)


def orbit_handler(services: Services) -> ASGIApp:
    """Return the ASGI application of the protocol. The header ``X-Stream-Text`` chooses the form of streamed text."""
    settings = services.config.host
    usual = chat_handler(services, OrbitProtocol(settings))
    chosen = {form: chat_handler(services, OrbitProtocol(settings, form)) for form in get_args(TextForm)}

    def answer(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        form = header(scope, b"x-stream-text")
        if form is None:
            return usual(scope, receive, send)
        if form not in chosen:
            detail = f"X-Stream-Text must be {' or '.join(chosen)}."
            raise RequestError(400, "invalid_header", detail)
        return chosen[form](scope, receive, send)

    return answer


class OrbitProtocol:
    """``X-API-Key`` and ``{"message": ...}``."""

    def __init__(self, config: HostConfig, form: TextForm | None = None) -> None:
        """``form`` is that of text in streams; by default the configuration's."""
        self._limits = config.limits
        self.max_body = config.limits.max_body_bytes + config.limits.max_attached_bytes
        self._form = form or config.general.stream_text
        self._remembers = config.sessions.enabled

    def secret(self, scope: Scope) -> str | None:
        """Return the API key of a request."""
        return header(scope, b"x-api-key")

    def question(self, body: bytes) -> OrbitQuestion:
        """Decode and check a body. Raises RequestError with the mistake and the expected form."""
        expected = 'Expected {"message": "...", "stream": true or false}.'
        request = decode(body, _decoder, expected)
        check_size(len(body), sum(len(part.data) for part in request.parts), self._limits, "parts")
        _check_fields(body)
        if not (request.message.strip() or request.parts):
            raise RequestError(400, "empty_message", f"The message is empty. {expected}")
        check_length(request.message, self._limits.max_message_chars)
        if request.session_id is not None:
            request = _in_session(request, request.session_id)
        return OrbitQuestion(request, _parts(request), self._form, self._remembers)


def _parts(request: ChatRequest) -> tuple[Part, ...]:
    """Return the parts of the question, its text first; empty if there is only text. Raises ParameterError."""
    if not request.parts:
        return ()
    found: list[Part] = [Text(request.message)] if request.message.strip() else []
    for number, part in enumerate(request.parts):
        try:
            if isinstance(part, FilePart):
                found.append(file_of(part.data, part.name))
            else:
                data = data_of(part.data)[0] if part.data[:5].lower() == "data:" else unpacked(part.data)
                found.append(image_of(data, part.detail))
        except BadAttachment as error:
            raise ParameterError(f"parts[{number}]", f"parts[{number}] cannot be used: {error}") from error
    return tuple(found)


def _check_fields(body: bytes) -> None:
    """Raise RequestError for an unknown field: ignoring it would answer another request than the client's."""
    for name, value in _fields.decode(body).items():
        if name not in _BESIDE and bytes(value) not in _WITHOUT_EFFECT:
            detail = (
                f"Unknown field '{name[:100]}'. POST /chat takes message, stream, session_id, model, parts, replaces "
                "and thoughts; the API key "
                "decides the collection and the instructions. POST /v1/chat/completions takes options of the model."
            )
            raise RequestError(400, "unknown_field", detail)


def _in_session(request: ChatRequest, session_id: str) -> ChatRequest:
    if not 0 < len(session_id) <= _MAX_SESSION_ID_CHARS:
        detail = f"session_id must have 1 to {_MAX_SESSION_ID_CHARS} characters; '{_NEW}' begins a session."
        raise RequestError(400, "invalid_session_id", detail)
    # Users who share a key must not guess each other's conversations, so the id is a secret.
    return msgspec.structs.replace(request, session_id=secrets.token_urlsafe(16)) if session_id == _NEW else request
