"""An ORBIT server in this process, with one key, for benchmarks that drive it from another process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvicorn

from orbit.auth.keys import new_key
from orbit.database import open_database
from orbit.observing.server_log import configure_logging
from orbit.provider import Provider
from orbit.serving.http_protocol import LimitedProtocol
from orbit.testing import make_host
from orbit.web.app import Application, create_app


def make_orbit(config: Mapping[str, Any], folder: Path, plugins: Mapping[str, type[Provider]]) -> Application:
    """Create the application and a key. Writes the key to ``FOLDER/key`` and the process id to ``FOLDER/pid``."""
    logging = {"level": "WARNING", "file": {"directory": str(folder / "logs")}}
    host = make_host({"logging": logging, **config}, folder, plugins)
    host.raise_problems()

    async def first_key() -> None:
        secret, record = new_key("bench")
        async with open_database(host.config) as database:
            await database.create_key(record)
        (folder / "key").write_text(secret)

    asyncio.run(first_key())
    configure_logging(host.config.host.logging, verbose=False)
    (folder / "pid").write_text(str(os.getpid()))
    return create_app(host.config, host)


def run_orbit(config: Mapping[str, Any], folder: Path, plugins: Mapping[str, type[Provider]], port: int) -> None:
    """Serve until the process ends."""
    uvicorn.run(
        make_orbit(config, folder, plugins),
        port=port,
        loop="uvloop",
        http=LimitedProtocol,
        access_log=False,
        proxy_headers=False,
        log_config=None,
    )
