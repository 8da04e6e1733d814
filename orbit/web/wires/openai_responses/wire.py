"""Translates answers into ``response`` objects and the events of their streams."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from orbit.chat.answer.parts import AnswerPart
from orbit.chat.outcome import Ending, ScoredText, ToolStep
from orbit.types import Source, Thought, WrittenToken
from orbit.web.wires.extra import extra_of
from orbit.web.wires.openai_responses.errors import error_body
from orbit.web.wires.openai_responses.output import (
    OutputCall,
    OutputItem,
    OutputMessage,
    OutputReasoning,
    OutputSearch,
    OutputText,
    ReasoningText,
    ResponseBody,
    ResponseFailure,
    SummaryText,
    annotations_of,
    call_of,
    failure_code,
    incomplete_of,
    reasoning_of,
    search_of,
    tool_use_of,
    usage_of,
)
from orbit.web.wires.sending import Wire

_encode = msgspec.json.Encoder().encode
_DELTA = "response.output_text.delta"
RESPONSE_STREAM = (
    "Server-sent events; each `data:` has a `sequence_number`, as in OpenAI's API: `response.created`, the events of "
    "each output item, and last `response.completed`, `response.incomplete`, or `error` and `response.failed`."
)


class ResponseWire(Wire):
    """Writes one response. The extra field ``orbit`` holds sources and ORBIT's metadata."""

    def __init__(
        self, request_id: str, body: ResponseBody, question: str, ignored: tuple[str, ...], *, summary: bool
    ) -> None:
        """``body`` is the response before its answer. ``summary``: thoughts come as a summary.

        ``ignored`` are the unknown parameters of the request.
        """
        self._request_id = request_id
        self._body = body
        self._token = body.id.partition("_")[2]
        self._question = question
        self._ignored = ignored
        self._summary = summary
        self._number = 0
        self._items: list[OutputItem] = []
        self._called: dict[str, int] = {}
        """The places of the tools that the server calls."""
        self._sources: tuple[Source, ...] = ()
        self._text: list[str] = []
        self._scored: list[WrittenToken] = []
        self._thoughts: list[Thought] = []
        self._before = b""
        """The JSON before each piece of text; empty while no message is open."""

    def whole(self, parts: Sequence[AnswerPart], ending: Ending) -> bytes:
        """Return the body of a response that is not streamed. It has the items and ids that its stream would have."""
        if ending.sources:
            self.found(ending.sources)
        for part in parts:
            if isinstance(part, str):
                self.piece(part)
            elif isinstance(part, Thought):
                self.thought(part)
            else:
                self.step(part)
        self._scored = list(ending.logprobs)
        self.end(ending)
        return _encode(self._ended(ending))

    def found(self, sources: tuple[Source, ...]) -> bytes:
        """Return the events of the search for passages."""
        frames = self._opening()
        self._sources = sources
        item = search_of(self._id("fs", len(self._items)), self._question, sources)
        frames += self._added(OutputSearch(item.id, item.queries, None, "in_progress"))
        place = self._place(item.id)
        for step in ("in_progress", "searching", "completed"):
            frames += self._event(f"response.file_search_call.{step}", place)
        return frames + self._done(item)

    def thought(self, thought: Thought) -> bytes:
        """Return the events of new thoughts."""
        frames = self._opening() + self._close_message()
        name = self._id("rs", len(self._items))
        if not self._thoughts:
            frames += self._added(OutputReasoning(name, status="in_progress"))
        if thought.text:
            kind, part, place = self._reasoning_part("", name)
            if not any(earlier.text for earlier in self._thoughts):
                frames += self._event(f"response.{part}.added", place, part=kind)
            frames += self._event(f"response.{self._reasoning_text}.delta", place, delta=thought.text)
        self._thoughts.append(thought)
        return frames + self._close_reasoning() if thought.signature else frames

    def step(self, step: ToolStep) -> bytes:
        """Return the events of a tool that the server calls, or has called."""
        frames = self._opening() + self._close_reasoning() + self._close_message()
        at = self._called.setdefault(step.id, len(self._items))
        item = tool_use_of(self._id("mcp", at), step)
        place = {"item_id": item.id, "output_index": at}
        if step.status == "running":
            frames += self._added(item)
            self._items.append(item)
            frames += self._event("response.mcp_call.in_progress", place)
            frames += self._event("response.mcp_call_arguments.delta", place, delta=item.arguments)
            return frames + self._event("response.mcp_call_arguments.done", place, arguments=item.arguments)
        self._items[at] = item
        frames += self._event(f"response.mcp_call.{item.status}", place)
        return frames + self._event("response.output_item.done", output_index=at, item=item)

    def piece(self, text: str) -> bytes:
        """Return the event of new text, after those that begin its message."""
        frames = b"" if self._before else self._begin_message()
        self._text.append(text)
        if isinstance(text, ScoredText):
            self._scored += text.logprobs
            place = self._place(self._id("msg", len(self._items)), content_index=0)
            return frames + self._event(_DELTA, place, delta=str(text), logprobs=text.logprobs)
        number = b"%d" % self._number
        self._number += 1
        return frames + self._before + _encode(text) + b',"logprobs":[],"sequence_number":' + number + b"}\n\n"

    def end(self, ending: Ending) -> bytes:
        """Return the last events: the rest of each item, the calls, and the whole response."""
        frames = self._opening() + self._close_reasoning()
        said = any(isinstance(item, OutputMessage) for item in self._items)
        if not (self._before or said or ending.tool_calls):
            frames += self._begin_message()
        status = "incomplete" if incomplete_of(ending) else "completed"
        frames += self._close_message(ending.sources, status)
        for call in ending.tool_calls:
            item = call_of(self._id("fc", len(self._items)), call)
            frames += self._added(OutputCall(item.id, item.call_id, item.name, "", "in_progress"))
            place = self._place(item.id)
            frames += self._event("response.function_call_arguments.delta", place, delta=item.arguments)
            frames += self._event(
                "response.function_call_arguments.done", place, name=item.name, arguments=item.arguments
            )
            frames += self._done(item)
        body = self._ended(ending)
        return frames + self._event(f"response.{body.status}", response=body)

    def failure(self, error: BaseException) -> bytes:
        """Return the error that ends a stream, and the failed response."""
        frames = self._opening()
        status, told = error_body(error, self._request_id)
        detail = told.error
        frames += self._event("error", code=detail.code, message=detail.message, param=detail.param)
        failed = ResponseFailure(failure_code(detail.code, status), detail.message)
        body = msgspec.structs.replace(
            self._body, status="failed", error=failed, output=tuple(self._items), store=False
        )
        return frames + self._event("response.failed", response=body)

    @property
    def _reasoning_text(self) -> str:
        return "reasoning_summary_text" if self._summary else "reasoning_text"

    def _reasoning_part(self, text: str, item_id: str) -> tuple[SummaryText | ReasoningText, str, dict[str, Any]]:
        """Return a part of thoughts, the name of its events, and its place."""
        if self._summary:
            return SummaryText(text), "reasoning_summary_part", self._place(item_id, summary_index=0)
        return ReasoningText(text), "content_part", self._place(item_id, content_index=0)

    def _begin_message(self) -> bytes:
        frames = self._opening() + self._close_reasoning()
        name = self._id("msg", len(self._items))
        place = self._place(name, content_index=0)
        frames += self._added(OutputMessage(name, (), "in_progress"))
        frames += self._event("response.content_part.added", place, part=OutputText(""))
        head = _encode({"type": _DELTA, **place})[:-1]
        self._before = f"event: {_DELTA}\ndata: ".encode() + head + b',"delta":'
        return frames

    def _close_message(self, sources: tuple[Source, ...] = (), status: str = "completed") -> bytes:
        if not self._before:
            return b""
        self._before = b""
        text, self._text = "".join(self._text), []
        part = OutputText(text, annotations_of(sources, len(text), every=self.numbered), tuple(self._scored))
        self._scored = []
        item = OutputMessage(self._id("msg", len(self._items)), (part,), status)
        place = self._place(item.id, content_index=0)
        frames = b""
        for number, annotation in enumerate(part.annotations):
            event = {"annotation_index": number, "annotation": annotation}
            frames += self._event("response.output_text.annotation.added", place, **event)
        frames += self._event("response.output_text.done", place, text=text, logprobs=part.logprobs)
        return frames + self._event("response.content_part.done", place, part=part) + self._done(item)

    def _close_reasoning(self) -> bytes:
        if not self._thoughts:
            return b""
        text = "".join([thought.text for thought in self._thoughts])
        block, self._thoughts = Thought(text, self._thoughts[-1].signature), []
        item = reasoning_of(self._id("rs", len(self._items)), block, summary=self._summary)
        frames = b""
        parts: tuple[SummaryText | ReasoningText, ...] = (*item.summary, *item.content)
        for part in parts:
            kind, name, place = self._reasoning_part(part.text, item.id)
            frames += self._event(f"response.{self._reasoning_text}.done", place, text=part.text)
            frames += self._event(f"response.{name}.done", place, part=kind)
        return frames + self._done(item)

    def _opening(self) -> bytes:
        """Return the first events of a stream, once."""
        if self._number:
            return b""
        frames = self._event("response.created", response=self._body)
        return frames + self._event("response.in_progress", response=self._body)

    def _added(self, item: OutputItem) -> bytes:
        return self._event("response.output_item.added", output_index=len(self._items), item=item)

    def _done(self, item: OutputItem) -> bytes:
        """Return the event that ends an item, and keep the item."""
        frame = self._event("response.output_item.done", output_index=len(self._items), item=item)
        self._items.append(item)
        return frame

    def _event(self, kind: str, place: dict[str, Any] | None = None, **fields: Any) -> bytes:
        """Return an event with the next number."""
        data = {"type": kind, **(place or {}), **fields, "sequence_number": self._number}
        self._number += 1
        return f"event: {kind}\ndata: ".encode() + _encode(data) + b"\n\n"

    def _place(self, item_id: str, **index: int) -> dict[str, Any]:
        return {"item_id": item_id, "output_index": len(self._items), **index}

    def _id(self, kind: str, number: int) -> str:
        """Return the id of an output item, which leads back to its response."""
        return f"{kind}_{self._token}_{number}"

    def _ended(self, ending: Ending) -> ResponseBody:
        incomplete = incomplete_of(ending)
        return msgspec.structs.replace(
            self._body,
            status="incomplete" if incomplete else "completed",
            completed_at=None if incomplete else int(time.time()),
            incomplete_details=incomplete,
            output=tuple(self._items),
            store=ending.remembered,
            usage=usage_of(ending),
            orbit=extra_of(ending, self._request_id, self._ignored),
        )
