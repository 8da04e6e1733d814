"""The provider's side of the engine: starts and watches its process, sends requests, dispatches events."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import msgspec

from orbit_llamacpp.connection import Connection
from orbit_llamacpp.protocol import UNASKED, Cancel, Command, Event, Failed, Generate, Ready, Start, Stats
from orbit_llamacpp.settings import LlamaCppSettings

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 30.0
_ENVIRONMENT: Final = {"GOMP_SPINCOUNT": "2000", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""What the engine's process gets, unless the operator has set it.

``GOMP_SPINCOUNT``: spin iterations before a waiting OpenMP thread sleeps. By default it spins for ever: on a busy
machine it then takes processors from the threads it waits for. Eight answers on two cores, beside a process that takes
all it gets: 33 tokens/s with 10,000, 65 with 4,000, 77 to 84 with 2,000. Alone the three are equal,
and 500 is 3 % slower.

``GLIBC_TUNABLES``: context and weights in huge pages where the kernel leaves the choice to programs (``model.maps``).
"""

_STABLE: Final = 60.0
"""Seconds after which a process counts as stable: its next restart comes without a long pause."""

logger = logging.getLogger(__name__)


class EngineError(Exception):
    """The engine did not start; the message says why."""


class EngineKilledError(EngineError):
    """The engine's process died while loading the model."""


class EngineBusyError(Exception):
    """The queue is full."""


class State(msgspec.Struct):
    """The state of the engine's process."""

    running: bool = False
    restarts: int = 0
    last_end: str = ""


class EngineClient:
    """Owns the engine's process. If the process dies, its requests fail, and it starts again."""

    def __init__(self, path: Path, settings: LlamaCppSettings) -> None:
        """Store the arguments; ``start`` starts the process."""
        self._path = path
        self._settings = settings
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[Event]] = {}
        self._answers = 0
        self._connection: Connection | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.ready = Ready(0, 0, 0)
        self.stats = Stats()
        """The engine's latest counters. A new process starts from zero."""
        self.state = State()

    async def start(self) -> None:
        """Start the process and load the model. If something kills it meanwhile, retry once. Raises EngineError."""
        try:
            connection = await self._launch()
        except EngineKilledError as error:
            logger.warning("%s: %s; starting it once more", self._path.name, error)
            connection = await self._launch()
        for notice in self.ready.notices:
            logger.warning("%s: %s", self._path.name, notice)
        self._watcher = asyncio.create_task(self._watch(connection), name="llama.cpp engine")

    async def close(self) -> None:
        """End the process at once; running requests fail."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        await self._end()
        self._fail_all("the engine was stopped")

    def next_id(self) -> int:
        """Return an id for a new request."""
        return next(self._ids)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return None if self._process is None else self._process.pid

    async def events(self, command: Command) -> AsyncGenerator[Event, None]:
        """Send a command and yield the engine's events for it. Closing the iterator cancels the request.

        Raises EngineBusyError if the queue is full.
        """
        connection = self._connection
        if connection is None or not self.state.running:
            reason = self.state.last_end or "it is not started"
            yield Failed(command.id, "crashed", f"the engine is down: {reason}")
            return
        counted = isinstance(command, Generate)
        if counted and self._answers >= self._settings.parallel + self._settings.queue_size:
            raise EngineBusyError(f"the queue is full ({self._settings.queue_size} requests)")
        self._answers += counted
        events: asyncio.Queue[Event] = asyncio.Queue()
        self._waiting[command.id] = events
        done = False
        try:
            connection.send(command)
            while not done:
                event = await events.get()
                done = event.is_last
                yield event
        finally:
            self._answers -= counted
            del self._waiting[command.id]
            if not done and self._connection is connection:
                connection.send(Cancel(command.id))

    async def _launch(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "orbit_llamacpp.engine.process", str(theirs.fileno())),
                    stdin=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env={**_ENVIRONMENT, **os.environ},
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        try:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(lambda: Connection(self._route), sock=ours)
            self._connection = connection
            answer = await self._load(connection)
        except BaseException:
            await self._end()
            raise
        if not isinstance(answer, Ready):
            await self._end()
            if isinstance(answer, Failed) and answer.kind == "crashed":
                raise EngineKilledError(answer.message)
            raise EngineError(answer.message if isinstance(answer, Failed) else "the engine did not start")
        self.ready = answer
        self.stats = Stats()
        self.state.running = True
        return connection

    async def _load(self, connection: Connection) -> Event:
        """Send the first command and wait for its answer, or for the end of the process."""
        command = Start(str(self._path), self._settings)
        events = self._waiting[command.id] = asyncio.Queue()
        try:
            connection.send(command)
            loaded = asyncio.ensure_future(events.get())
            await asyncio.wait([loaded, connection.lost], return_when=asyncio.FIRST_COMPLETED)
            if loaded.done():
                return loaded.result()
            loaded.cancel()
            message = f"the engine's process ended while loading the model: {await self._how_it_ended()}"
            if message.endswith("SIGKILL"):
                message += ", perhaps because memory ran out: choose a smaller model, n_ctx or parallel"
            return Failed(command.id, "crashed", message)
        finally:
            del self._waiting[command.id]

    async def _watch(self, connection: Connection) -> None:
        """Dispatch events until the process dies. Restart it, with increasing pauses."""
        pause = _FIRST_PAUSE
        while True:
            born = time.monotonic()
            await asyncio.shield(connection.lost)
            self.state.running = False
            self.state.last_end = await self._how_it_ended()
            logger.error("The llama.cpp engine died (%s); restarting it.", self.state.last_end)
            await self._end()
            self._fail_all(f"the engine died: {self.state.last_end}")
            if time.monotonic() - born > _STABLE:
                pause = _FIRST_PAUSE
            while True:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                try:
                    connection = await self._launch()
                except (EngineError, OSError) as error:
                    self.state.last_end = str(error)
                    logger.error("The llama.cpp engine does not start: %s", error)  # noqa: TRY400 - the message has it all
                else:
                    self.state.restarts += 1
                    break

    def _route(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Stats) and event.id == UNASKED:
                self.stats = event
                continue
            waiting = self._waiting.get(event.id)
            if waiting is not None:  # otherwise it was cancelled meanwhile
                waiting.put_nowait(event)

    async def _how_it_ended(self) -> str:
        if self._process is None:
            return "it is not started"
        try:
            status = await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            return "it closed its connection"
        if status < 0:
            return signal.Signals(-status).name
        return f"exit status {status}"

    async def _end(self) -> None:
        """Close the connection, which ends the process; kill it if it stays."""
        connection, self._connection = self._connection, None
        process, self._process = self._process, None
        self.state.running = False
        if connection is not None:
            await connection.close()
        if process is None:
            return
        try:
            await asyncio.wait_for(process.wait(), 2)
        except (TimeoutError, asyncio.CancelledError):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _fail_all(self, message: str) -> None:
        for request, events in list(self._waiting.items()):
            events.put_nowait(Failed(request, "crashed", message))
