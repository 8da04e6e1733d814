"""Reaches the running server of a configuration, for commands on the same machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from orbit.admin.client import RemoteAdministration
    from orbit.cli.shared.target import Target
    from orbit.config.model import Config

T = TypeVar("T")

_SECONDS = 10.0


def ask(config: Config, path: str, kind: type[T]) -> T | None:
    """Return what an operator reads at a path; None if no server answers, or if the admin token is unknown."""
    import httpx
    import msgspec

    from orbit.auth.admin_token import read_token
    from orbit.cli.shared.address import trust_of, url_of

    token = read_token(config)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    root = config.host.general.root
    try:
        answer = httpx.get(f"{url_of(config)}{root}{path}", headers=headers, timeout=_SECONDS, verify=trust_of(config))
        return msgspec.json.decode(answer.content, type=kind) if answer.is_success else None
    except (httpx.HTTPError, ValueError):
        return None


@asynccontextmanager
async def server_of(target: Target) -> AsyncIterator[RemoteAdministration]:
    """Open the administration of the named server, or of the configuration's own on this machine.

    A wrong setting in the file does not matter while the server runs by an earlier one.
    """
    from orbit.admin.client import RemoteAdministration, Unreachable
    from orbit.cli.shared.address import trust_of, url_of
    from orbit.config.load import read_config
    from orbit.errors import ConfigError
    from orbit.serving.sole_server import address_of_server

    if target.url:
        async with RemoteAdministration(target.url, target.token()) as admin:
            yield admin
        return
    config, problems = read_config(target.config_path)
    if problems and not address_of_server(config.data_dir):
        raise ConfigError(problems)
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
