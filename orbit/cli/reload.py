"""``orbit reload``: a running server reads its configuration again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orbit.cli.shared.target import EXIT_CODES, Target, target_options

if TYPE_CHECKING:
    from orbit.admin.client import RemoteAdministration


@click.command(epilog=EXIT_CODES)
@target_options
def reload(target: Target) -> None:
    """Let the running server read its configuration again.

    Providers whose sections changed are replaced between turns; running answers finish on the earlier ones. All workers
    change together. A configuration with problems changes nothing: the command prints them and exits with 1.
    """
    reloaded = target.run(lambda: _server(target), lambda admin: admin.reload())
    target.show(reloaded, reloaded.message)


@asynccontextmanager
async def _server(target: Target) -> AsyncIterator[RemoteAdministration]:
    """Open the administration of the named server, or of the configuration's own on this machine."""
    from orbit.admin.client import RemoteAdministration, Unreachable
    from orbit.cli.shared.address import trust_of, url_of
    from orbit.config import load_config

    if target.url:
        async with RemoteAdministration(target.url, target.token()) as admin:
            yield admin
        return
    config = load_config(target.config_path)
    target.url = url_of(config)
    try:
        async with RemoteAdministration(target.url, target.token(), trust_of(config)) as admin:
            yield admin
    except Unreachable as error:
        raise Unreachable(f"{error}{_next_step(config.data_dir.absolute())}") from error


def _next_step(folder: Path) -> str:
    """Say what to do if the server of a data folder does not answer."""
    from orbit.serving.sole_server import address_of_server

    if address_of_server(folder):
        return ". Is the server running? Its next start reads the configuration."
    return f". No server has used the data folder {folder}; name one that runs elsewhere: --url URL."
