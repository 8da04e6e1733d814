"""Reading a model's stream: a deadline for each piece that costs next to nothing, and errors with a name."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator

from orbit.errors import PromptTooLong, ProviderError
from orbit.plugins.calls import attributed, raised_by, too_slow, wrong_type
from orbit.ticker import Ticker
from orbit.types import Chunk


class ChunkReader:
    """Pulls the chunks of one provider; ends the wait for one that takes too long, and only that wait.

    Time that the consumer, which is one task, spends between chunks does not count.
    """

    def __init__(
        self, provider: str, chunks: AsyncGenerator[Chunk, None], ticker: Ticker, *, thinking: float = math.inf
    ) -> None:
        """``thinking`` is how many seconds the model may go on yielding thoughts without any text."""
        self._provider = provider
        self._chunks = chunks
        self._ticker = ticker
        self._now = asyncio.get_running_loop().time
        self._due = math.inf
        self._task: asyncio.Task[object] | None = None
        self._expired = False
        self._thinking = thinking
        self._thinking_due = math.inf
        self.thought = False
        ticker.add(self)

    async def next(self, seconds: float) -> Chunk | None:
        """The next chunk, or None at the end. Raises ProviderError, also when ``seconds`` have passed."""
        self._due = min(self._now() + seconds, self._thinking_due)
        if self._task is None:
            self._task = asyncio.current_task()
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            return None
        except asyncio.CancelledError as error:
            if self._expired and self._task is not None and self._task.uncancel() == 0:
                raise self._too_slow(raised_by(error, self._provider), seconds) from None
            raise
        except PromptTooLong:  # the client's to mend, not the provider's
            raise
        except Exception as error:  # noqa: BLE001  # whatever a plugin raises is attributed to it
            raised = attributed(error, self._provider, "generate")
            raise raised from (None if raised is error else error)
        finally:
            self._due = math.inf
        if type(chunk) is not Chunk:
            raise wrong_type(self._provider, "generate", "Chunks", chunk)
        if chunk.text:
            self._thinking_due = math.inf
        elif chunk.reasoning:
            self._think()
        return chunk

    def _think(self) -> None:
        """Begin to count the time for thoughts, or raise ProviderError if it is over."""
        now, self.thought = self._now(), True
        if self._thinking_due == math.inf:
            self._thinking_due = now + self._thinking
        elif now >= self._thinking_due:
            raise self._too_slow(self._provider, self._thinking)

    def _too_slow(self, provider: str, seconds: float) -> ProviderError:
        if self._now() < self._thinking_due:
            return too_slow(provider, "generate", seconds)
        said = f"the model was still thinking after {self._thinking:g} s (timeouts.thinking)."
        return ProviderError(said, kind="timeout", provider=provider, operation="generate")

    async def aclose(self) -> None:
        """Close the stream, and with it the work behind it."""
        self._ticker.discard(self)
        await self._chunks.aclose()

    def look(self, now: float) -> None:
        """Cancel the wait if it has taken too long."""
        if now >= self._due and self._task is not None and not self._expired:
            self._expired = True
            self._task.cancel()
