"""Converts the events of an answer to chunks. The events decide whether the answer is complete."""

import json
from typing import Any, Final

from orbit import Chunk, FinishReason, OrbitError, ThinkingSplitter, Thought, ToolCall, Usage
from orbit.filters import is_number
from orbit.upstreams import Characters, count_of, cut_off, finish_reason, is_json, new_call_id
from orbit_anthropic.errors import event_error, not_compatible
from orbit_anthropic.events import DONE, Events
from orbit_anthropic.wire import REDACTED

_COUNTS: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


class _Call:
    """A call of a tool as far as it has arrived."""

    def __init__(self, block: dict[str, Any]) -> None:
        self.id = _text(block.get("id"))
        self.name = _text(block.get("name"))
        self.input = block.get("input")
        self.arguments = ""

    def whole(self) -> str:
        """Return the arguments as JSON: those that were streamed, or those that the block began with."""
        if self.arguments.strip():
            return self.arguments
        return json.dumps(self.input, ensure_ascii=False) if isinstance(self.input, dict) else "{}"


class MessageReader:
    """Reads one answer: a stream of server-sent events, or a single message."""

    def __init__(self, model: str, url: str, splitter: ThinkingSplitter, *, whole: bool, tools: bool) -> None:
        """Set ``tools`` if the model may call some; calls of others are left out.

        Set ``whole`` if the client does not stream: the splitter may then hold back everything.
        """
        self._model = model
        self._url = url
        self._splitter = splitter
        self._unstreamed = whole
        self._tools = tools
        self._characters = Characters()
        self._events = Events(url)
        self._kinds: dict[str, str] = {}
        """The types of content blocks, by their index."""
        self._calls: dict[str, _Call] = {}
        self._chunks: list[Chunk] = []
        self._thought = ""
        self._counts: dict[str, int] = {}
        self._reasoned = 0
        self._reason: FinishReason | None = None
        self._stopped_by = ""
        self._began = False
        self._strange = False
        """Whether an event was in no form of this API."""
        self._failure: OrbitError | None = None
        self.thoughts: list[Thought] = []
        """The signed thoughts of the answer so far."""
        self.calls: tuple[ToolCall, ...] = ()
        """The calls of the answer, once it is complete."""
        self.done = False
        """Whether the rest of the body is irrelevant."""

    @property
    def finished(self) -> bool:
        """Whether the answer is complete, even if nothing more comes."""
        return self._reason is not None

    def feed(self, data: bytes) -> list[Chunk]:
        """Return what ``data`` adds to the answer. Raises OrbitError if it reports an error."""
        return self._read(self._events.feed(data))

    def end(self, content_type: str) -> list[Chunk]:
        """Return the rest at the end of the body. Raises OrbitError if the answer is incomplete."""
        chunks = [] if self.done else self._read(self._events.end())
        if self._failure is not None:
            raise self._failure
        if self.done:
            return chunks
        if self._reason is not None:
            self._finish()
            return chunks + self._taken()
        if not self._began and (self._strange or content_type != "text/event-stream"):
            raise not_compatible(self._url, "its events have no type" if self._strange else f"it sends {content_type}")
        raise cut_off(self._url, "closed the connection in the middle of the answer")

    def _read(self, events: list[dict[str, Any]]) -> list[Chunk]:
        """Return the chunks of some events. Hold back an error until what precedes it has been sent."""
        try:
            for event in events:
                self._strange = self._strange or event.get("type") is None
                self._take(event)
            if self._events.failure is not None and not self.done:
                if self._reason is None:
                    raise self._events.failure
                self._finish()
        except OrbitError as error:
            if not self._chunks:
                raise
            self._failure, self.done = error, True
        return self._taken()

    def _taken(self) -> list[Chunk]:
        chunks, self._chunks = self._chunks, []
        return chunks

    def _take(self, event: dict[str, Any]) -> None:
        """Take an event. Pings, and events and blocks that are newer than this code, change nothing."""
        kind = event.get("type")
        if self.done:
            return
        if (kind == "error" or (kind is None and event.get("error"))) and self._reason is None:
            raise event_error(event, self._model, self._url)
        if kind == "message_start":
            self._began = True
            self._count(_dict(event.get("message")).get("usage"))
        elif kind == "content_block_start":
            self._begin(str(event.get("index")), _dict(event.get("content_block")))
        elif kind == "content_block_delta":
            self._add(str(event.get("index")), _dict(event.get("delta")))
        elif kind == "content_block_stop":
            self._end_block(str(event.get("index")))
        elif kind == "message_delta":
            self._count(event.get("usage"))
            self._ended(_dict(event.get("delta")))
        elif kind == "message_stop" or (kind == DONE and self._began):
            self._finish()
        elif kind == "message" or (kind is None and "content" in event):
            self._whole(event)

    def _begin(self, index: str, block: dict[str, Any]) -> None:
        self._began = True
        kind = self._kinds[index] = _text(block.get("type")) or "text"
        if kind == "text":
            self._say(_text(block.get("text")))
        elif kind == "thinking":
            self._think(_text(block.get("thinking")))
            self._sign(_text(block.get("signature")))
        elif kind == "redacted_thinking":
            self._sign(REDACTED + _text(block.get("data")))
        elif kind == "tool_use":
            self._calls[index] = _Call(block)

    def _add(self, index: str, delta: dict[str, Any]) -> None:
        self._began = True
        kind = delta.get("type") or "text_delta"
        if kind == "text_delta":
            self._say(_text(delta.get("text")))
        elif kind == "thinking_delta":
            self._think(_text(delta.get("thinking")))
        elif kind == "signature_delta":
            self._sign(_text(delta.get("signature")))
        elif kind == "input_json_delta" and index in self._calls:
            self._calls[index].arguments += _text(delta.get("partial_json"))

    def _end_block(self, index: str) -> None:
        if self._kinds.get(index) == "thinking":
            self._thought = ""  # unsigned

    def _say(self, text: str) -> None:
        """Add text of the answer. Other models than Claude may have thoughts in it, between tags."""
        if not text.isascii() or self._characters.half:
            text = self._characters.add(text)
        if text:
            answer, thoughts = self._splitter.add(text)
            if answer or thoughts or self._unstreamed:
                self._chunks.append(Chunk(answer, reasoning=thoughts))

    def _think(self, text: str) -> None:
        if text:
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            self._thought += text
            self._chunks.append(Chunk(reasoning=text))

    def _sign(self, signature: str) -> None:
        if signature:
            self.thoughts.append(Thought(self._thought, signature))
            self._thought = ""
            self._chunks.append(Chunk(signature=signature))

    def _count(self, usage: Any) -> None:
        """Note token counts: each is the newest that the server gave."""
        given = _dict(usage)
        self._counts |= {name: value for name in _COUNTS if (value := count_of(given.get(name))) is not None}
        thought = count_of(_dict(given.get("output_tokens_details")).get("thinking_tokens"))
        self._reasoned = self._reasoned if thought is None else thought

    def _ended(self, delta: dict[str, Any]) -> None:
        self._reason = finish_reason(delta.get("stop_reason"), self._url, "stop_reason") or self._reason
        self._stopped_by = _text(delta.get("stop_sequence")) or self._stopped_by

    def _whole(self, message: dict[str, Any]) -> None:
        """Take a whole message, from a server that does not stream."""
        self._began = True
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else [content]):
            self._begin(str(index), {"text": block} if isinstance(block, str) else _dict(block))
        self._count(message.get("usage"))
        self._ended(message)
        self._finish()

    def _finish(self) -> None:
        """Add the last chunk, with calls, finish reason and usage."""
        self.done = True
        finish = self._reason or "stop"
        rest, _ = self._splitter.rest(cut=finish == "length")
        self.calls = self._tool_calls(cut=finish != "stop") if self._tools else ()
        if self.calls and finish == "stop":
            finish = "tool_calls"
        stopped_by = self._stopped_by if finish == "stop" else ""
        text = rest + self._characters.rest()
        self._chunks.append(Chunk(text, finish, self._usage(), tool_calls=self.calls, stopped_by=stopped_by))

    def _tool_calls(self, *, cut: bool) -> tuple[ToolCall, ...]:
        """Return the calls; leave out what is incomplete if the answer was ``cut``."""
        found = []
        for call in self._calls.values():
            arguments = call.whole()
            if not (cut and not is_json(arguments)):
                found.append(ToolCall(call.id or new_call_id(), call.name, arguments))
        return tuple(found)

    def _usage(self) -> Usage | None:
        if not self._counts:
            return None
        read, made, cached, written = (
            self._counts.get(name, 0)
            for name in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
        )
        return Usage(read + made + cached, written, cached, self._reasoned)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    """Return a text. A number is one that lost its quotation marks."""
    if is_number(value):
        return str(value)
    return value if isinstance(value, str) else ""
