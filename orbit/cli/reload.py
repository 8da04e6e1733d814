"""``orbit reload``: a running server reads its configuration again."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import click

from orbit.cli.shared.target import EXIT_CODES, Target, target_options

if TYPE_CHECKING:
    from orbit.admin.client import RemoteAdministration
    from orbit.admin.wire import Reloaded


@click.command(epilog=EXIT_CODES)
@target_options
def reload(target: Target) -> None:
    """Let the running server read its configuration again.

    Providers whose sections changed are replaced between turns; running answers finish on the earlier ones. All workers
    change together. A configuration with problems changes nothing: the command prints them and exits with 1.
    """
    named = target.url
    reloaded = target.run(lambda: _server(target), lambda admin: admin.reload() if named else _reload(admin, target))
    target.show(reloaded, reloaded.message)


async def _reload(admin: RemoteAdministration, target: Target) -> Reloaded:
    from orbit.admin.client import Unreachable

    try:
        return await admin.reload()
    except Unreachable as error:
        raise Unreachable(f"{error}{_next_step(target)}") from error


def _next_step(target: Target) -> str:
    """Say what to do if no server answers where the data folder or the configuration says."""
    from orbit.config import load_config
    from orbit.serving.sole_server import address_of_server

    folder = load_config(target.config_path).data_dir.absolute()
    if address_of_server(folder) == target.url:
        return ". Is the server running? Its next start reads the configuration."
    return f". No server has used the data folder {folder}; name one that runs elsewhere: --url URL."


def _server(target: Target) -> AbstractAsyncContextManager[RemoteAdministration]:
    """Return the administration of the named server, or of the configuration's own on this machine."""
    from orbit.admin.client import RemoteAdministration
    from orbit.cli.shared.address import trust_of, url_of
    from orbit.config import load_config
    from orbit.serving.sole_server import address_of_server

    if target.url:
        return RemoteAdministration(target.url, target.token())
    config = load_config(target.config_path)
    target.url = address_of_server(config.data_dir) or url_of(config)  # --port and a new general.port differ
    return RemoteAdministration(target.url, target.token(), trust_of(config))
