"""``orbit serve``: run the server."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orbit.cli.shared.options import config_option

if TYPE_CHECKING:
    from orbit.host.host import OrbitHost

CONFIG_VARIABLE = "ORBIT_CONFIG"


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on. Default: general.host.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="Port to listen on. Default: general.port.")
@click.option("--workers", type=click.IntRange(1), default=1, metavar="N", help="Worker processes. Default: 1.")
@click.option("--reload", is_flag=True, help="Restart when code or configuration change; for development.")
@config_option
def serve(host: str | None, port: int | None, workers: int, *, reload: bool, config_path: str | None) -> None:
    """Run the server until SIGTERM or Ctrl-C. Running answers may finish.

    A second Ctrl-C ends them at once. SIGHUP reloads the configuration, as `orbit reload` does.
    """
    from orbit.cli.first_run import finish, is_first_run, prepare, unfinished
    from orbit.config import find_config
    from orbit.serving.autoreload import Reloader
    from orbit.serving.listening import address_of, bind
    from orbit.serving.server import run
    from orbit.serving.sole_server import OwnFolders, announce, sole_server

    if reload and workers > 1:
        raise click.UsageError("--reload runs one process; leave --workers out.")
    file = find_config(config_path)
    if file is not None:
        os.environ[CONFIG_VARIABLE] = str(file.resolve())  # for the processes that --reload starts
    checked = _checked(workers)
    settings = checked.config.host
    with ExitStack() as stack:
        stack.enter_context(sole_server(checked.config.data_dir))
        folders = OwnFolders(stack)
        folders.claim(checked.registry)
        interface = host or settings.general.host
        listeners = [bind(interface, settings.general.port if port is None else port)]
        address = address_of(listeners[0])
        if settings.general.https.enabled:
            listeners.append(bind(interface, settings.general.https.port, "general.https.port"))
            address = address_of(listeners[1], "https")
        announce(checked.config.data_dir, address)
        if is_first_run(checked.config):
            prepare(checked.config, address, everything=reload)
        click.echo(f"Starting at {address} ..." + (" (Ctrl-C stops it)" if sys.stdin.isatty() else ""))
        if reload:
            beside = file.parent if file is not None else Path()
            Reloader(_serve_again, listeners, [file or Path("config.yaml"), beside / ".env"]).run()
        else:
            run(checked, listeners, workers, finish if unfinished(checked.config) else None, folders)


def _checked(workers: int) -> OrbitHost:
    """Return the host of the configuration and set up logging. Raises ConfigError with all problems."""
    from orbit.observing.server_log import configure_logging
    from orbit.serving.configuration import checked_host

    checked = checked_host(workers)
    settings = checked.config.host
    configure_logging(settings.logging, verbose=settings.general.verbose, data_dir=checked.config.data_dir)
    return checked


def _serve_again(listeners: list[socket.socket]) -> None:
    """Load the configuration again and serve, in each process that ``--reload`` starts."""
    from orbit.cli import reported
    from orbit.serving.server import make_server, serve_here
    from orbit.serving.signals import leave_to_parent
    from orbit.web.app import create_app

    leave_to_parent()
    with reported():
        checked = _checked(1)
        server = make_server(checked.config, create_app(checked.config, checked))
        server.supervisor = os.getppid()
        server.hurry()
        serve_here(server, listeners)
