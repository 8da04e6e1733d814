"""``orbit reload``: a running server reads its configuration again."""

from __future__ import annotations

import click

from orbit.cli.shared.running import server_of
from orbit.cli.shared.target import EXIT_CODES, Target, target_options


@click.command(epilog=EXIT_CODES)
@target_options
def reload(target: Target) -> None:
    """Let the running server read its configuration again.

    Providers whose sections changed are replaced between turns; running answers finish on the earlier ones. All workers
    change together. A configuration with problems changes nothing: the command prints them and exits with 1.
    """
    reloaded = target.run(lambda: server_of(target), lambda admin: admin.reload())
    target.show(reloaded, reloaded.message)
