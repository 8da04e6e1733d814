"""Splits the body of an answer into frames. Accepts what servers send, not only what the standard allows."""

from typing import Any, Final, Literal

import msgspec

from orbit import ProviderError
from orbit.upstreams import Lines, count_of, event_data, loose_json, oversized
from orbit_openai.errors import not_compatible

LONGEST_FRAME: Final = 8 * 1024 * 1024
"""Limit of one line, or of one event with several lines, in bytes."""
_LINE_COST: Final = 64
"""Overhead that each line counts for, in bytes."""


class Part(msgspec.Struct):
    """A message or a delta. Servers differ in where they put thoughts, and in which form."""

    content: Any = None
    refusal: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    thinking: Any = None
    tool_calls: Any = None
    function_call: Any = None


class Choice(msgspec.Struct):
    """One of the answers to a question: ``message`` is a whole one, ``delta`` the new part."""

    index: int | None = None
    delta: Part | None = None
    message: Part | None = None
    text: str | None = None
    finish_reason: Any = None
    error: Any = None
    logprobs: Any = None
    stop_reason: Any = None
    """The text that ended the answer, from vLLM; other things from others."""


class Counts(msgspec.Struct):
    """Token counts."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: Any = None
    completion_tokens_details: Any = None
    prompt_cache_hit_tokens: Any = None

    @property
    def cached(self) -> int:
        """Tokens of the prompt from a cache; DeepSeek has a field of its own for them."""
        details = self.prompt_tokens_details
        given = details.get("cached_tokens") if isinstance(details, dict) else self.prompt_cache_hit_tokens
        return count_of(given) or 0

    @property
    def thought(self) -> int:
        """Tokens of thoughts."""
        details = self.completion_tokens_details
        return (count_of(details.get("reasoning_tokens")) or 0) if isinstance(details, dict) else 0


class Frame(msgspec.Struct):
    """One JSON document of an answer."""

    choices: list[Choice] | None = None
    usage: Counts | None = None
    error: Any = None
    x_groq: Any = None
    other: Any = msgspec.field(default=None, name="(other)")
    """The whole document, if it has none of the fields above."""
    strict: bool = msgspec.field(default=True, name="(strict)")
    """Whether its text is certainly valid Unicode."""

    def plain(self) -> str:
        """Return the text of a frame that contains only text, as nearly all do; empty for all others."""
        choices = self.choices
        if not self.strict or choices is None or len(choices) != 1 or self.usage is not None or self.error:
            return ""
        choice = choices[0]
        part = choice.delta
        if part is None or type(part.content) is not str or choice.finish_reason is not None or choice.index:
            return ""
        odd = choice.error or part.refusal or part.tool_calls or part.function_call or choice.logprobs
        thoughts = part.reasoning_content or part.reasoning or part.thinking
        return "" if odd or thoughts else part.content


Kind = Literal["event", "document", "error", "done"]
"""An event of a stream, a JSON document outside one, an event that reports an error, or ``[DONE]``."""
_frame = msgspec.json.Decoder(Frame)


class Frames:
    """Splits a body into frames: server-sent events, JSON lines, or a single JSON document."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._body = Lines(LONGEST_FRAME)
        self._event = b""
        self._pending: list[bytes] = []
        self._is_document = False
        self._size = 0
        self.failure: ProviderError | None = None
        """The reason why the data after the returned frames is unreadable: it is not JSON, or too long."""

    def feed(self, data: bytes) -> list[tuple[Kind, Frame]]:
        """Return the frames that ``data`` completes."""
        lines = self._body.feed(data)
        if self._body.too_long:
            self.failure = self.failure or oversized(self._url, "a line", LONGEST_FRAME)
        return self._lines(lines)

    def end(self) -> list[tuple[Kind, Frame]]:
        """Return the frames that the end of the body completes."""
        found = self._lines([self._body.end()])
        kind: Kind = "document" if self._is_document else "event"
        self._is_document = False
        self._flush(found, kind)
        return found

    def _lines(self, lines: list[bytes]) -> list[tuple[Kind, Frame]]:
        found: list[tuple[Kind, Frame]] = []
        for line in lines:
            if self.failure is not None:
                break
            if self._is_document:
                self._keep(line)
            elif not line:
                if self._pending or self._event:
                    self._flush(found)
            elif (data := event_data(line)) is not None:
                self._data(data, found, failed=self._event == b"error")
            elif line.startswith(b"error:"):
                self._data(line[6:].strip(), found, failed=True)
            elif line.startswith(b"event:"):
                self._event = line[6:].strip()
            elif line.lstrip().startswith((b"{", b"[")):
                self._document(line, found)
        return found

    def _document(self, line: bytes, found: list[tuple[Kind, Frame]]) -> None:
        frame = decoded(line)
        if frame is None:  # a document of several lines
            self._is_document = True
            self._keep(line)
        else:
            found.append(("document", frame))

    def _data(self, data: bytes, found: list[tuple[Kind, Frame]], *, failed: bool) -> None:
        if data.startswith(b"[") and data[:6].upper() == b"[DONE]":
            found.append(("done", Frame()))
            return
        frame = None if self._pending else decoded(data)
        if frame is not None:
            found.append(("error" if failed else "event", frame))
        elif failed:
            found.append(("error", Frame(other=data.decode(errors="replace"))))
        elif self._pending or data.startswith((b"{", b"[")):
            self._keep(data)

    def _flush(self, found: list[tuple[Kind, Frame]], kind: Kind = "event") -> None:
        """Decode collected lines at the empty line after an event, or at the end of a document."""
        self._event = b""
        if self._pending:
            data = b"\n".join(self._pending)
            self._pending, self._size = [], 0
            frame = decoded(data)
            if frame is None:
                self.failure = not_compatible(self._url, "a frame is not JSON")
            else:
                found.append((kind, frame))

    def _keep(self, data: bytes) -> None:
        self._pending.append(data)
        self._size += len(data) + _LINE_COST
        if self._size > LONGEST_FRAME:
            self._pending, self.failure = [], oversized(self._url, "a line", LONGEST_FRAME)


def decoded(data: bytes) -> Frame | None:
    """Return the frame of a JSON document; None if it is not JSON."""
    try:
        frame = _frame.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    else:
        if frame.choices is not None or frame.usage is not None or frame.error:
            return frame
    try:  # accepts NaN, lone surrogates and control characters
        return _loose(loose_json(data))
    except ValueError:
        return None


def _loose(document: Any) -> Frame:
    if isinstance(document, str) and document.startswith("{"):  # encoded twice
        document = loose_json(document.encode("utf-8", "surrogatepass"))
    if isinstance(document, list) and document:
        document = document[0]  # Gemini sends errors in a list
    if not isinstance(document, dict):
        return Frame()
    choices, usage, error = document.get("choices"), document.get("usage"), document.get("error")
    if isinstance(choices, dict):
        choices = [choices]
    known = choices is not None or usage is not None or error
    return Frame(
        [_choice(item) for item in choices if isinstance(item, dict)] if isinstance(choices, list) else None,
        Counts(
            count_of(usage.get("prompt_tokens")),
            count_of(usage.get("completion_tokens")),
            usage.get("prompt_tokens_details"),
            usage.get("completion_tokens_details"),
            usage.get("prompt_cache_hit_tokens"),
        )
        if isinstance(usage, dict)
        else None,
        error,
        document.get("x_groq"),
        None if known else document,
        strict=False,
    )


def _choice(item: dict[str, Any]) -> Choice:
    index, text = item.get("index"), item.get("text")
    return Choice(
        count_of(index),
        _part(item.get("delta")),
        _part(item.get("message")),
        text if isinstance(text, str) else None,
        item.get("finish_reason"),
        item.get("error"),
        item.get("logprobs"),
        item.get("stop_reason"),
    )


def _part(item: Any) -> Part | None:
    if isinstance(item, str):
        return Part(item)
    return Part(**{name: item.get(name) for name in Part.__struct_fields__}) if isinstance(item, dict) else None
