"""Worker processes on shared sockets, and their supervisor."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol

import msgspec
import uvicorn

from orbit.config import Config
from orbit.config.model import LogLevel
from orbit.errors import ConfigError, OrbitError, Problem
from orbit.serving.configuration import next_host
from orbit.serving.reload import (
    Did,
    Forget,
    Outcome,
    Prepare,
    Serve,
    SetLevel,
    Wanted,
    apply_logging,
    at_level,
    log_changes,
    log_level,
    log_refusal,
    problems_of,
)
from orbit.serving.signals import FORCE, HANGUP, REPEAT_SECONDS, STOPPING, Hangup, leave_to_parent, shielded
from orbit.serving.systemd import notify

logger = logging.getLogger("orbit")

_LOOK_SECONDS = 0.5
_LONGEST_PAUSE = 30.0
_PATIENCE_SECONDS = 60.0
"""For a worker to take up a reload, beside the time in which its providers may start."""
_spawn = multiprocessing.get_context("spawn")


class WorkersServer(Protocol):
    """A server that can be pickled and run in another process."""

    config: uvicorn.Config
    on_started: Any
    supervisor: int | None
    channel: Connection | None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal ends it."""
        ...


class _Worker:
    """One worker process and its state."""

    def __init__(self, server: WorkersServer, listeners: list[socket.socket], environment: Mapping[str, str]) -> None:
        self.channel, theirs = _spawn.Pipe()
        self.process: SpawnProcess = _spawn.Process(
            target=_serve, args=(server, listeners, theirs, os.getpid(), environment)
        )
        with shielded():
            self.process.start()
        theirs.close()
        self.ready = False
        self.open = True
        self.did: Did | None = None
        """Its answer to the last message of a reload."""

    def send(self, message: object) -> None:
        with suppress(OSError):  # it has just ended
            self.channel.send(message)

    def tell(self, number: int) -> None:
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, number)


class Workers:
    """Keeps ``number`` worker processes running until a signal, then lets each finish its answers.

    It replaces a worker that dies, after a pause that grows while successors die before they are ready. If one of the
    first workers does not start, it stops them all. It forwards a second signal too: SIGTERM ends the workers' notice,
    SIGINT cuts their answers short. After ``patience`` seconds it kills workers that are still running. SIGHUP, or a
    worker that was asked, reloads the configuration of all; a worker that was asked changes the log level of all.
    """

    def __init__(
        self,
        config: Config,
        server_of: Callable[[Config], WorkersServer],
        listeners: list[socket.socket],
        number: int,
        environment: Mapping[str, str],
        patience: float,
    ) -> None:
        """Run what ``server_of`` makes of the configuration. Set ``environment`` in each worker."""
        self._patience = patience
        self._environment = environment
        self._config = config
        self._server_of = server_of
        self._server = server_of(config)
        self._listeners = listeners
        self._number = number
        self._workers: list[_Worker] = []
        self._told_at: float | None = None
        self._hangup = Hangup()
        self._hung_up = False
        self._wanted: list[tuple[_Worker, Wanted]] = []
        """What workers were asked for."""
        self._number_asked = 0

    def run(self) -> None:
        """Run until all workers have ended. Raises OrbitError if they could not start."""
        for number in STOPPING:
            if number != HANGUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                signal.signal(number, self._stop)
        self._workers = [self._worker() for _ in range(self._number)]
        if self._all_ready():
            logger.info("%d workers are ready", self._number)
            notify("READY=1")
            self._keep()
        failed = not self._stopping
        self._tell_all(signal.SIGTERM)
        self._join()
        if failed:
            raise OrbitError("a worker did not start; the reason stands above.")

    def _worker(self) -> _Worker:
        return _Worker(self._server, self._listeners, self._environment)

    def _all_ready(self) -> bool:
        """Wait until all workers have started. Returns False if one ended or a signal came."""
        while not self._stopping:
            self._hear()
            if all(worker.ready for worker in self._workers):
                return True
            if not all(worker.process.is_alive() for worker in self._workers):
                return False
        return False

    def _keep(self) -> None:
        """Replace workers that die, until a signal comes."""
        pause, replace_at = 0.0, 0.0
        while not self._stopping:
            self._hear()
            if self._hung_up or self._wanted:
                self._answer()
            dead = [worker for worker in self._workers if not worker.process.is_alive()]
            for worker in dead:
                self._workers.remove(worker)
                logger.error("worker %s died with status %s", worker.process.pid, worker.process.exitcode)
                pause = 0.0 if worker.ready else min(max(1.0, 2 * pause), _LONGEST_PAUSE)
                replace_at = time.monotonic() + pause
            if len(self._workers) < self._number and time.monotonic() >= replace_at and not self._stopping:
                self._workers.append(self._worker())

    def _answer(self) -> None:
        """Do what signals and workers ask for. What is asked meanwhile waits for the next time."""
        hung_up, self._hung_up = self._hung_up, False
        wanted, self._wanted = self._wanted, []
        if hung_up and self._hangup.closed:
            self._told_at = time.monotonic()
            return
        reloads = [(worker, asked.number) for worker, asked in wanted if asked.level is None]
        if hung_up or reloads:
            outcome = self._reload()
            for worker, number in reloads:
                worker.send(msgspec.structs.replace(outcome, number=number))
        for worker, asked in wanted:
            if asked.level is not None:
                worker.send(Outcome(asked.number, problems=self._set_level(asked.level)))

    def _reload(self) -> Outcome:
        """Let all workers prepare the configuration of the file, then serve by it; or none of them."""
        running = self._config
        try:
            host, changes = next_host(running, self._number)
            config = host.config
            providers = config.host.timeouts.start * max(1, len(config.providers))
            self._ask(lambda number: Prepare(number, config), providers)
        except OrbitError as error:
            problems = problems_of(error)
            log_refusal(problems)
            self._send_all(Forget())
            return Outcome(0, problems=problems)
        self._take(config)
        with suppress(ConfigError):  # one that has died: its successor serves by the new configuration, too
            self._ask(Serve)
        log_changes(changes)
        return Outcome(0, changes)

    def _set_level(self, level: LogLevel) -> tuple[Problem, ...]:
        """Let all processes log at this level. Return why one did not."""
        self._take(at_level(self._config, level))
        try:
            self._ask(lambda number: SetLevel(number, level))
        except ConfigError as error:
            return error.problems
        log_level(level)
        return ()

    def _take(self, config: Config) -> None:
        """Use a configuration for this process and for workers to come."""
        running, self._config, self._server = self._config, config, self._server_of(config)
        apply_logging(running, config)

    def _ask(self, message: Callable[[int], object], seconds: float = 0.0) -> None:
        """Wait until all workers have done what a numbered message asks. Raises ConfigError if one cannot."""
        for worker in self._workers:
            worker.did = None
        self._number_asked += 1
        self._send_all(message(self._number_asked))
        deadline = time.monotonic() + _PATIENCE_SECONDS + seconds
        while not self._stopping:
            alive = [worker for worker in self._workers if worker.process.is_alive()]
            for worker in alive:
                if worker.did is not None and worker.did.problems:
                    raise ConfigError(worker.did.problems)
            if all(worker.did is not None for worker in alive):
                return
            if time.monotonic() >= deadline:
                raise ConfigError("a worker did not take it in time.")
            self._hear()
        raise ConfigError("the server is stopping.")

    def _send_all(self, message: object) -> None:
        for worker in self._workers:
            worker.send(message)

    def _hear(self) -> None:
        """Wait briefly for a worker to start, to say something or to end."""
        channels: dict[Any, _Worker] = {worker.channel: worker for worker in self._workers if worker.open}
        ends = {worker.process.sentinel: worker for worker in self._workers}
        for item in wait([*channels, *ends], _LOOK_SECONDS):
            worker = channels.get(item)
            if worker is not None and worker.channel.poll():
                try:
                    self._note(worker, worker.channel.recv())
                except (EOFError, OSError):  # it ended
                    worker.open = False

    def _note(self, worker: _Worker, message: object) -> None:
        if isinstance(message, Did):
            if message.number == self._number_asked:  # not a late answer
                worker.did = message
        elif isinstance(message, Wanted):
            self._wanted.append((worker, message))
        else:
            worker.ready = bool(message)

    def _join(self) -> None:
        """Wait for the workers to end, and kill those that do not end in time."""
        deadline = time.monotonic() + self._patience + _LOOK_SECONDS
        while alive := [worker for worker in self._workers if worker.process.is_alive()]:
            wait([worker.process.sentinel for worker in alive], _LOOK_SECONDS)
            if time.monotonic() >= deadline:
                for worker in alive:
                    logger.error("worker %s did not end and is killed", worker.process.pid)
                    worker.process.kill()

    def _stop(self, number: int, frame: Any) -> None:  # noqa: ARG002  # a signal handler's signature
        if number == HANGUP and not self._hangup.closed:
            self._hung_up = True
            return
        now = time.monotonic()
        if self._told_at is None:
            self._told_at = now
        elif number != HANGUP and now >= self._told_at + REPEAT_SECONDS:
            self._tell_all(FORCE if number == signal.SIGINT else signal.SIGTERM)

    @property
    def _stopping(self) -> bool:
        return self._told_at is not None

    def _tell_all(self, number: int) -> None:
        for worker in self._workers:
            worker.tell(number)


def _serve(
    server: WorkersServer,
    listeners: list[socket.socket],
    channel: Connection,
    supervisor: int,
    environment: Mapping[str, str],
) -> None:
    """Run one worker process."""
    leave_to_parent()
    os.environ.update(environment)
    server.config.configure_logging()  # unpickling the configuration does not configure logging
    server.on_started = lambda: channel.send(True)  # noqa: FBT003  # the message itself
    server.supervisor = supervisor
    server.channel = channel
    try:
        server.run(sockets=listeners)
    except OrbitError as error:
        logger.error("%s", error)  # noqa: TRY400  # the sentence says it all
        sys.exit(1)
