"""``POST /chat``: translates ORBIT's own request into a turn."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Sequence
from typing import Annotated, Any, ClassVar, Literal, get_args

import msgspec
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Meta

from orbit.auth.keys import Identity
from orbit.chat.turn import Turn
from orbit.config import HostConfig
from orbit.types import CallContext, Filter, GenerateOptions, Message, Part, Text, Tool, ToolChoice
from orbit.web.http.body import check_length, decode
from orbit.web.http.problems import RequestError
from orbit.web.http.request import header
from orbit.web.services import Services
from orbit.web.wires.attachments import BadAttachment, data_of, file_of, image_of, unpacked
from orbit.web.wires.checks import ParameterError, check_size, filter_of
from orbit.web.wires.openai_responses.tools import ResponseTool, ResponseToolChoice, tools_of
from orbit.web.wires.orbit.chat_wire import OrbitWire, TextForm
from orbit.web.wires.orbit.rounds import ToolRound, later_of
from orbit.web.wires.route import chat_handler
from orbit.web.wires.sent_names import SentNames, sent_as

_MAX_SESSION_ID_CHARS = 200
_NEW = "new"
"""The ``session_id`` that asks the server to make one."""
_STREAMED, _WHOLE = GenerateOptions(stream=True), GenerateOptions(stream=False)


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
    tools: Annotated[
        tuple[ResponseTool, ...], Meta(description="Functions of the client that the model may call.")
    ] = ()
    tool_choice: Annotated[
        str | ResponseToolChoice | None,
        Meta(description="'auto', 'none', 'required', or the tool that the model must call, by its name."),
    ] = None
    parallel_tool_calls: Annotated[
        bool | None, Meta(description="Whether an answer may call several tools at once.")
    ] = None
    rounds: Annotated[
        tuple[ToolRound, ...],
        Meta(description="The answers to this question that called tools, with what the tools returned, in order."),
    ] = ()
    filter: Annotated[
        dict[str, Any] | None,
        Meta(description='A condition on the passages, such as {"type": "eq", "key": "language", "value": "en"}.'),
    ] = None


class _Known(ChatRequest, frozen=True, forbid_unknown_fields=True):
    """A body without other fields, as most are."""


_decoder = msgspec.json.Decoder(ChatRequest)
_strict_decoder = msgspec.json.Decoder(_Known)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NAMES = [field.encode_name for field in msgspec.structs.fields(ChatRequest)]
_TAKEN = f"{', '.join(_NAMES[:-1])} and {_NAMES[-1]}"
_SENT_NAMES: SentNames = {"messages": ("parts", "rounds"), "tools": ("tools", "rounds")}
_BESIDE = frozenset(
    {
        *_NAMES,
        *("user", "user_id", "metadata", "client", "client_id", "id", "request_id", "timestamp"),
    }
)
"""The fields of a question, and fields that clients add without expecting another answer."""
_WITHOUT_EFFECT = (b"null", b"false", b'""', b"[]", b"{}")


class OrbitQuestion(msgspec.Struct, frozen=True):
    """A checked request."""

    request: ChatRequest
    parts: tuple[Part, ...]
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice | None
    later: tuple[Message, ...]
    form: TextForm
    remembers: bool
    filter: Filter | None = None

    is_complete: ClassVar[bool] = True
    others: ClassVar[tuple[str, ...]] = ()

    async def completed(self, hosts: Sequence[str], limit: int, key_id: str) -> OrbitQuestion:
        """Return it as it is: nothing in it is fetched."""
        del hosts, limit, key_id
        return self

    @property
    def stream(self) -> bool:
        """Whether the client wants a stream."""
        return self.request.stream

    def sent_as(self, option: str) -> str:
        """Return the field in which the client sent an option."""
        return sent_as(self.request, option, _SENT_NAMES)

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
            options=self._options(),
            parts=self.parts,
            later=self.later,
            thoughts=request.thoughts,
            details=request.thoughts,
            model=request.model or "",
            replaces=request.replaces,
            filter=self.filter,
        )

    def wire(self, request_id: str) -> OrbitWire:
        """Return the wire that writes the answer."""
        return OrbitWire(request_id, self.form, self.request.session_id if self.remembers else None)

    def _options(self) -> GenerateOptions:
        options = _STREAMED if self.request.stream else _WHOLE
        if not self.tools:
            return options
        return msgspec.structs.replace(
            options,
            tools=self.tools,
            tool_choice=self.tool_choice,
            parallel_tool_calls=self.request.parallel_tool_calls,
        )


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
        request: ChatRequest
        try:
            request = _strict_decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            request = decode(body, _decoder, expected)
        attached = sum(len(part.data) for part in request.parts) if request.parts else 0
        check_size(len(body), attached, self._limits, "parts")
        if type(request) is ChatRequest:
            _check_fields(body)
        if not (request.message.strip() or request.parts):
            raise RequestError(400, "empty_message", f"The message is empty. {expected}", param="message")
        check_length(request.message, self._limits.max_message_chars)
        if request.session_id is not None:
            request = _in_session(request, request.session_id)
        parts = _parts(request) if request.parts else ()
        tools, choice = tools_of(request.tools, request.tool_choice)
        later = later_of(request.message, parts, request.rounds) if request.rounds else ()
        wanted = filter_of(request.filter)
        return OrbitQuestion(request, parts, tools, choice, later, self._form, self._remembers, wanted)


def _parts(request: ChatRequest) -> tuple[Part, ...]:
    """Return the parts of the question, its text first. Raises ParameterError."""
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
                f"Unknown field '{name[:100]}'. POST /chat takes {_TAKEN}; the API key decides the collection and the "
                "instructions. POST /v1/chat/completions takes options of the model."
            )
            raise RequestError(400, "unknown_field", detail, param=name[:100])


def _in_session(request: ChatRequest, session_id: str) -> ChatRequest:
    if not 0 < len(session_id) <= _MAX_SESSION_ID_CHARS:
        detail = f"session_id must have 1 to {_MAX_SESSION_ID_CHARS} characters; '{_NEW}' begins a session."
        raise RequestError(400, "invalid_session_id", detail, param="session_id")
    # Users who share a key must not guess each other's conversations, so the id is a secret.
    return msgspec.structs.replace(request, session_id=secrets.token_urlsafe(16)) if session_id == _NEW else request
