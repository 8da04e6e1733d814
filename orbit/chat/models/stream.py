"""Reads a model's stream. Each piece has a cheap deadline, each error the provider's name."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Awaitable
from typing import NoReturn

from orbit.chat.ticker import Ticker
from orbit.chat.turn import TurnTimeout
from orbit.config.model import Timeouts
from orbit.errors import ProviderError
from orbit.host.calls.calls import WHATEVER_A_HOOK_RAISES, failure_of, raised_by, too_slow, wrong_type
from orbit.host.calls.interrupt import Interrupt
from orbit.types import Chunk

_CHECKED = 32
"""Check the turn's deadline once in so many chunks, apart from the looks."""


class ModelStream:
    """Pulls the chunks of one provider; ends the wait for one that takes too long, and only that wait.

    One task reads them all: asking who reads would cost each chunk a system call before Python 3.12.
    Time that the consumer spends between chunks counts towards the turn's deadline only.
    """

    def __init__(
        self,
        provider: str,
        chunks: AsyncGenerator[Chunk, None],
        ticker: Ticker,
        timeouts: Timeouts,
        deadline: float | None = None,
    ) -> None:
        """``deadline`` is the turn's, in seconds of ``time.monotonic()``."""
        self._provider = provider
        self._chunks = chunks
        self._ticker = ticker
        self._end = math.inf if deadline is None else deadline
        self._waiting = False
        self._wait = 0  # the number of the wait, and what look() knows of it: comparing them costs a token the least
        self._seen = 0
        self._since = 0.0
        self._interrupt = Interrupt(ticker.current_task())
        self._seconds = timeouts.first_token
        self._timeouts = timeouts
        self._thinking_due = math.inf
        self.thought = False
        ticker.add(self)

    async def next(self) -> Chunk | None:  # noqa: C901  # a call for each chunk would cost more than a branch
        """Return the next chunk, or None at the end. Raises ProviderError, and TurnTimeout at the turn's deadline.

        The first text may take ``timeouts.first_token``, each later chunk ``timeouts.next_token``.
        """
        interrupt = self._interrupt
        self._wait += 1
        # The ticker cannot look at a model that never waits.
        if not self._wait % _CHECKED and time.monotonic() >= self._end:
            raise TurnTimeout
        self._waiting = True
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            return None
        except asyncio.CancelledError as error:
            if interrupt.take_back():
                raise self._late(raised_by(error, self._provider)) from None
            if interrupt.wanted_by_others():
                raise
            raise failure_of(error, self._provider, "generate") from error
        except WHATEVER_A_HOOK_RAISES as error:
            self._fail(error)
        finally:
            self._waiting = False
            if interrupt.pending:
                interrupt.take_back()
        if type(chunk) is not Chunk:
            raise wrong_type(self._provider, "generate", "Chunks", chunk)
        if chunk.text or chunk.tool_calls:
            self._seconds = self._timeouts.next_token
            self._thinking_due = math.inf
        elif chunk.reasoning:
            self._think()
        return chunk

    def _fail(self, error: BaseException) -> NoReturn:
        """Raise what a hook raised, in the provider's name."""
        self._interrupt.take_back()
        self._interrupt.forget_leaked(error)
        raised = failure_of(error, self._provider, "generate")
        raise raised from (None if raised is error else error)

    def _think(self) -> None:
        """Begin to count the time for thoughts, or raise ProviderError if it is over."""
        now, self.thought = time.monotonic(), True
        if self._thinking_due == math.inf:
            self._thinking_due = now + self._timeouts.thinking
        elif now >= self._thinking_due:
            raise self._too_slow(self._provider)

    def _late(self, provider: str) -> ProviderError | TurnTimeout:
        return TurnTimeout() if time.monotonic() >= self._end else self._too_slow(provider)

    def _too_slow(self, provider: str) -> ProviderError:
        if time.monotonic() < self._thinking_due:
            return too_slow(provider, "generate", self._seconds)
        sentence = f"the model was still thinking after {self._timeouts.thinking:g} s (timeouts.thinking)."
        return ProviderError(sentence, kind="timeout", retried=True, provider=provider, operation="generate")

    def aclose(self) -> Awaitable[None]:
        """Close the stream, and with it the work behind it."""
        self._ticker.discard(self)
        return self._chunks.aclose()

    def look(self, now: float) -> None:
        """Cancel a wait that takes too long. Its time counts from the first look at it."""
        if not self._waiting:
            return
        if self._seen != self._wait:
            self._seen, self._since = self._wait, now
        if now >= min(self._since + self._seconds, self._end, self._thinking_due):
            self._interrupt.cancel()
