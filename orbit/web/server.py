"""Running the application with uvicorn: in one process or several."""

from __future__ import annotations

import socket

import uvicorn
from uvicorn.supervisors import ChangeReload, Multiprocess

from orbit.config import load_config
from orbit.errors import ConfigError, OrbitError
from orbit.logs import configure_logging
from orbit.web.app import Application, create_app

CONFIG_VARIABLE = "ORBIT_CONFIG"
_BACKLOG = 2048


def application() -> Application:
    """The application of a server process; its configuration file is named by ``ORBIT_CONFIG``."""
    config = load_config()
    configure_logging(config.host.logging, verbose=config.host.general.verbose)
    return create_app(config)


def bind(host: str, port: int) -> socket.socket:
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
        raise ConfigError(
            f"cannot listen on {host}, port {port}: {reason}. Choose another with --port or general.port, "
            "or stop the program that uses it."
        ) from error
    listener.set_inheritable(True)
    return listener


def address_of(listener: socket.socket) -> str:
    """The address that people can type to reach the server from this machine."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104  # every interface, this machine's own among them
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def run(listener: socket.socket, *, workers: int, reload: bool, drain_seconds: float) -> None:
    """Serve until a signal ends it. Raises OrbitError if the server could not start."""
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        "orbit.web.server:application",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        reload=reload,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(drain_seconds)),
        timeout_keep_alive=75,
    )
    if reload:
        ChangeReload(config, target=uvicorn.Server(config).run, sockets=[listener]).run()
    elif workers > 1:
        Multiprocess(config, sockets=[listener]).run()
    else:
        server = uvicorn.Server(config)
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            return
        if not server.started:
            raise OrbitError("the server did not start; the reason stands above.")
