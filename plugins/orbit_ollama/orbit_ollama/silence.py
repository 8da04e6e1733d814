"""Detects a silent server, at almost no cost per piece."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable


class Silence:
    """Reads pieces, and closes the connection after more than ``seconds`` of silence.

    One periodic timer replaces a timer per piece. Time in which nobody reads does not count.
    """

    def __init__(self, pieces: AsyncIterator[bytes], hang_up: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._pieces = pieces
        self._hang_up = hang_up
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._since: float | None = None
        self._timer = self._loop.call_later(seconds, self._look)
        self._hanging_up: asyncio.Future[None] | None = None

    async def next(self) -> bytes:
        """Return the next piece; empty at the end. Raises TimeoutError after too long a silence."""
        self._since = self._loop.time()
        try:
            return await anext(self._pieces, b"")
        except Exception as error:
            if self._hanging_up is not None:
                raise TimeoutError from error
            raise
        finally:
            self._since = None

    def wait_at_most(self, seconds: float) -> None:
        """Change the limit, from the next piece on."""
        if seconds != self._seconds:
            self._seconds = seconds
            self._timer.cancel()
            self._timer = self._loop.call_later(seconds, self._look)

    async def close(self) -> None:
        """Stop the timer."""
        self._timer.cancel()
        if self._hanging_up is not None:
            await self._hanging_up

    def _look(self) -> None:
        silent = 0.0 if self._since is None else self._loop.time() - self._since
        if silent >= self._seconds:
            self._hanging_up = asyncio.ensure_future(self._hang_up())
        else:
            self._timer = self._loop.call_later(self._seconds - silent, self._look)
