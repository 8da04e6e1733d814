"""``POST /v1/messages``: translates the request of Anthropic's API into a turn."""

from __future__ import annotations

from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from litestar.types import Scope
from msgspec import Meta

from orbit.auth.keys import Identity
from orbit.chat.turn import Turn
from orbit.config.model import General, Limits
from orbit.types import CallContext, GenerateOptions
from orbit.web.http.body import check_length, decode
from orbit.web.http.request import bearer
from orbit.web.wires.anthropic.blocks import InputMessage, MessageBlock, conversation_of
from orbit.web.wires.anthropic.message_wire import MessageWire
from orbit.web.wires.anthropic.tools import MessageTool, MessageToolChoice, tools_of
from orbit.web.wires.checks import ParameterError, check_parameters, check_size, filter_of
from orbit.web.wires.parameters import NEUTRAL
from orbit.web.wires.question import ConversationQuestion
from orbit.web.wires.sent_names import SentNames, sent_as


class ThinkingConfig(msgspec.Struct, frozen=True):
    """Whether and how much the model thinks. ``display`` set to ``omitted`` leaves the text of the thoughts out."""

    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: Annotated[int, Meta(ge=1)] | None = None
    display: Literal["summarized", "omitted"] | None = None

    @property
    def shown(self) -> bool:
        """Whether the client reads the thoughts."""
        return self.type in ("enabled", "adaptive")


class OutputFormat(msgspec.Struct, frozen=True):
    """The format of the answer."""

    schema: dict[str, Any]
    type: Literal["json_schema"] = "json_schema"


class OutputConfig(msgspec.Struct, frozen=True):
    """How much effort the model puts into the answer, and the answer's format."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


class ContextEdit(msgspec.Struct, frozen=True):
    """What the server may leave out of a long conversation."""

    type: str


class ContextManagement(msgspec.Struct, frozen=True):
    """What to do with a conversation that grows too long. ORBIT leaves out the oldest turns by itself."""

    edits: list[ContextEdit] = []


class CountRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The parameters that make up a prompt."""

    model: str
    messages: Annotated[list[InputMessage], Meta(min_length=1)]
    system: str | list[MessageBlock] | None = None
    tools: list[MessageTool] | None = None
    tool_choice: MessageToolChoice | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    context_management: ContextManagement | None = None


class MessageRequest(CountRequest, frozen=True, kw_only=True):
    """The parameters that ORBIT supports."""

    max_tokens: Annotated[int, Meta(ge=1)]
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    stop_sequences: list[str] | None = None
    filter: dict[str, Any] | None = None
    thread: dict[str, Any] | None = None


_BESIDE: Final = frozenset(
    {
        *("metadata", "service_tier", "cache_control", "inference_geo", "speed", "diagnostics"),
        *("user_profile_id", "workspace_id", "billing_policy", "betas", "fallbacks", "fallback_credit_token"),
    }
)
"""They do not change the answer: they say whose request it is, or how to count, cache or serve it."""
_COUNT_NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {"container": (), "mcp_servers": ([],), "thread": ()}
"""They would change the prompt, so they are refused unless null or neutral. Name -> neutral values."""
_NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    **NEUTRAL,
    **_COUNT_NEUTRAL,
    "compaction": (),
    "frequency_penalty": (0,),
    "logprobs": (False,),
    "min_p": (0,),
    "presence_penalty": (0,),
    "repeat_penalty": (1,),
    "repetition_penalty": (1,),
    "seed": (),
    "stop": ("", []),
}
"""The same for what would change the answer: mostly options of servers of OpenAI's API."""
_NAMES: Final[SentNames] = {
    "json_schema": ("output_config.format", "output_format"),
    "reasoning_effort": ("output_config.effort", "thinking"),
    "stop": ("stop_sequences",),
    "tools": ("tools", "messages"),
}
_EXPECTED: Final = (
    'Expected {"model": "...", "max_tokens": 1024, "messages": [{"role": "user", "content": "..."}], ...}.'
)
_NO_THREADS: Final = "thread_unsupported_request"
"""Anthropic's code, upon which its packages send all messages instead."""
_LOW_BUDGET, _MEDIUM_BUDGET = 4096, 16384
"""Tokens for thinking, up to which the effort is low or medium."""

R = TypeVar("R", bound=CountRequest)


class MessageQuestion(ConversationQuestion[R], frozen=True):
    """A checked request and its conversation."""

    @property
    def stream(self) -> bool:
        """Whether the client wants a stream."""
        return isinstance(self.request, MessageRequest) and bool(self.request.stream)

    def turn(self, identity: Identity, context: CallContext) -> Turn:
        """Return the turn that the request asks for."""
        thinking = self.request.thinking
        shown = thinking is not None and thinking.shown
        turn = self.conversation.turn(identity, context, self._options(), self.request.model, thoughts=shown)
        return msgspec.structs.replace(turn, details=True, filter=self.filter)

    def sent_as(self, option: str) -> str:
        """Return the field in which the client sent an option."""
        return sent_as(self.request, option, _NAMES)

    def wire(self, request_id: str) -> MessageWire:
        """Return the wire that writes the answer."""
        thinking = self.request.thinking
        omitted = thinking is not None and thinking.display == "omitted"
        return MessageWire(request_id, self.request.model, omits_thoughts=omitted, ignored=self.ignored)

    def _options(self) -> GenerateOptions:
        request, choice = self.request, self.request.tool_choice
        config = request.output_config or OutputConfig()
        form = config.format or request.output_format
        serial = self.tools and choice is not None and choice.disable_parallel_tool_use is not None
        options = GenerateOptions(
            json_schema=None if form is None else form.schema,
            response_format=None if form is None else _response_format(form),
            stream=self.stream,
            strict=True,
            tools=self.tools,
            tool_choice=self.tool_choice,
            parallel_tool_calls=not choice.disable_parallel_tool_use if serial and choice is not None else None,
            reasoning_effort=_effort(request.thinking, config.effort),
            extra=self.extra,
        )
        if not isinstance(request, MessageRequest):
            return options
        return msgspec.structs.replace(
            options,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            top_k=request.top_k,
            stop=tuple([text for text in request.stop_sequences or () if text]),
        )


class MessageProtocol(Generic[R]):
    """``x-api-key`` or ``Authorization: Bearer``, and the requests of Anthropic's API."""

    def __init__(self, kind: type[R], limits: Limits, general: General) -> None:
        """``kind`` is the form of the request."""
        self._decoder = msgspec.json.Decoder(kind)
        self._neutral = _NEUTRAL if kind is MessageRequest else _COUNT_NEUTRAL
        self._known = frozenset(field.encode_name for field in msgspec.structs.fields(kind))
        self._passed = frozenset(general.pass_parameters)
        self._fetches = bool(general.image_hosts)
        self._limits = limits
        self.max_body = limits.max_body_bytes + limits.max_attached_bytes

    def secret(self, scope: Scope) -> str | None:
        """Return the API key of a request."""
        return bearer(scope)

    def question(self, body: bytes) -> MessageQuestion[R]:
        """Decode and check a body. Raises RequestError with what is wrong."""
        request = decode(body, self._decoder, _EXPECTED)
        ignored, extra = check_parameters(body, self._known, self._passed, beside=_BESIDE, neutral=self._neutral)
        _check_edits(request.context_management)
        if isinstance(request, MessageRequest) and request.thread is not None:
            detail = "This server keeps no threads; send all messages, without 'thread'."
            raise ParameterError("thread", detail, code=_NO_THREADS)
        tools, choice = tools_of(request.tools, request.tool_choice)
        conversation = conversation_of(request.system, request.messages, fetches=self._fetches)
        check_length(conversation.question.content, self._limits.max_message_chars)
        check_size(len(body), conversation.attached, self._limits)
        wanted = filter_of(request.filter) if isinstance(request, MessageRequest) else None
        return MessageQuestion(request, conversation, tools, choice, ignored, extra, wanted)


def _check_edits(management: ContextManagement | None) -> None:
    """Raise ParameterError unless all edits only leave something out."""
    for number, edit in enumerate(management.edits if management else ()):
        if not edit.type.startswith("clear_"):
            detail = f"Edits of the type '{edit.type[:50]}' are not supported; only those that clear something are."
            raise ParameterError(f"context_management.edits.{number}.type", detail)


def _effort(thinking: ThinkingConfig | None, effort: str | None) -> str | None:
    """Return the effort that a request asks for. A budget of tokens means an effort, too."""
    if thinking is not None and not thinking.shown:
        return "none"
    if effort is not None:
        return "xhigh" if effort == "max" else effort
    if thinking is None or thinking.budget_tokens is None:
        return None
    if thinking.budget_tokens <= _LOW_BUDGET:
        return "low"
    return "medium" if thinking.budget_tokens <= _MEDIUM_BUDGET else "high"


def _response_format(form: OutputFormat) -> dict[str, Any]:
    strict = form.schema.get("additionalProperties") is False
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": form.schema, "strict": strict}}
