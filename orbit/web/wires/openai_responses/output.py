"""The response as clients read it: its fields and its output items."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from orbit.chat.outcome import Ending, ToolStep
from orbit.chat.tools.calls import is_object
from orbit.types import MetadataValue, Source, Thought, ToolCall, WrittenToken
from orbit.web.wires.extra import AnswerExtra, is_web, named, numbered

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_ERROR_CODES = {"rate_limit_exceeded", "server_error", "invalid_prompt"}


class UrlAnnotation(msgspec.Struct, frozen=True, tag_field="type", tag="url_citation"):
    """A source that people can open. It belongs to the whole answer, so both indices span it."""

    url: str
    title: str
    start_index: int
    end_index: int


class FileAnnotation(msgspec.Struct, frozen=True, tag_field="type", tag="file_citation"):
    """A source without an address. ``index`` is the end of the answer."""

    file_id: str
    filename: str
    index: int


class OutputText(msgspec.Struct, frozen=True, tag_field="type", tag="output_text"):
    """The text of an answer."""

    text: str
    annotations: tuple[UrlAnnotation | FileAnnotation, ...] = ()
    logprobs: tuple[WrittenToken, ...] = ()


class OutputMessage(msgspec.Struct, frozen=True, tag_field="type", tag="message"):
    """The answer."""

    id: str
    content: tuple[OutputText, ...]
    status: str = "completed"
    role: str = "assistant"


class ReasoningText(msgspec.Struct, frozen=True, tag_field="type", tag="reasoning_text"):
    """The model's thoughts as it wrote them."""

    text: str


class SummaryText(msgspec.Struct, frozen=True, tag_field="type", tag="summary_text"):
    """The same, for clients that ask for a summary of the thoughts."""

    text: str


class OutputReasoning(msgspec.Struct, frozen=True, tag_field="type", tag="reasoning"):
    """The model's thoughts. ``encrypted_content`` is their signature, for providers that want it back."""

    id: str
    summary: tuple[SummaryText, ...] = ()
    content: tuple[ReasoningText, ...] = ()
    encrypted_content: str | None = None
    status: str = "completed"


class FoundPassage(msgspec.Struct, frozen=True):
    """A passage that the model read."""

    file_id: str
    filename: str
    score: float | None
    text: str
    attributes: dict[str, MetadataValue]


class OutputSearch(msgspec.Struct, frozen=True, tag_field="type", tag="file_search_call"):
    """The search for passages before the answer."""

    id: str
    queries: tuple[str, ...]
    results: tuple[FoundPassage, ...] | None
    status: str = "completed"


class OutputCall(msgspec.Struct, frozen=True, tag_field="type", tag="function_call"):
    """A call of a function."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: str = "completed"


class OutputToolUse(msgspec.Struct, frozen=True, tag_field="type", tag="mcp_call"):
    """A call of a tool that the server makes. ``output`` is what the tool returned, or why it failed."""

    id: str
    name: str
    arguments: str
    output: str | None = None
    error: None = None
    status: str = "in_progress"
    server_label: str = "orbit"


OutputItem: TypeAlias = OutputMessage | OutputReasoning | OutputSearch | OutputCall | OutputToolUse


class InputTokenDetails(msgspec.Struct, frozen=True):
    """Tokens that came from a cache."""

    cached_tokens: int
    cache_write_tokens: int = 0


class OutputTokenDetails(msgspec.Struct, frozen=True):
    """Tokens of thoughts."""

    reasoning_tokens: int


class ResponseUsage(msgspec.Struct, frozen=True):
    """Tokens read and written; 0 if the provider does not count."""

    input_tokens: int
    input_tokens_details: InputTokenDetails
    output_tokens: int
    output_tokens_details: OutputTokenDetails
    total_tokens: int


class IncompleteDetails(msgspec.Struct, frozen=True):
    """Why the answer is not whole."""

    reason: str


class ResponseFailure(msgspec.Struct, frozen=True):
    """Why there is no answer."""

    code: str
    message: str


class ResponseBody(msgspec.Struct, frozen=True, kw_only=True):
    """A response. Most fields repeat the request."""

    id: str
    object: str = "response"
    created_at: int
    completed_at: int | None = None
    status: Literal["in_progress", "completed", "incomplete", "failed"] = "in_progress"
    background: bool = False
    error: ResponseFailure | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    model: str
    output: tuple[OutputItem, ...] = ()
    parallel_tool_calls: bool
    previous_response_id: str | None
    reasoning: dict[str, Any]
    store: bool
    temperature: float | None
    text: dict[str, Any]
    tool_choice: Any
    tools: tuple[dict[str, Any], ...]
    top_logprobs: int
    top_p: float | None
    truncation: str
    usage: ResponseUsage | None = None
    user: str | None
    orbit: AnswerExtra | msgspec.UnsetType = msgspec.UNSET


class DeletedResponse(msgspec.Struct, frozen=True):
    """A response that was deleted."""

    id: str
    object: str = "response"
    deleted: bool = True


def usage_of(ending: Ending) -> ResponseUsage:
    """Return the tokens of an answer."""
    read, written = ending.usage.prompt_tokens, ending.usage.completion_tokens
    cached, thought = ending.usage.cached_tokens, ending.usage.reasoning_tokens
    return ResponseUsage(read, InputTokenDetails(cached), written, OutputTokenDetails(thought), read + written)


def incomplete_of(ending: Ending) -> IncompleteDetails | None:
    """Return why an answer is not whole, or None."""
    reason = _INCOMPLETE.get(ending.finish_reason)
    return IncompleteDetails(reason) if reason else None


def search_of(item_id: str, question: str, sources: tuple[Source, ...]) -> OutputSearch:
    """Return the item of a search."""
    return OutputSearch(item_id, (question,), tuple(map(_passage, sources)))


def reasoning_of(item_id: str, thought: Thought, *, summary: bool) -> OutputReasoning:
    """Return the item of thoughts. The client may want them as a summary."""
    text, signature = thought.text, thought.signature or None
    if summary:
        return OutputReasoning(item_id, (SummaryText(text),) if text else (), encrypted_content=signature)
    return OutputReasoning(item_id, content=(ReasoningText(text),) if text else (), encrypted_content=signature)


def call_of(item_id: str, call: ToolCall) -> OutputCall:
    """Return the item of a call."""
    return OutputCall(item_id, call.id, call.name, call.arguments)


def tool_use_of(item_id: str, step: ToolStep) -> OutputToolUse:
    """Return the item of a tool that the server calls, or has called."""
    given = step.arguments or ""
    arguments = given if is_object(given) else "{}"  # clients decode it
    if step.status == "running":
        return OutputToolUse(item_id, step.name, arguments)
    status = "completed" if step.status == "ok" else "failed"
    return OutputToolUse(item_id, step.name, arguments, step.result or "", status=status)


def annotations_of(
    sources: tuple[Source, ...], chars: int, *, every: bool = False
) -> tuple[UrlAnnotation | FileAnnotation, ...]:
    """Return the sources of an answer of so many characters, each file or address once; or every one, in order."""
    if every:
        return tuple([UrlAnnotation(link, title, 0, chars) for link, title in numbered(sources)])
    found: dict[str, UrlAnnotation | FileAnnotation] = {}
    for source in sources:
        name = source.link if is_web(source.link) else source.source or source.id
        if name not in found:
            found[name] = UrlAnnotation(name, named(source), 0, chars) if is_web(name) else _file(source, chars)
    return tuple(found.values())


def failure_code(code: str, status: int) -> str:
    """Return the code of OpenAI's API that is nearest to an error's own."""
    if code in _ERROR_CODES:
        return code
    return "server_error" if status >= 500 else "invalid_prompt"  # noqa: PLR2004  # HTTP's border


def _file(source: Source, chars: int) -> FileAnnotation:
    return FileAnnotation(source.id, source.source or source.title, chars)


def _passage(source: Source) -> FoundPassage:
    facts = {"title": source.title, "link": source.link, "heading": source.heading, **source.location}
    attributes = {"number": source.number, **{key: value for key, value in facts.items() if value != ""}}
    return FoundPassage(source.id, source.source, source.score, source.text, attributes)
