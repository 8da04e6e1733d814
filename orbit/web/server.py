"""Running the application with uvicorn: in one process or several."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.supervisors import ChangeReload

from orbit.config import Config, load_config
from orbit.config.model import Https
from orbit.errors import ConfigError, OrbitError
from orbit.logs import configure_logging
from orbit.web.app import Application, create_app
from orbit.web.metrics import FOLDER_VARIABLE, empty_folder
from orbit.web.service_manager import notify
from orbit.web.slow_senders import SlowSenders
from orbit.web.tls import Certificate
from orbit.web.workers import Workers

CONFIG_VARIABLE = "ORBIT_CONFIG"
_BACKLOG = 2048
_TICKS_PER_SECOND = 10

SECURITY_HEADERS = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
]
"""Headers of every response, uvicorn's own among them."""

logger = logging.getLogger("orbit")


def application() -> Application:
    """The application of a server process; its configuration file is named by ``ORBIT_CONFIG``."""
    config = load_config()
    configure_logging(config.host.logging, verbose=config.host.general.verbose)
    return create_app(config)


def bind(host: str, port: int, setting: str = "general.port") -> socket.socket:
    """Open the listening socket. Raises ConfigError with a sentence if the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        option = "--port or general.port" if setting == "general.port" else setting
        advice = {
            errno.EADDRINUSE: f"Choose another with {option}, or stop the program that uses it.",
            errno.EACCES: f"Choose a port above 1023 with {option}, or give the server the right to use this one.",
        }.get(error.errno or 0, "general.host must be an address of this machine, or 0.0.0.0 for all that it has.")
        raise ConfigError(f"cannot listen on {host}, port {port}: {reason}. {advice}") from error
    listener.set_inheritable(True)
    return listener


def address_of(listener: socket.socket, scheme: str = "http") -> str:
    """The address that people can type to reach the server from this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104  # every interface, this machine's own among them
        host = "localhost"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


class Server(uvicorn.Server):
    """uvicorn's server, with a second socket for HTTPS, renewed certificates, and no patience for slow senders.

    It can be pickled until it runs, as the processes of ``--workers`` and ``--reload`` need it.
    """

    def __init__(self, config: uvicorn.Config, https: Https, receive_seconds: float) -> None:
        super().__init__(config)
        self.on_started: Callable[[], object] | None = None
        self.supervisor: int | None = None
        """The process whose end is the end of this one too."""
        self._https = https
        self._certificate: Certificate | None = None
        self._slow_senders = SlowSenders(receive_seconds)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept: HTTP on the first socket, HTTPS on the second."""
        plain, secure = (sockets or [])[:1], (sockets or [])[1:]
        if secure:
            self._certificate = Certificate(self._https)
        await super().startup(sockets=plain)
        for listener in secure:
            assert self._certificate is not None
            self.servers.append(
                await asyncio.get_running_loop().create_server(
                    self._connection, sock=listener, ssl=self._certificate.context, backlog=_BACKLOG
                )
            )
        if self.on_started is not None:
            self.on_started()

    async def on_tick(self, counter: int) -> bool:
        """Look after what needs it once a second."""
        if counter % _TICKS_PER_SECOND == 0:
            self._slow_senders.look(self.server_state.connections)
            if self._certificate is not None:
                self._certificate.refresh()
            if self.supervisor is not None and os.getppid() != self.supervisor:
                self.supervisor = None
                logger.error("the supervising process has gone; this worker ends too")
                signal.raise_signal(signal.SIGTERM)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # a signal handler's signature
        """End gracefully; at a second Ctrl-C at once. Unlike uvicorn's, the end is no death by that signal."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True

    def _connection(self) -> Any:
        kind: Any = self.config.http_protocol_class
        return kind(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def make_server(config: Config, application: Application | str) -> Server:
    """A server for an application, or for the name of its factory."""
    host = config.host
    proxies = list(host.general.trusted_proxies)
    headers = list(SECURITY_HEADERS)
    if host.general.https.enabled and host.general.https.hsts_seconds:  # over plain HTTP, browsers do not heed it
        headers.append(("strict-transport-security", f"max-age={host.general.https.hsts_seconds}"))
    settings = uvicorn.Config(
        application,
        factory=isinstance(application, str),
        loop="uvloop",
        http="httptools",
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
    return Server(settings, host.general.https, host.timeouts.receive)


def run(config: Config, listeners: list[socket.socket], *, workers: int, reload: bool) -> None:
    """Serve until a signal ends it. Raises OrbitError if the server could not start."""
    server = make_server(config, "orbit.web.server:application")
    if reload:
        server.config.reload = True
        ChangeReload(server.config, target=server.run, sockets=listeners).run()
    elif workers > 1:
        folder = empty_folder(config.data_dir)
        Workers(server, listeners, workers, {FOLDER_VARIABLE: str(folder.resolve())}).run()
    else:
        server.on_started = lambda: notify("READY=1")
        try:
            server.run(sockets=listeners)
        except KeyboardInterrupt:
            return
        except SystemExit:  # how uvicorn ends when the application did not start
            if server.should_exit:
                return
        if not server.started and not server.should_exit:
            raise OrbitError("the server did not start; the reason stands above.")
