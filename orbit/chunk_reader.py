"""Reading a model's stream: a deadline for each piece that costs next to nothing, and errors with a name."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator

from orbit.plugins.calls import attributed, too_slow, wrong_type
from orbit.types import Chunk


class ChunkReader:
    """Pulls the chunks of one provider; ends the wait for one that takes too long, and only that wait.

    ``asyncio.timeout`` around each chunk would set and cancel a timer each time; here one timer looks now and then
    whether a wait is overdue. Time that the consumer spends between chunks does not count.
    """

    def __init__(self, provider: str, chunks: AsyncGenerator[Chunk, None]) -> None:
        self._provider = provider
        self._chunks = chunks
        self._loop = asyncio.get_running_loop()
        self._due = math.inf
        self._task: asyncio.Task[object] | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._expired = False

    async def next(self, seconds: float) -> Chunk | None:
        """The next chunk, or None at the end. Raises ProviderError, also when ``seconds`` have passed."""
        self._due = self._loop.time() + seconds
        self._task = asyncio.current_task()
        if self._handle is None or self._handle.when() > self._due:
            self._arm(self._due)
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            return None
        except asyncio.CancelledError:
            if self._expired and self._task is not None and self._task.uncancel() == 0:
                raise too_slow(self._provider, "generate", seconds) from None
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
        if self._handle is not None:
            self._handle.cancel()
        await self._chunks.aclose()

    def _arm(self, when: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._handle = None
        if self._due is math.inf:
            return  # between chunks; the next wait arms the timer again
        if self._loop.time() >= self._due and self._task is not None:
            self._expired = True
            self._task.cancel()
        else:
            self._arm(self._due)
