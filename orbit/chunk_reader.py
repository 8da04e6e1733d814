"""Reading a model's stream: a deadline for each piece that costs next to nothing, and errors with a name."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator

from orbit.errors import PromptTooLong
from orbit.plugins.calls import attributed, raised_by, too_slow, wrong_type
from orbit.ticker import Ticker
from orbit.types import Chunk


class ChunkReader:
    """Pulls the chunks of one provider; ends the wait for one that takes too long, and only that wait.

    Time that the consumer, which is one task, spends between chunks does not count.
    """

    def __init__(self, provider: str, chunks: AsyncGenerator[Chunk, None], ticker: Ticker) -> None:
        self._provider = provider
        self._chunks = chunks
        self._ticker = ticker
        self._now = asyncio.get_running_loop().time
        self._due = math.inf
        self._task: asyncio.Task[object] | None = None
        self._expired = False
        ticker.add(self)

    async def next(self, seconds: float) -> Chunk | None:
        """The next chunk, or None at the end. Raises ProviderError, also when ``seconds`` have passed."""
        self._due = self._now() + seconds
        if self._task is None:
            self._task = asyncio.current_task()
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            return None
        except asyncio.CancelledError as error:
            if self._expired and self._task is not None and self._task.uncancel() == 0:
                raise too_slow(raised_by(error, self._provider), "generate", seconds) from None
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
        return chunk

    async def aclose(self) -> None:
        """Close the stream, and with it the work behind it."""
        self._ticker.discard(self)
        await self._chunks.aclose()

    def look(self, now: float) -> None:
        """Cancel the wait if it has taken too long."""
        if now >= self._due and self._task is not None and not self._expired:
            self._expired = True
            self._task.cancel()
