"""The ORBIT process of ``gateway.py``.

``gateway_orbit.py FOLDER UPSTREAM URL PORT``; writes a key to ``FOLDER/key``.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvicorn
from gateway_plugin import FakeUpstream
from orbit_ollama import OllamaProvider

from orbit.auth import new_key
from orbit.logs import configure_logging
from orbit.provider import Provider
from orbit.store import open_store
from orbit.testing import make_host
from orbit.web.app import create_app

PLUGINS: dict[str, tuple[type[Provider], dict[str, str]]] = {
    "fake": (FakeUpstream, {"url": "{url}"}),
    "ollama": (OllamaProvider, {"base_url": "{url}", "model": "bench"}),
}
"""Upstream -> the plugin that speaks to it, and its settings."""


def main() -> None:
    folder, upstream, url, port = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    plugin, settings = PLUGINS[upstream]
    own = {key: value.format(url=url) for key, value in settings.items()}
    config = {"upstream": own, "logging": {"level": "WARNING", "file": {"directory": str(folder / "logs")}}}
    host = make_host(config, folder, {"upstream": plugin})
    host.raise_problems()

    async def first_key() -> None:
        secret, record = new_key("bench")
        async with open_store(host.config) as store:
            await store.create_key(record)
        (folder / "key").write_text(secret)

    asyncio.run(first_key())
    configure_logging(host.config.host.logging, verbose=False)
    uvicorn.run(
        create_app(host.config, host),
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        proxy_headers=False,
        log_config=None,
    )


if __name__ == "__main__":
    main()
