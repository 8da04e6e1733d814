"""An ORBIT server that echoes, for the torture tests: ``python server.py FOLDER``; prints its port and a key."""

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn

from orbit.auth.keys import new_key
from orbit.database import open_database
from orbit.testing import make_host
from orbit.web.app import create_app


def main(folder: Path) -> None:
    config = {"echo": {}, "logging": {"file": {"directory": str(folder / "logs")}}}
    host = make_host(config, folder / "data")
    host.raise_problems()

    async def key() -> str:
        (folder / "data").mkdir(exist_ok=True)
        secret, record = new_key("torture")
        async with open_database(host.config) as database:
            await database.create_key(record)
        return secret

    secret = asyncio.run(key())
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        print(listener.getsockname()[1], secret, flush=True)  # noqa: T201  the answer to whoever started it
        uvicorn.Server(uvicorn.Config(create_app(host.config, host), log_config=None)).run([listener])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
