"""Asks the running server of a configuration, for commands on the same machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
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
