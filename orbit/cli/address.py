"""Where the server of a configuration listens, as commands on the same machine reach it."""

from __future__ import annotations

from orbit.config.model import Config


def url_of(config: Config) -> str:
    """Return the address of the server, such as ``http://127.0.0.1:3000``."""
    general = config.host.general
    host = "127.0.0.1" if general.host in ("0.0.0.0", "::") else general.host  # noqa: S104  # not bound, only compared
    return f"https://{host}:{general.https.port}" if general.https.enabled else f"http://{host}:{general.port}"
