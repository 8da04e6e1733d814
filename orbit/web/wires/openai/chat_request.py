"""``POST /v1/chat/completions``: translates OpenAI's request into a turn."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar.types import Scope
from msgspec import Meta

from orbit.auth.keys import Identity
from orbit.chat.turn import Turn
from orbit.config.model import General, Limits
from orbit.types import CallContext, GenerateOptions
from orbit.web.http.body import check_length, decode
from orbit.web.http.request import bearer
from orbit.web.wires.checks import ParameterError, check_size, filter_of
from orbit.web.wires.openai.chat_wire import CompletionWire
from orbit.web.wires.openai.conversation import ChatMessage, conversation_of
from orbit.web.wires.openai.response_format import ResponseFormat, format_of, schema_of
from orbit.web.wires.openai.stream_options import StreamedRequest
from orbit.web.wires.openai.tools import ChosenTools, CompletionTool, tools_of
from orbit.web.wires.parameters import check_parameters
from orbit.web.wires.question import ConversationQuestion
from orbit.web.wires.sent_names import SentNames, sent_as


class Reasoning(msgspec.Struct, frozen=True):
    """How much the model thinks, as OpenRouter's clients say it."""

    effort: str | None = None
    enabled: bool | None = None
    exclude: bool | None = None


class Thinking(msgspec.Struct, frozen=True):
    """Whether the model thinks, as DeepSeek's and Z.AI's clients say it."""

    type: Literal["enabled", "disabled", "auto"]


class CompletionRequest(StreamedRequest, frozen=True, kw_only=True):
    """The parameters that ORBIT supports; the module ``parameters`` handles all others."""

    model: str
    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    response_format: ResponseFormat | None = None
    tools: list[CompletionTool] | None = None
    tool_choice: str | ChosenTools | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    reasoning: Reasoning | None = None
    thinking: Thinking | None = None
    include_reasoning: bool | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    filter: dict[str, Any] | None = None


class _Known(CompletionRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body without other parameters, as most are."""


_decoder = msgspec.json.Decoder(CompletionRequest)
_strict_decoder = msgspec.json.Decoder(_Known)
_STREAMED, _WHOLE = GenerateOptions(stream=True, strict=True), GenerateOptions(stream=False, strict=True)
"""The options of requests without any, as many are."""
_KNOWN = frozenset(field.encode_name for field in msgspec.structs.fields(CompletionRequest))
_NAMES: SentNames = {
    "json_schema": ("response_format",),
    "max_tokens": ("max_completion_tokens", "max_tokens"),
    "reasoning_effort": ("reasoning_effort", "reasoning.effort", "thinking"),
    "repeat_penalty": ("repetition_penalty", "repeat_penalty"),
    "tools": ("tools", "messages"),
}
_EXPECTED = 'Expected {"model": "...", "messages": [{"role": "user", "content": "..."}], ...}.'


class CompletionQuestion(ConversationQuestion[CompletionRequest], frozen=True):
    """A checked request and its conversation."""

    @property
    def stream(self) -> bool:
        """Whether the client wants a stream."""
        return bool(self.request.stream)

    def turn(self, identity: Identity, context: CallContext) -> Turn:
        """Return the turn that the request asks for."""
        request, reasoning = self.request, self.request.reasoning
        thoughts = request.include_reasoning is not False and not (reasoning and reasoning.exclude)
        turn = self.conversation.turn(identity, context, self._options(), request.model, thoughts=thoughts)
        return turn if self.filter is None else msgspec.structs.replace(turn, filter=self.filter)

    def sent_as(self, option: str) -> str:
        """Return the field in which the client sent an option."""
        return sent_as(self.request, option, _NAMES)

    def wire(self, request_id: str) -> CompletionWire:
        """Return the wire that writes the answer."""
        request = self.request
        return CompletionWire(request_id, request.model, include_usage=request.include_usage, ignored=self.ignored)

    def _options(self) -> GenerateOptions:
        request = self.request
        if request == _Known(model=request.model, messages=request.messages, stream=request.stream):
            return _STREAMED if request.stream else _WHOLE
        return GenerateOptions(
            **request.options(),
            max_tokens=request.max_completion_tokens or request.max_tokens,
            json_schema=schema_of(request.response_format),
            tools=self.tools,
            tool_choice=self.tool_choice,
            parallel_tool_calls=request.parallel_tool_calls if self.tools else None,
            reasoning_effort=_effort(request),
            logprobs=(request.top_logprobs or 0) if request.logprobs else None,
            response_format=format_of(request.response_format),
            extra=self.extra,
        )


class CompletionProtocol:
    """``Authorization: Bearer`` and OpenAI's request."""

    def __init__(self, limits: Limits, general: General) -> None:
        self._passed = frozenset(general.pass_parameters)
        self._fetches = bool(general.image_hosts)
        self._limits = limits
        self.max_body = limits.max_body_bytes + limits.max_attached_bytes

    def secret(self, scope: Scope) -> str | None:
        """Return the API key of a request. ORBIT's own header works too."""
        return bearer(scope)

    def question(self, body: bytes) -> CompletionQuestion:
        """Decode and check a body. Raises RequestError with what is wrong."""
        request: CompletionRequest
        ignored: tuple[str, ...] = ()
        extra: dict[str, Any] = {}
        try:
            request = _strict_decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            request = decode(body, _decoder, _EXPECTED)
            ignored, extra = check_parameters(body, _KNOWN, self._passed)
        request.check_stream()
        if request.top_logprobs and not request.logprobs:
            raise ParameterError("top_logprobs", "'top_logprobs' is only allowed when 'logprobs' is true.")
        tools, choice = tools_of(request.tools, request.tool_choice)
        conversation = conversation_of(request.messages, fetches=self._fetches)
        check_length(conversation.question.content, self._limits.max_message_chars)
        check_size(len(body), conversation.attached, self._limits)
        return CompletionQuestion(request, conversation, tools, choice, ignored, extra, filter_of(request.filter))


def _effort(request: CompletionRequest) -> str | None:
    reasoning, thinking = request.reasoning or Reasoning(), request.thinking
    off = reasoning.enabled is False or (thinking is not None and thinking.type == "disabled")
    return "none" if off else request.reasoning_effort or reasoning.effort
