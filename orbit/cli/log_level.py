"""``orbit log-level``: how much a running server logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orbit.cli.shared.running import server_of
from orbit.cli.shared.target import EXIT_CODES, Target, target_options

if TYPE_CHECKING:
    from orbit.config.model import LogLevel

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@click.command(name="log-level", epilog=EXIT_CODES)
@click.argument("level", required=False, type=click.Choice(LEVELS, case_sensitive=False))
@target_options
def log_level(target: Target, level: LogLevel | None) -> None:
    """Show or change the level of the running server's log, in all workers.

    It holds until the server restarts or reloads its configuration; logging.level is the lasting setting.
    """
    found = target.run(lambda: server_of(target), lambda admin: admin.log_level(level))
    target.show(found, found.level)
