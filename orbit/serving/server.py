"""Runs the application with uvicorn, in one process or several."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

import uvicorn
from typing_extensions import override

from orbit.config import Config
from orbit.config.model import Https, Timeouts
from orbit.errors import ConfigError, OrbitError
from orbit.host.host import OrbitHost
from orbit.observing.server_log import configure_logging
from orbit.serving.http_protocol import LimitedProtocol
from orbit.serving.listening import cannot_listen
from orbit.serving.reload import Reloading, WorkerReloading, apply_logging
from orbit.serving.signals import FORCE, HANGUP, REPEAT_SECONDS, STOPPING, Hangup
from orbit.serving.slow_senders import SlowSenders
from orbit.serving.sole_server import OwnFolders
from orbit.serving.stalled_readers import StalledReaders
from orbit.serving.systemd import notify
from orbit.serving.tls import Certificate
from orbit.serving.watchdog import Watchdog
from orbit.serving.workers import Workers
from orbit.web.api.metrics import FOLDER_VARIABLE, empty_folder
from orbit.web.app import Application, Background, create_app

_BACKLOG = 2048
_TICKS_PER_SECOND = 10

SECURITY_HEADERS = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
]
"""Headers of every response, including uvicorn's own."""

logger = logging.getLogger("orbit")


NOTICE_SECONDS = 1.0
"""Seconds for load balancers to notice that the server is no longer ready."""
_FORCED_SECONDS = 5.0
_ABANDON_SECONDS = 5.0
_LEAVE_SECONDS = 2.0
"""Seconds for threads to end once everything is saved."""


def application(config: Config) -> Application:
    """Return the application of a worker process, and configure the logging of that process."""
    configure_logging(config.host.logging, verbose=config.host.general.verbose, data_dir=config.data_dir)
    return create_app(config)


def patience(timeouts: Timeouts) -> float:
    """Return how many seconds a server may take to stop: notice, drain, and twice a provider's time to close."""
    return NOTICE_SECONDS + timeouts.drain + 2 * timeouts.stop + _FORCED_SECONDS


class Server(uvicorn.Server):
    """uvicorn's server with HTTPS on a second socket, certificate renewal, connection limits and a bounded shutdown.

    SIGHUP reloads the configuration. SIGTERM, SIGINT and the end of its terminal stop it: readiness fails first, the
    sockets close a little later, and running answers may finish. A second SIGINT cuts them short, and still writes
    their records. A signal during start-up abandons the start. If a thread or a provider keeps the process alive too
    long, a watchdog ends it.

    The server can be pickled until it runs, because worker processes receive it that way.
    """

    def __init__(
        self, config: uvicorn.Config, https: Https, timeouts: Timeouts, build: Callable[[], Application] | None
    ) -> None:
        super().__init__(config)
        self.on_started: Callable[[], object] | None = None
        self.supervisor: int | None = None
        """The process whose end is the end of this one too."""
        self._notice_seconds = NOTICE_SECONDS
        self._build = build
        self._https = https
        self._timeouts = timeouts
        self._certificate: Certificate | None = None
        self._slow_senders = SlowSenders(timeouts.receive)
        self._stalled_readers = StalledReaders(timeouts.send)
        self._watchdog: Watchdog | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told_at: float | None = None
        self.folders: OwnFolders | None = None
        """The folders that a reload may add to; None if others hold them."""
        self.channel: Connection | None = None
        """Leads to the supervisor of a worker process."""
        self._hangup = Hangup()
        self._hung_up = False
        self._reloading: Reloading | WorkerReloading
        self._reload_task: asyncio.Task[None] | None = None

    @property
    def told_to_stop(self) -> bool:
        """Whether the server has received a signal to stop."""
        return self._told_at is not None

    def hurry(self) -> None:
        """Stop without notice and give running answers one second, for development."""
        self._notice_seconds = 0.0
        self.config.timeout_graceful_shutdown = 1

    @override
    def run(self, sockets: list[socket.socket] | None = None) -> None:
        if self._build is not None:
            self.config.app = self._build()
        super().run(sockets)

    @override
    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().serve(sockets)
        finally:
            self._end_within(_LEAVE_SECONDS, 0 if self.started or self.told_to_stop else 1)

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept: HTTP on the first socket, HTTPS on the second.

        Raises ConfigError if another server has begun to listen on the address meanwhile.
        """
        self._loop = asyncio.get_running_loop()
        plain, secure = (sockets or [])[:1], (sockets or [])[1:]
        if secure:
            self._certificate = Certificate(self._https)
        if self.told_to_stop:
            self._abandon_start()
        await super().startup(sockets=[])
        try:
            for listener in plain:
                await self._accept(listener, "general.port")
            for listener in secure:
                assert self._certificate is not None
                context, seconds = self._certificate.context, self._timeouts.receive
                await self._accept(listener, "general.https.port", ssl=context, ssl_handshake_timeout=seconds)
        except ConfigError:
            self.started = False
            await self.lifespan.shutdown()
            raise
        application = self._application
        if self.channel is not None:
            self._reloading = WorkerReloading(application, self._follow, self.channel)
        else:
            self._reloading = Reloading(application, self._follow, self.folders)
        application.control = self._reloading
        if self.on_started is not None:
            self.on_started()

    async def _accept(self, listener: socket.socket, setting: str, **options: Any) -> None:
        try:
            listener.listen(_BACKLOG)  # not left to uvloop, which tells nobody if it fails
        except OSError as error:
            host, port = listener.getsockname()[:2]
            raise cannot_listen(host, port, setting, error) from error
        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_server(self._connection, sock=listener, backlog=_BACKLOG, **options))

    def _follow(self, running: Config, new: Config) -> None:
        """Take from a reloaded configuration what concerns the server itself."""
        apply_logging(running, new)
        if self._certificate is not None:
            self._certificate.follow(new.host.general.https)

    async def _reload(self) -> None:
        with suppress(OrbitError):  # it is in the log
            await self._reloading.reload()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._reload_task is not None and not self._reload_task.done():
            self._reload_task.cancel()
            await asyncio.wait([self._reload_task])
        if hasattr(self, "_reloading"):
            await self._reloading.stop()
        await super().shutdown(sockets)
        # uvicorn would skip the shutdown that saves records.
        if self.force_exit and not self.lifespan.shutdown_event.is_set():
            cut = list(self.server_state.tasks)
            for task in cut:
                task.cancel()
            if cut:
                await asyncio.wait(cut, timeout=_FORCED_SECONDS / 2)
            await self.lifespan.shutdown()

    @override
    async def on_tick(self, counter: int) -> bool:
        """Check for the end of the drain at each tick, and connections and certificates once a second."""
        if counter % _TICKS_PER_SECOND == 0:
            self._slow_senders.look(self.server_state.connections)
            self._stalled_readers.look(self.server_state.connections)
            if self._certificate is not None:
                self._certificate.refresh()
            if self.supervisor is not None and os.getppid() != self.supervisor:
                self.supervisor = None
                logger.error("the supervising process has gone; this worker ends too")
                signal.raise_signal(signal.SIGTERM)
        if self._hung_up and (self._reload_task is None or self._reload_task.done()):
            self._hung_up = False
            if self._hangup.closed:
                self.handle_exit(signal.SIGTERM, None)
            else:
                self._reload_task = asyncio.create_task(self._reload(), name="reload")
        if self._told_at is not None:
            draining = self._application.services.draining
            if not draining.is_set():
                logger.info("stopping: no longer ready, running answers may end")
                draining.set()
            if time.monotonic() >= self._told_at + self._notice_seconds:
                self.should_exit = True
        return await super().on_tick(counter)

    @contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while entered. Workers leave signals from a terminal to their supervisor."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._watchdog = Watchdog()
        self._watchdog.start()
        handled = set(STOPPING)
        if multiprocessing.parent_process() is not None:
            handled = {signal.SIGTERM, FORCE}
        elif signal.getsignal(HANGUP) is signal.SIG_IGN:  # nohup
            handled.discard(HANGUP)
        former = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop gracefully, or at once at a second Ctrl-C. Unlike uvicorn, do not die by the signal itself."""
        if sig == HANGUP and not self._hangup.closed:
            self._hung_up = True
            return
        now = time.monotonic()
        forced = sig == FORCE != signal.SIGTERM  # the supervisor heard two signals, even if this worker is late
        again = self._told_at is not None and sig != HANGUP and now >= self._told_at + REPEAT_SECONDS
        if self._told_at is None:
            self._told_at = now
            if self.started:
                self._end_within(patience(self._timeouts))
            else:
                self.should_exit = True
                self._end_within(min(self._timeouts.stop, _ABANDON_SECONDS))
                if self._loop is not None:
                    self._loop.call_soon_threadsafe(self._abandon_start)
        if again or forced:
            if sig in (signal.SIGINT, FORCE):
                self.force_exit = True
                self._end_within(_FORCED_SECONDS)
            self.should_exit = True

    @property
    def _application(self) -> Application:
        assert isinstance(self.config.app, Application)
        return self.config.app

    def _abandon_start(self) -> None:
        logger.info("told to stop while starting")
        self._application.abandon_start()

    def _end_within(self, seconds: float, status: int = 1) -> None:
        if self._watchdog is not None:
            self._watchdog.arm(seconds, status)

    def _connection(self) -> Any:
        kind: Any = self.config.http_protocol_class
        return kind(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def make_server(config: Config, application: Application | Callable[[], Application]) -> Server:
    """Return a server for an application, or for a function that builds the application in the serving process."""
    host = config.host
    proxies = list(host.general.trusted_proxies)
    headers = list(SECURITY_HEADERS)
    if host.general.https.enabled and host.general.https.hsts_seconds:  # browsers ignore the header over plain HTTP
        headers.append(("strict-transport-security", f"max-age={host.general.https.hsts_seconds}"))
    settings = uvicorn.Config(
        application,
        loop="uvloop",
        http=LimitedProtocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        headers=headers,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_graceful_shutdown=max(1, round(host.timeouts.drain)),
        timeout_keep_alive=75,
    )
    build = None if isinstance(application, Application) else application
    return Server(settings, host.general.https, host.timeouts, build)


def _worker_server(config: Config) -> Server:
    return make_server(config, partial(application, config))


def run(
    host: OrbitHost,
    listeners: list[socket.socket],
    workers: int = 1,
    beside: Background | None = None,
    folders: OwnFolders | None = None,
) -> None:
    """Serve until a signal ends it. Raises OrbitError if the server could not start.

    ``beside`` runs while the server answers, if it is one process, and is cancelled when it stops.
    """
    config = host.config
    if workers > 1:
        folder = empty_folder(config.data_dir)
        environment = {FOLDER_VARIABLE: str(folder.resolve())}
        Workers(config, _worker_server, listeners, workers, environment, patience(config.host.timeouts)).run()
        return
    server = make_server(config, create_app(config, host, beside))
    server.folders = folders
    server.on_started = _ready
    serve_here(server, listeners)


def _ready() -> None:
    logger.info("the server is ready")
    notify("READY=1")


def serve_here(server: Server, listeners: list[socket.socket]) -> None:
    """Run a server in this process. Raises OrbitError if it could not start."""
    try:
        server.run(sockets=listeners)
    except KeyboardInterrupt:
        return
    except SystemExit:  # how uvicorn ends when the application did not start
        pass
    if not server.started and not server.told_to_stop:
        raise OrbitError("the server did not start; the reason stands above.")
