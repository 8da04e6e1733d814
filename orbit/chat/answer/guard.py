"""Holds an answer back until its sentences have been checked."""

from __future__ import annotations

from collections.abc import Callable

from orbit.chat.answer.sentences import SentenceBuffer
from orbit.chat.journal import Journal
from orbit.chat.moderation import Moderation
from orbit.chat.outcome import EndsEarly
from orbit.chat.ticker import Ticker
from orbit.chat.turn import Turn, in_time
from orbit.types import Message, ToolCall


class AnswerGuard:
    """Releases one answer sentence by sentence. Moderators judge each one together with all before it.

    ``check`` sees each sentence alone before them, and raises EndsEarly.
    """

    def __init__(
        self,
        moderation: Moderation,
        turn: Turn,
        journal: Journal,
        ticker: Ticker,
        check: Callable[[str], None] | None = None,
    ) -> None:
        self._check = check
        self._moderation = moderation
        self._turn = turn
        self._journal = journal
        self._ticker = ticker
        self._buffer = SentenceBuffer()
        self._passed = "".join(journal.text)  # of the rounds before

    async def add(self, piece: str) -> str:
        """Take a piece; return the text to release, possibly none. Raises EndsEarly, ProviderError and TurnTimeout."""
        return await self._judged(self._buffer.add(piece))

    async def rest(self, piece: str) -> str:
        """Take the last piece; return all that is left. Raises EndsEarly, ProviderError and TurnTimeout."""
        return await self._judged(self._buffer.add(piece) + self._buffer.rest())

    async def calls(self, calls: tuple[ToolCall, ...]) -> None:
        """Let the moderators read the calls of tools, after the text. Raises EndsEarly, ProviderError, TurnTimeout."""
        said = "\n".join(f"{call.name} {call.arguments}" for call in calls)
        await self._judge(Message("assistant", f"{self._passed}\n{said}".lstrip(), tool_calls=calls))

    async def _judged(self, text: str) -> str:
        if text and not text.isspace():
            if self._check is not None:
                self._check(text)
            await self._judge(Message("assistant", self._passed + text))
        self._passed += text
        return text

    async def _judge(self, answer: Message) -> None:
        turn = self._turn
        judging = self._moderation.judge("output", (Message("user", turn.question), answer), turn, self._journal)
        verdict = await in_time(turn.context, judging, self._ticker)
        if not verdict.allowed:
            raise EndsEarly(self._moderation.refusal_of(verdict))
