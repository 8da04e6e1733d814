"""``POST /v1/responses``: translates OpenAI's request into a turn."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from litestar.types import Scope
from msgspec import Meta

from orbit.auth.keys import Identity
from orbit.chat.history.responses import PREFIX, Responses, UnknownResponse
from orbit.chat.turn import Keeping, Turn
from orbit.config.model import General, Limits
from orbit.types import CallContext, Filter, GenerateOptions, Message, Tool, ToolChoice
from orbit.web.http.body import check_length, decode
from orbit.web.http.request import bearer
from orbit.web.wires.checks import ParameterError, check_size, filter_of
from orbit.web.wires.conversation import Conversation
from orbit.web.wires.openai.response_format import ResponseFormat, format_of, schema_of
from orbit.web.wires.openai.sampling import SamplingRequest
from orbit.web.wires.openai_responses.items import Item, Items, conversation_of, responses_of, unknown_item
from orbit.web.wires.openai_responses.output import ResponseBody
from orbit.web.wires.openai_responses.tools import ResponseTool, ResponseToolChoice, check_stores, search_of, tools_of
from orbit.web.wires.openai_responses.wire import ResponseWire
from orbit.web.wires.parameters import check_parameters
from orbit.web.wires.sent_names import SentNames, sent_as


class TextFormat(msgspec.Struct, frozen=True):
    """The format of the answer."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class TextConfig(msgspec.Struct, frozen=True):
    """The answer's text."""

    format: TextFormat | None = None
    verbosity: str | None = None


class ReasoningConfig(msgspec.Struct, frozen=True):
    """How much the model thinks, and whether the client reads its thoughts as a summary."""

    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class ResponseRequest(SamplingRequest, frozen=True, kw_only=True):
    """The parameters that ORBIT supports; the module ``parameters`` handles all others."""

    model: str
    input: str | Items
    instructions: str | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    text: TextConfig | None = None
    reasoning: ReasoningConfig | None = None
    tools: list[ResponseTool] | None = None
    tool_choice: str | ResponseToolChoice | None = None
    parallel_tool_calls: bool | None = None
    include: list[str] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    truncation: str | None = None
    user: str | None = None
    filter: dict[str, Any] | None = None


class InputTokensRequest(ResponseRequest, frozen=True, kw_only=True):
    """What makes up a prompt. ``model`` may be absent."""

    model: str = ""


_KNOWN = frozenset(field.encode_name for field in msgspec.structs.fields(ResponseRequest))
_NAMES: SentNames = {
    "messages": ("input",),
    "json_schema": ("text.format",),
    "logprobs": ("top_logprobs", "include"),
    "max_tokens": ("max_output_tokens",),
    "reasoning_effort": ("reasoning.effort",),
    "repeat_penalty": ("repetition_penalty", "repeat_penalty"),
    "tools": ("tools", "input"),
}
_EXPECTED = 'Expected {"model": "...", "input": "..." or [{"role": "user", "content": "..."}], ...}.'
_LOGPROBS = "message.output_text.logprobs"


class _Earlier(msgspec.Struct, frozen=True):
    """What a request goes on with: the conversation's first response, its messages, and items that the input names."""

    first: str = ""
    messages: tuple[Message, ...] = ()
    items: dict[str, Item] = {}


class ResponseQuestion(msgspec.Struct, frozen=True):
    """A checked request. It has a conversation once all that it names by id or address has been looked up."""

    id: str
    request: ResponseRequest
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice | None
    ignored: tuple[str, ...]
    extra: dict[str, Any]
    size: int
    protocol: ResponsesProtocol
    conversation: Conversation | None = None
    first: str = ""
    created: int = 0
    filter: Filter | None = None

    others: ClassVar[tuple[str, ...]] = ()

    @property
    def is_complete(self) -> bool:
        """Whether nothing has to be looked up or fetched for it."""
        return self.conversation is not None and not self.conversation.remote

    async def completed(self, hosts: Sequence[str], limit: int, key_id: str) -> ResponseQuestion:
        """Return the question with the responses and images that it names. Raises RequestError or UnknownResponse."""
        question = self
        if question.conversation is None:
            question = question.going_on(await self._earlier(key_id))
        assert question.conversation is not None
        if question.conversation.remote:
            fetched = await question.conversation.fetched(hosts, limit)
            question = msgspec.structs.replace(question, conversation=fetched)
        return question

    def going_on(self, earlier: _Earlier) -> ResponseQuestion:
        """Return the question with its conversation. Raises RequestError."""
        conversation = conversation_of(
            self.request.input, earlier=earlier.messages, stored=earlier.items, fetches=self.protocol.fetches
        )
        check_length(conversation.question.content, self.protocol.limits.max_message_chars)
        check_size(self.size, conversation.attached, self.protocol.limits)
        return msgspec.structs.replace(self, conversation=conversation, first=earlier.first or self.id)

    @property
    def stream(self) -> bool:
        """Whether the client wants a stream."""
        return bool(self.request.stream)

    def turn(self, identity: Identity, context: CallContext) -> Turn:
        """Return the turn that the request asks for."""
        conversation, request = self.conversation, self.request
        assert conversation is not None
        if (search := search_of(request.tools)) is not None:
            check_stores(search, context.collection)
        keeping = None
        if self._stored:
            previous = request.previous_response_id or ""
            body = self.wire(context.request_id).whole
            keeping = Keeping(self.id, previous, self.first, conversation.fresh, body)
            context = msgspec.structs.replace(context, session_id=self.first)
        system = "\n\n".join(filter(None, (request.instructions, conversation.system)))
        turn = msgspec.structs.replace(conversation, system=system).turn(
            identity, context, self._options(), request.model, thoughts=True
        )
        return msgspec.structs.replace(turn, found=self.stream, keeping=keeping, details=True, filter=self.filter)

    def sent_as(self, option: str) -> str:
        """Return the field in which the client sent an option."""
        return sent_as(self.request, option, _NAMES)

    def wire(self, request_id: str) -> ResponseWire:
        """Return the wire that writes the answer."""
        assert self.conversation is not None
        question = self.conversation.question.content
        return ResponseWire(request_id, self._body(), question, self.ignored, summary=self._summary)

    @property
    def _stored(self) -> bool:
        return self.request.store is not False and self.protocol.responses.enabled

    @property
    def _summary(self) -> bool:
        reasoning = self.request.reasoning
        return bool(reasoning and (reasoning.summary or reasoning.generate_summary))

    async def _earlier(self, key_id: str) -> _Earlier:
        """Look up the responses that the request names."""
        request, responses = self.request, self.protocol.responses
        first = ""
        messages: tuple[Message, ...] = ()
        if request.previous_response_id:
            try:
                last, messages = await responses.history(key_id, request.previous_response_id)
            except UnknownResponse as error:
                where, code = "previous_response_id", "previous_response_not_found"
                raise ParameterError(where, error.client, code, status=404) from error
            first = last.first
        items: dict[str, Item] = {}
        named = {} if isinstance(request.input, str) else responses_of(request.input)
        for name, where in named.items():
            try:
                stored = await responses.get(key_id, name)
            except UnknownResponse as error:
                raise unknown_item(name, where) from error
            items |= {item["id"]: item for item in msgspec.json.decode(stored.body)["output"]}
        return _Earlier(first, messages, items)

    def _options(self) -> GenerateOptions:
        request = self.request
        form = _format(request.text.format) if request.text and request.text.format else None
        logprobs = request.top_logprobs or (0 if _LOGPROBS in (request.include or ()) else None)
        return GenerateOptions(
            **request.options(),
            max_tokens=request.max_output_tokens,
            json_schema=schema_of(form),
            tools=self.tools,
            tool_choice=self.tool_choice,
            parallel_tool_calls=request.parallel_tool_calls if self.tools else None,
            reasoning_effort=request.reasoning.effort if request.reasoning else None,
            logprobs=logprobs,
            response_format=format_of(form),
            extra=self.extra,
        )

    def _body(self) -> ResponseBody:
        """Return the response as it is before its answer."""
        request = self.request
        reasoning = request.reasoning or ReasoningConfig()
        text = msgspec.to_builtins(request.text) if request.text else {}
        text["format"] = _plain(text.get("format") or {"type": "text"})
        return ResponseBody(
            id=self.id,
            created_at=self.created,
            instructions=request.instructions,
            max_output_tokens=request.max_output_tokens,
            metadata=request.metadata or {},
            model=request.model,
            parallel_tool_calls=request.parallel_tool_calls is not False,
            previous_response_id=request.previous_response_id,
            reasoning={"effort": reasoning.effort, "summary": reasoning.summary or reasoning.generate_summary},
            store=self._stored,
            temperature=request.temperature,
            text=_plain(text),
            tool_choice="auto" if request.tool_choice is None else request.tool_choice,
            tools=tuple([_echo(tool) for tool in request.tools or ()]),
            top_logprobs=request.top_logprobs or 0,
            top_p=request.top_p,
            truncation=request.truncation or "disabled",
            user=request.user,
        )


class ResponsesProtocol:
    """``Authorization: Bearer`` and OpenAI's request for a response."""

    def __init__(
        self, limits: Limits, general: General, responses: Responses, kind: type[ResponseRequest] = ResponseRequest
    ) -> None:
        """``kind`` is the form of the request."""
        self._decoder = msgspec.json.Decoder(kind)
        self.limits = limits
        self.responses = responses
        self.fetches = bool(general.image_hosts)
        self.max_body = limits.max_body_bytes + limits.max_attached_bytes
        self._passed = frozenset(general.pass_parameters)

    def secret(self, scope: Scope) -> str | None:
        """Return the API key of a request. ORBIT's own header works too."""
        return bearer(scope)

    def question(self, body: bytes) -> ResponseQuestion:
        """Decode and check a body. Raises RequestError with what is wrong."""
        request = decode(body, self._decoder, _EXPECTED)
        ignored, extra = check_parameters(body, _KNOWN, self._passed)
        if request.text is not None and request.text.verbosity not in (None, "medium"):
            raise ParameterError("text.verbosity", "'text.verbosity' is not supported.", code="unsupported_value")
        tools, choice = tools_of(request.tools, request.tool_choice)
        name = PREFIX + secrets.token_hex(24)
        created = int(time.time())
        wanted = filter_of(*_filter(request))
        question = ResponseQuestion(
            name, request, tools, choice, ignored, extra, len(body), self, created=created, filter=wanted
        )
        refers = not isinstance(request.input, str) and responses_of(request.input)
        return question if request.previous_response_id or refers else question.going_on(_Earlier())


def _filter(request: ResponseRequest) -> tuple[dict[str, Any] | None, str]:
    """Return the condition on passages, and where the request has it. Raises ParameterError."""
    search = search_of(request.tools)
    if search is None or search[1].filters is None:
        return request.filter, "filter"
    if request.filter is not None:
        raise ParameterError("filter", "Send either 'filter' or the 'filters' of the tool 'file_search'.")
    return search[1].filters, f"{search[0]}.filters"


def _format(form: TextFormat) -> ResponseFormat:
    """Return the format in the form of chat completions."""
    named = {**msgspec.structs.asdict(form), "type": None} if form.type == "json_schema" else {}
    return ResponseFormat(form.type, _plain(named) or None, form.schema)


def _echo(tool: ResponseTool) -> dict[str, Any]:
    """Return a tool as the answer repeats it."""
    fields = msgspec.structs.asdict(tool)
    if tool.searches:
        return {name: value for name, value in fields.items() if value}
    names = ("type", "name", "description", "parameters")
    return {**{name: fields[name] for name in names}, "strict": bool(tool.strict)}


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that are set."""
    return {name: value for name, value in fields.items() if value is not None}
