"""Converts the lines of an answer of ``/api/chat`` to chunks. The lines decide whether the answer is complete."""

from typing import Any, Final

import msgspec

from orbit import (
    Chunk,
    GenerateOptions,
    ProviderError,
    ThinkingSplitter,
    ToolCall,
    Usage,
    WrittenToken,
)
from orbit.filters import is_number
from orbit.upstreams import Characters, count_of, event_data, finish_reason, loose_json, written_tokens
from orbit_ollama.tools import calls_from, forced_call, is_forced
from orbit_ollama.wire import not_ollama, oversized

LONGEST_LINE: Final = 8 * 1024 * 1024
"""Limit of a line, in bytes."""
_PREAMBLE: Final = 100
"""Lines before the first JSON line that are skipped: notices of proxies and wrappers."""
_NOT_DATA: Final = (b":", b"event:", b"id:", b"retry:")


class _Message(msgspec.Struct):
    content: str | None = None
    thinking: str | None = None
    tool_calls: Any = None


class ChatLine(msgspec.Struct):
    """One line of an answer."""

    message: _Message | None = None
    response: str | None = None
    """The text of servers that answer as ``/api/generate`` does."""
    done: bool | None = None
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Any = None
    logprobs: Any = None
    strict: bool = True
    """Whether its text is certainly valid Unicode."""

    @property
    def text(self) -> str:
        """What it adds to the answer, thoughts perhaps included."""
        return (self.message and self.message.content) or self.response or ""


_lines = msgspec.json.Decoder(ChatLine)


class ChatLines:
    """Splits a body into lines as its bytes arrive."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._skipped: list[ProviderError] = []
        self._count = 0
        self._may_lack_end = True
        """Whether each line so far has text and does not say whether it is the last one."""

    def feed(self, data: bytes) -> list[ChatLine]:
        """Return the lines that ``data`` completes. Raises ProviderError if they are unreadable or too long."""
        head, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._rest += data
            if len(self._rest) > LONGEST_LINE:
                raise oversized("a line", LONGEST_LINE)
            return []
        if self._rest:
            head = self._rest + head
        if self._is_document(head):
            self._rest = head + b"\n" + rest
            if len(self._rest) > LONGEST_LINE:
                raise oversized("an answer in one piece", LONGEST_LINE)
            return []
        self._rest = rest
        return self._decoded(head)

    def end(self) -> list[ChatLine]:
        """Return the last line, if the stream ended without a line end (as an answer without streaming does).

        Raises ProviderError if the whole body has no such line.
        """
        rest, self._rest = self._rest, b""
        if self._is_document(rest):
            rest = rest.replace(b"\n", b" ")
        found = self._decoded(rest) if rest.strip() else []
        if self._skipped and not self._begun:
            raise self._skipped[0]
        if self._count == 1 and self._may_lack_end:  # a whole answer of a server that does not stream
            found.append(ChatLine(done=True))
        return found

    def _is_document(self, data: bytes) -> bool:
        """Return whether a body begins as a JSON document of several lines."""
        return not self._begun and data.lstrip().partition(b"\n")[0].strip() == b"{"

    def _decoded(self, data: bytes) -> list[ChatLine]:
        try:
            found = _lines.decode_lines(data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            # Proxies turn lines into events, and texts may be broken or numbers not integers.
            found = []
            for text in data.replace(b"\r", b"\n").split(b"\n"):
                event = event_data(text)
                line = self._line(text.strip().removeprefix(b"\xef\xbb\xbf") if event is None else event)
                found += [] if line is None else [line]
                if line is not None and line.done:
                    break  # ignore anything after the end of the answer
        self._begun = self._begun or bool(found)
        self._count += len(found)
        self._may_lack_end &= all(line.done is None and line.text != "" for line in found)
        return found

    def _line(self, text: bytes) -> ChatLine | None:
        """Return a line; None if it is none. Raises ProviderError, but not for a few lines before the first one."""
        try:
            line = _loose(text)
        except ProviderError as error:
            if self._begun or text.startswith(b"{") or len(self._skipped) >= _PREAMBLE:
                raise
            self._skipped.append(error)
            return None
        self._begun = self._begun or line is not None
        return line


def _loose(line: bytes) -> ChatLine | None:
    if not line or line.startswith(_NOT_DATA) or line.upper() == b"[DONE]":
        return None
    try:
        document = loose_json(line)
    except ValueError as error:
        raise not_ollama(str(error).partition("\n")[0]) from error
    if not isinstance(document, dict):
        return None
    message, reason = document.get("message"), document.get("done_reason")
    if not isinstance(message, dict):
        message = {"content": message}
    return ChatLine(
        _Message(_text(message.get("content")), _text(message.get("thinking")), message.get("tool_calls")),
        _text(document.get("response")),
        None if (done := document.get("done")) is None else done in (True, 1, "true"),
        reason if isinstance(reason, str) else None,
        count_of(document.get("prompt_eval_count")),
        count_of(document.get("eval_count")),
        document.get("error"),
        document.get("logprobs"),
        strict=False,
    )


def _text(value: Any) -> str:
    """Return the text in a string or a list of parts."""
    if isinstance(value, dict):
        value = value.get("text")
    if isinstance(value, list):
        return "".join(map(_text, value))
    if is_number(value):  # a text that lost its quotation marks
        return str(value)
    return value if isinstance(value, str) else ""


_ANYTHING: Final = GenerateOptions()


class ChatReader:
    """Converts lines that arrived together to at most one chunk."""

    def __init__(self, splitter: ThinkingSplitter, *, whole: bool, options: GenerateOptions = _ANYTHING) -> None:
        """Set ``whole`` if the client does not stream: the splitter may then hold back everything.

        ``options`` are those of the request: without tools, a call in place of an answer is an error.
        """
        self._splitter = splitter
        self._whole = whole
        self._characters = Characters()
        self._said = False
        self._tools = bool(options.tools)
        self._forced: list[str] | None = [] if is_forced(options) else None
        self._items: list[Any] = []
        self._tokens: tuple[WrittenToken, ...] = ()

    def read(self, lines: list[ChatLine]) -> Chunk | None:
        """Return what the lines add to the answer; None if they add nothing. Leave ``error`` lines to the caller.

        Raises ProviderError if the last line says that the answer is incomplete.
        """
        messages = [line.message for line in lines if line.message is not None]
        text = "".join([line.text for line in lines])
        thoughts = "".join([message.thinking or "" for message in messages])
        if self._characters.half or not all(line.strict for line in lines):
            text = self._characters.add(text)
        held = bool(text)
        if text:
            self._said = True
            text, split = self._splitter.add(text)
            thoughts += split
        for message in messages:
            if message.tool_calls:
                self._items += message.tool_calls if isinstance(message.tool_calls, list) else [message.tool_calls]
        written = [token for line in lines if line.logprobs for token in written_tokens(line.logprobs)]
        tokens, self._tokens = (*self._tokens, *written), ()
        if self._forced is not None:
            self._forced.append(text)
            text, held = "", True
        last = lines[-1] if lines else None
        if last is None or not last.done:
            if not (text or thoughts or (held and self._whole)):
                self._tokens = tokens  # their text is held back
                return None
            return Chunk(text, reasoning=thoughts, logprobs=tokens)
        return self._last(text, thoughts, last, tokens)

    def _calls(self, rest: str) -> tuple[ToolCall, ...]:
        if self._forced is not None:
            return forced_call("".join([*self._forced, rest]))
        return tuple(calls_from(self._items)) if self._tools else ()

    def _last(self, text: str, thoughts: str, line: ChatLine, tokens: tuple[WrittenToken, ...]) -> Chunk:
        reason = finish_reason(line.done_reason, "Ollama", "done_reason") or "stop"
        if self._items and not (self._said or self._tools):
            raise ProviderError("the model called a tool instead of answering.")
        rest, _ = self._splitter.rest(cut=reason == "length")
        calls = self._calls(rest)
        if self._forced is not None:
            rest = ""
        if calls and reason == "stop":
            reason = "tool_calls"
        usage = None
        if line.prompt_eval_count is not None or line.eval_count is not None:
            usage = Usage(max(0, line.prompt_eval_count or 0), max(0, line.eval_count or 0))
        return Chunk(text + rest + self._characters.rest(), reason, usage, thoughts, calls, tokens)
