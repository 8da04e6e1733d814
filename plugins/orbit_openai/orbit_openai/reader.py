"""Converts the frames of an answer to chunks. The frames decide whether the answer is complete."""

from collections.abc import Iterator
from typing import Any, Final

from orbit import (
    Chunk,
    FinishReason,
    OrbitError,
    ProviderError,
    ThinkingSplitter,
    Usage,
    WrittenToken,
)
from orbit.filters import is_number
from orbit.upstreams import Characters, count_of, cut_off, finish_reason, written_tokens
from orbit_openai.calls import Calls
from orbit_openai.errors import frame_error, not_compatible
from orbit_openai.frames import Choice, Counts, Frame, Frames, Kind, Part

_EXPLAINS: Final = frozenset({"message", "detail", "msg", "errors", "base_resp"})
"""Fields in which servers explain an error."""
_SHORT: Final = 4
"""Characters of a piece that may legitimately repeat the previous one."""


class ChatReader:
    """Reads one answer: a stream of server-sent events, or a single JSON object."""

    def __init__(self, model: str, url: str, splitter: ThinkingSplitter, *, whole: bool, tools: bool = False) -> None:
        """Set ``whole`` if the client does not stream: the splitter may then hold back everything.

        Set ``tools`` if the model may call some; else a call in place of an answer is an error.
        """
        self._model = model
        self._url = url
        self._frames = Frames(url)
        self._splitter = splitter
        self._whole = whole
        self._text = self._thoughts = ""
        self._characters = Characters()
        self._holds = False
        self._reason: FinishReason | None = None
        self._refused = False
        self._stopped_by = ""
        self._usage: Usage | None = None
        self._called = False
        self._tools = tools
        self._calls = Calls()
        self._tokens: list[WrittenToken] = []
        self._said = False
        self._first = ""
        self._repeats = False
        self._flows = False
        """Whether the form of the pieces is known."""
        self._counted_last = False
        self._index = 0
        """The choice that is the answer: the first one, also where a server counts from 1."""
        self._has_deltas = False
        self._recognized = False
        self._remark: Any = None
        self._strange = False
        """Whether a frame was in no form of OpenAI's."""
        self._failure: OrbitError | None = None
        self.done = False
        """Whether the rest of the body is irrelevant."""

    @property
    def finished(self) -> bool:
        """Whether the answer is complete; its usage may still follow."""
        return self._reason is not None

    def feed(self, data: bytes) -> Chunk | None:
        """Return what ``data`` adds to the answer. Raises ProviderError or PromptTooLong if it reports an error."""
        return self._read(self._frames.feed(data))

    def end(self, content_type: str = "text/event-stream") -> Chunk | None:
        """Return the remaining chunk at the end of the body.

        Raises OrbitError if the answer is incomplete, or if ``feed`` found an error after some text.
        """
        if self._failure is None and self.done:
            return None
        chunk = None if self.done else self._read(self._frames.end())
        if self._failure is not None:
            raise self._failure
        if self.done:
            return chunk
        if self._reason is not None or self._counted_last:
            return self._last()
        self._unfinished(content_type)
        return None

    def _unfinished(self, content_type: str) -> None:
        """Raise the error for a body that ends although the answer is not complete."""
        if self._remark is not None:
            raise frame_error(self._remark, self._model, self._url)
        if not self._recognized and (self._strange or content_type != "text/event-stream"):
            raise not_compatible(
                self._url, "its frames have no choices" if self._strange else f"it sends {content_type}"
            )
        raise cut_off(self._url, "closed the connection in the middle of the answer")

    def _read(self, frames: list[tuple[Kind, Frame]]) -> Chunk | None:
        """Return what frames add to the answer. Hold back an error until the text before it has been sent."""
        self._text = self._thoughts = ""
        self._holds = False
        try:
            for kind, frame in frames:
                if self._flows and not self._index and kind == "event" and (answer := frame.plain()):
                    self._add(answer)
                elif kind != "done":
                    self._take(kind, frame)
                elif self._recognized:
                    self._reason = self._reason or "stop"
                    return self._last()
            if self._frames.failure is not None and self._reason is not None:
                return self._last()
            if self._frames.failure is not None:
                raise self._frames.failure
        except OrbitError as error:
            if not self._text:
                raise
            self._failure, self.done = error, True
        if self._text or self._thoughts or (self._holds and self._whole):
            return Chunk(self._text, reasoning=self._thoughts, logprobs=self._taken_tokens())
        return None

    def _taken_tokens(self) -> tuple[WrittenToken, ...]:
        """Return the tokens since the last chunk."""
        if not self._tokens:
            return ()
        tokens, self._tokens = tuple(self._tokens), []
        return tokens

    def _add(self, answer: str, thoughts: str = "") -> None:
        text, split = self._splitter.add(answer)
        self._text += text
        self._thoughts += thoughts + split
        self._holds = True

    def _take(self, kind: Kind, frame: Frame) -> None:
        choice = self._chosen(frame.choices or [])
        self._judge(kind, frame, choice)
        for answer, thoughts in self._parts(frame, choice, whole=kind == "document"):
            if answer:
                self._add(answer, thoughts)
            self._thoughts += "" if answer else thoughts

    def _chosen(self, choices: list[Choice]) -> Choice | None:
        """Return the choice that continues the answer; None if a frame only continues others."""
        if not self._said and choices:  # until then, index 0 replaces any other
            first = next((item for item in choices if not item.index), choices[0] if not self._recognized else None)
            self._index = self._index if first is None else first.index or 0
        return next((item for item in choices if item.index is None or item.index == self._index), None)

    def _judge(self, kind: Kind, frame: Frame, choice: Choice | None) -> None:
        """Raise the error in a frame. Ignore it once the answer is complete."""
        if self._reason is not None:
            return
        other = frame.other
        if kind == "error" or frame.error:
            raise frame_error({"error": frame.error} if frame.error else other, self._model, self._url)
        if isinstance(frame.x_groq, dict) and frame.x_groq.get("error"):
            raise frame_error({"error": frame.x_groq["error"]}, self._model, self._url)
        self._strange = self._strange or isinstance(other, dict)
        if isinstance(other, dict) and other.keys() & _EXPLAINS:
            if other.get("object") == "error" or str(other.get("type", "")).endswith("error"):
                raise frame_error(other, self._model, self._url)
            self._remark = self._remark or other
        if choice is not None and choice.error:
            raise frame_error({"error": choice.error}, self._model, self._url)

    def _parts(self, frame: Frame, choice: Choice | None, *, whole: bool) -> Iterator[tuple[str, str]]:
        """Yield answer and thoughts of a frame, and note its counts."""
        usage = frame.usage or _usage_of(frame.x_groq)
        if usage is not None:
            read, written = max(0, usage.prompt_tokens or 0), max(0, usage.completion_tokens or 0)
            self._usage = Usage(read, written, usage.cached, usage.thought)
            self._counted_last = not frame.choices and self._said
            self._flows = self._flows and not self._counted_last
        if not frame.choices:
            return
        self._recognized, self._counted_last = True, False
        if choice is not None:
            yield from self._continuation(frame, choice, whole=whole)

    def _continuation(self, frame: Frame, choice: Choice, *, whole: bool) -> Iterator[tuple[str, str]]:
        """Yield what a choice adds to the answer, and note the end of the answer."""
        part = self._part(choice)
        if part is not None:
            if part.tool_calls or part.function_call:
                self._called = True
                self._calls.add(part.tool_calls or part.function_call, whole=choice.delta is None)
            if isinstance(choice.logprobs, dict):  # servers without OpenAI's form have none
                self._tokens += written_tokens(choice.logprobs.get("content"))
            answer = _text(part.content)
            if part.refusal and (refusal := _text(part.refusal)):
                self._refused, answer = True, answer + refusal
            self._refused |= _refuses(part.content)
            if not frame.strict or self._characters.half:
                answer = self._characters.add(answer)
                self._flows = self._flows and not self._characters.half
            if answer and not self._said:
                self._said, self._first = True, answer
            elif answer:
                answer = self._new(answer)
            yield answer, _text(part.reasoning_content or part.reasoning or part.thinking) + _thoughts(part.content)
        if self._reason is None:
            self._reason = finish_reason(choice.finish_reason, self._url, "finish_reason")
            stop = choice.stop_reason
            self._stopped_by = stop if isinstance(stop, str) else ""  # a number is a token's
        if whole and choice.message is not None:
            self._reason = self._reason or "stop"

    def _part(self, choice: Choice) -> Part | None:
        if choice.delta is not None:
            self._has_deltas = True
            return choice.delta
        if choice.message is not None:
            return None if self._has_deltas else choice.message  # after deltas it repeats them
        return None if choice.text is None else Part(choice.text)

    def _new(self, answer: str) -> str:
        """Return the new part of a piece: a few servers repeat everything before it each time."""
        before = self._first
        if before and answer.startswith(before) and (self._repeats or len(answer) > len(before) > _SHORT):
            self._repeats, self._first = True, answer
            return answer[len(before) :]
        if not self._repeats:
            self._first, self._flows = "", not self._characters.half  # the second piece decides
        return answer

    def _last(self) -> Chunk:
        """Return the last chunk, with finish reason and usage."""
        self.done = True
        reason = self._reason or "stop"
        rest, _ = self._splitter.rest(cut=reason == "length")
        text = self._text + rest + self._characters.rest()
        if self._called and not (self._said or self._tools):
            raise ProviderError(f"{self._url}: the model called a tool instead of answering.")
        calls = self._calls.whole(cut=reason != "stop") if self._calls and self._tools else ()
        if calls and reason == "stop":
            reason = "tool_calls"
        if self._refused and reason == "stop":
            reason = "content_filter"
        stopped_by = self._stopped_by if reason == "stop" else ""
        return Chunk(text, reason, self._usage, self._thoughts, calls, self._taken_tokens(), stopped_by=stopped_by)


def _usage_of(extra: Any) -> Counts | None:
    """Return the counts that Groq sends in a field of its own."""
    given = extra.get("usage") if isinstance(extra, dict) else None
    if not isinstance(given, dict):
        return None
    return Counts(count_of(given.get("prompt_tokens")), count_of(given.get("completion_tokens")))


def _text(content: Any) -> str:
    """Return the text in a string, a part, or a list of parts. A number is a text that lost its quotation marks."""
    if isinstance(content, str):
        return content
    if is_number(content):
        return str(content)
    if isinstance(content, dict):
        kind = content.get("type")
        if kind in (None, "text", "output_text", "refusal"):
            return _text(content.get("text") or content.get("content") or content.get("refusal"))
        return ""
    return "".join(_text(item) for item in content) if isinstance(content, list) else ""


def _refuses(content: Any) -> bool:
    """Return whether a list of parts has a refusal."""
    parts = content if isinstance(content, list) else []
    return any(isinstance(part, dict) and part.get("type") == "refusal" for part in parts)


def _thoughts(content: Any) -> str:
    """Return the text of other kinds of parts: Mistral sends thoughts beside the text."""
    if not isinstance(content, list):
        return ""
    parts = [item for item in content if isinstance(item, dict) and item.get("type") in ("thinking", "reasoning")]
    return "".join(_text(part.get("thinking") or part.get("text")) for part in parts)
