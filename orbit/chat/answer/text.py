"""The text and the tool calls of an answer, without made-up citations, within its longest length, and how it ended."""

from __future__ import annotations

from orbit.chat.answer.citations import CitationFilter
from orbit.types import Chunk, FinishReason, ToolCall, Usage


class AnswerText:
    """Turns the chunks of an answer into the pieces that a client may read.

    ``pieces`` counts them. Once ``ended`` is true, nothing more may follow.
    """

    __slots__ = (
        "_citations",
        "_longest",
        "_room",
        "counted",
        "ended",
        "finish_reason",
        "pieces",
        "stopped_by",
        "thought_chars",
        "tool_calls",
    )

    def __init__(self, passages: int, longest: int) -> None:
        """``passages`` is how many the model was given, ``longest`` the most characters of an answer."""
        self._citations = CitationFilter(passages) if passages else None
        self._room = self._longest = longest
        self.counted: Usage | None = None
        """The tokens that the provider counted."""
        self.thought_chars = 0
        """The length of the model's thoughts; the pipeline counts it."""
        self.finish_reason: FinishReason = "stop"
        self.stopped_by = ""
        self.tool_calls: tuple[ToolCall, ...] = ()
        self.pieces = 0
        self.ended = False

    def add(self, chunk: Chunk) -> str:
        """Take a chunk; return the text to pass on, possibly none."""
        if chunk.finish_reason is not None:
            self.finish_reason = chunk.finish_reason
            self.stopped_by = chunk.stopped_by
        if chunk.usage is not None:
            self.counted = chunk.usage
        if chunk.tool_calls:
            self._call(chunk.tool_calls)
        piece = chunk.text
        if self._citations is not None:
            piece = self._citations.add(piece)
            self.ended = self._citations.ended
        if not piece:
            return piece
        self.pieces += 1
        self._room -= len(piece)
        return piece if self._room >= 0 else self._cut(piece)

    def rest(self) -> str:
        """Return the text still held back when the model has ended."""
        return self._citations.rest() if self._citations is not None and self._room >= 0 else ""

    def usage(self, prompt_tokens: int) -> Usage:
        """Return the tokens that the provider counted, or about as many if the answer ended before the model did."""
        if self.ended:
            return Usage(prompt_tokens, self.pieces)
        return self.counted or _NOTHING

    def written(self) -> int:
        """Return about how many tokens the model has written, with its thoughts and calls of tools."""
        thoughts = -(-self.thought_chars // _CHARS_A_TOKEN)
        chars = self._longest - self._room
        return thoughts + max(self.pieces, -(-chars // _CHARS_A_TOKEN))

    def _call(self, calls: tuple[ToolCall, ...]) -> None:
        self._room -= sum(len(call.name) + len(call.arguments) for call in calls)
        if self._room < 0:
            self.ended, self.finish_reason, self.tool_calls = True, "length", ()
        else:
            self.tool_calls += calls

    def _cut(self, piece: str) -> str:
        self.ended = True
        self.finish_reason = "length"
        return piece[: self._room]


_CHARS_A_TOKEN = 4
"""Characters, for answers that do not come token by token."""
_NOTHING = Usage()
