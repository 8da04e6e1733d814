"""``orbit serve``: run the server."""

from __future__ import annotations

import os
import sys

import click

from orbit.cli.options import config_option


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on. Default: general.host.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="Port to listen on. Default: general.port.")
@click.option("--workers", type=click.IntRange(1), default=1, metavar="N", help="Worker processes. Default: 1.")
@click.option("--reload", is_flag=True, help="Start again when the code changes; for development.")
@config_option
def serve(host: str | None, port: int | None, workers: int, *, reload: bool, config_path: str | None) -> None:
    """Run the server until it is told to stop (Ctrl-C or SIGTERM), then let running answers end."""
    from orbit.cli.first_run import is_first_run, prepare
    from orbit.config import find_config
    from orbit.errors import ConfigError, Problem
    from orbit.host import OrbitHost
    from orbit.logs import configure_logging
    from orbit.web.checks import serving_problems
    from orbit.web.server import CONFIG_VARIABLE, address_of, bind, run

    file = find_config(config_path)
    if file is not None:
        os.environ[CONFIG_VARIABLE] = str(file.resolve())  # for the worker processes
    checked = OrbitHost.from_file(config_path)
    problems = [*checked.problems, *serving_problems(checked.config)]
    if problems:
        raise ConfigError(problems)
    settings = checked.config.host
    if workers > 1:
        reasons = {name: checked.registry[name].exclusive() for name in checked.registry.names()}
        problems = [
            Problem(name, f"{reason} Use --workers 1, or mend that.") for name, reason in reasons.items() if reason
        ]
        if problems:
            raise ConfigError(problems)
    configure_logging(settings.logging, verbose=settings.general.verbose)
    interface = host or settings.general.host
    listeners = [bind(interface, settings.general.port if port is None else port)]
    address = address_of(listeners[0])
    if settings.general.https.enabled:
        listeners.append(bind(interface, settings.general.https.port, "general.https.port"))
        address = address_of(listeners[1], "https")
    if is_first_run(checked.config):
        prepare(checked.config, address)
    click.echo(f"Starting at {address} ..." + (" (Ctrl-C stops it)" if sys.stdin.isatty() else ""))
    run(checked.config, listeners, workers=workers, reload=reload)
