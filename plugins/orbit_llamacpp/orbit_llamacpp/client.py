"""The provider's side of the engine: requests in, streams of events out, on the event loop."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

from orbit_llamacpp.protocol import Cancel, Command, Event, Failed
from orbit_llamacpp.settings import LlamaCppSettings

if TYPE_CHECKING:
    from orbit_llamacpp.engine.engine import Engine


class EngineClient:
    """Runs an engine and routes its events to whoever asked."""

    def __init__(self, path: Path, settings: LlamaCppSettings) -> None:
        """Nothing starts before ``start``."""
        self._path = path
        self._settings = settings
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[Event]] = {}
        self._engine: Engine | None = None

    @property
    def window(self) -> int:
        """Tokens that fit one conversation."""
        assert self._engine is not None, "the engine is started"
        return self._engine.window

    async def start(self) -> None:
        """Load the model; the event loop goes on meanwhile. Raises an exception whose message says why not."""
        loop = asyncio.get_running_loop()

        def emit(event: Event) -> None:
            loop.call_soon_threadsafe(self._route, event)

        def load() -> Engine:
            from orbit_llamacpp.engine.engine import Engine  # noqa: PLC0415 - llama.cpp is loaded only when it is used

            return Engine(self._path, self._settings, emit)

        self._engine = await asyncio.to_thread(load)

    async def close(self) -> None:
        """Stop what is running and free the model."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await asyncio.to_thread(engine.close)
        for request, events in list(self._waiting.items()):
            events.put_nowait(Failed(request, "failed", "the engine was closed"))

    def next_id(self) -> int:
        """A number for a new request."""
        return next(self._ids)

    async def events(self, command: Command) -> AsyncGenerator[Event, None]:
        """Send a command and yield what the engine says to it. Closing the iterator cancels the request."""
        assert self._engine is not None, "the engine is started"
        events: asyncio.Queue[Event] = asyncio.Queue()
        self._waiting[command.id] = events
        done = False
        try:
            self._engine.send(command)
            while not done:
                event = await events.get()
                done = event.is_last
                yield event
        finally:
            del self._waiting[command.id]
            if not done and self._engine is not None:
                self._engine.send(Cancel(command.id))

    def _route(self, event: Event) -> None:
        events = self._waiting.get(event.id)
        if events is not None:  # else it was cancelled meanwhile
            events.put_nowait(event)
