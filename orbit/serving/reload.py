"""Changes the configuration of a running server: in one process, or in all workers together."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TypeAlias

import msgspec

from orbit.config import Config
from orbit.config.changes import Changes
from orbit.config.model import LogLevel
from orbit.errors import ConfigError, OrbitError, Problem
from orbit.host.host import OrbitHost
from orbit.observing.server_log import configure_logging
from orbit.serving.configuration import next_host
from orbit.serving.sole_server import OwnFolders
from orbit.web.app import Application
from orbit.web.loaded_app import LoadedApp

logger = logging.getLogger("orbit")

Put: TypeAlias = Callable[[Config, Config], None]


class Wanted(msgspec.Struct, frozen=True):
    """A worker to its supervisor: somebody asked for a reload, or for another level of the server log."""

    number: int
    level: LogLevel | None = None


class Outcome(msgspec.Struct, frozen=True):
    """The supervisor to a worker: what came of what it wanted by this number."""

    number: int
    changes: Changes = Changes()
    problems: tuple[Problem, ...] = ()


class Prepare(msgspec.Struct, frozen=True):
    """The supervisor to its workers: start what this configuration needs."""

    number: int
    config: Config


class Serve(msgspec.Struct, frozen=True):
    """The supervisor to its workers: all are prepared; serve by it from now on."""

    number: int


class Forget(msgspec.Struct, frozen=True):
    """The supervisor to its workers: one cannot serve by it; stop what you have prepared."""


class SetLevel(msgspec.Struct, frozen=True):
    """The supervisor to its workers: log at this level."""

    number: int
    level: LogLevel


class Did(msgspec.Struct, frozen=True):
    """A worker to its supervisor: it has done what the message ``number`` asked for, or why not."""

    number: int
    problems: tuple[Problem, ...] = ()


def log_changes(changes: Changes) -> None:
    """Log a reload."""
    logger.info("the configuration was reloaded. %s", changes)


def problems_of(error: OrbitError) -> tuple[Problem, ...]:
    """Return why a reload is refused; only a ConfigError names settings."""
    return error.problems if isinstance(error, ConfigError) else (Problem("", str(error)),)


def log_refusal(problems: Sequence[Problem]) -> None:
    """Log why there was no reload."""
    for problem in problems:
        logger.error("the configuration is not reloaded, the one before it stays in force: %s", problem)


def apply_logging(running: Config, new: Config) -> None:
    """Configure the logging of this process if its settings have changed."""
    before, now = running.host, new.host
    if (before.logging, before.general.verbose) != (now.logging, now.general.verbose):
        try:
            configure_logging(now.logging, verbose=now.general.verbose, data_dir=new.data_dir)
        except ConfigError as error:  # the disk changed since the check
            logger.error("the server log stays as it is: %s", error)  # noqa: TRY400  # a sentence for operators


def at_level(config: Config, level: LogLevel) -> Config:
    """Return the configuration with another level of the server log. The next reload compares the file with it."""
    logging_settings = msgspec.structs.replace(config.host.logging, level=level)
    general = msgspec.structs.replace(config.host.general, verbose=False)  # which would mean DEBUG
    host = msgspec.structs.replace(config.host, logging=logging_settings, general=general)
    return msgspec.structs.replace(config, host=host)


def log_level(level: LogLevel) -> None:
    """Log that the level of the server log is another one."""
    logger.warning("the level of the server log is %s until a restart or a reload", level)


class Reloading:
    """Reloads a server that is one process."""

    def __init__(self, application: Application, put: Put, folders: OwnFolders | None) -> None:
        """``put`` gets the former and the new configuration once the new one is in force."""
        self._application = application
        self._put = put
        self._folders = folders
        self._one_at_a_time = asyncio.Lock()

    async def reload(self) -> Changes:
        """Read the configuration and serve by it. Raises OrbitError; nothing has changed then."""
        async with self._one_at_a_time:
            try:
                return await self._reload()
            except OrbitError as error:
                log_refusal(problems_of(error))
                raise

    async def set_level(self, level: LogLevel) -> None:
        """Log at this level."""
        _take_level(self._application, level)
        log_level(level)

    async def stop(self) -> None:
        """Nothing runs between reloads."""

    async def _reload(self) -> Changes:
        running = self._application.services.host
        host, changes = await asyncio.to_thread(next_host, running.config, former=running)
        if self._folders is not None:
            self._folders.claim(host.registry)
        await self._application.put(await self._application.prepare(host))
        self._put(running.config, host.config)
        log_changes(changes)
        return changes


class WorkerReloading:
    """A worker's part in the reload of all workers: it prepares, and serves when its supervisor says so."""

    def __init__(self, application: Application, put: Put, channel: Connection) -> None:
        self._application = application
        self._put = put
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._next: LoadedApp | None = None
        self._asking: dict[int, asyncio.Future[Changes]] = {}
        """Requests for the supervisor by their numbers."""
        self._numbers = itertools.count()
        self._messages: asyncio.Queue[object] = asyncio.Queue()
        self._task = asyncio.create_task(self._work(), name="reload with the supervisor")
        threading.Thread(target=self._listen, name="messages of the supervisor", daemon=True).start()

    async def reload(self) -> Changes:
        """Ask the supervisor to reload all workers. Raises OrbitError; nothing has changed then."""
        return await self._ask()

    async def set_level(self, level: LogLevel) -> None:
        """Ask the supervisor to let all workers log at this level. Raises OrbitError if one did not."""
        await self._ask(level)

    async def stop(self) -> None:
        """Take no more messages."""
        self._task.cancel()
        await asyncio.wait([self._task])
        for number in list(self._asking):
            self._end(Outcome(number, problems=(Problem("", "the server is stopping."),)))

    async def _ask(self, level: LogLevel | None = None) -> Changes:
        number = next(self._numbers)
        future: asyncio.Future[Changes] = self._loop.create_future()
        self._asking[number] = future
        self._channel.send(Wanted(number, level))
        return await future

    def _listen(self) -> None:
        with suppress(OSError, EOFError, RuntimeError):  # the supervisor has gone, or the loop is closed
            while True:
                message = self._channel.recv()
                self._loop.call_soon_threadsafe(self._messages.put_nowait, message)

    async def _work(self) -> None:
        while True:
            message = await self._messages.get()
            if isinstance(message, Prepare):
                self._channel.send(Did(message.number, await self._prepare(message.config)))
            elif isinstance(message, Serve):
                await self._serve()
                self._channel.send(Did(message.number))
            elif isinstance(message, SetLevel):
                _take_level(self._application, message.level)
                self._channel.send(Did(message.number))
            elif isinstance(message, Outcome):
                self._end(message)
            elif isinstance(message, Forget) and self._next is not None:
                await self._next.close()
                self._next = None

    async def _prepare(self, config: Config) -> tuple[Problem, ...]:
        try:
            host = await asyncio.to_thread(OrbitHost, config, former=self._application.services.host)
            self._next = await self._application.prepare(host)
        except OrbitError as error:
            return problems_of(error)
        except Exception as error:
            logger.exception("a worker could not prepare the new configuration")
            return (Problem("", f"{type(error).__name__}: {error}"),)
        return ()

    async def _serve(self) -> None:
        if self._next is None:  # it started by the new configuration already
            return
        running, loaded, self._next = self._application.services.config, self._next, None
        await self._application.put(loaded)
        self._put(running, loaded.services.config)

    def _end(self, outcome: Outcome) -> None:
        future = self._asking.pop(outcome.number)
        if future.done():  # nobody waits any more
            return
        if outcome.problems:
            future.set_exception(ConfigError(outcome.problems))
        else:
            future.set_result(outcome.changes)


def _take_level(application: Application, level: LogLevel) -> None:
    running = application.services.config
    application.services.reconfigure(at_level(running, level))
    apply_logging(running, application.services.config)
