"""A worker process that logs chats, for the torture tests: ``python worker.py '{"directory": ..., "name": ...}'``.

It numbers its records ``<name>-<n>``, says after each group how many are on disk (one number a line on standard
output), and ends when standard input is closed.
"""

import asyncio
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec


class Orders(msgspec.Struct, frozen=True):
    """When there is a file ``tomorrow``, it is tomorrow; the second half of the records is not begun before."""

    directory: str
    name: str
    count: int
    first: int = 0
    group: int = 500
    max_size_mb: float = 20.0
    tomorrow: str = ""
    elasticsearch: str = ""
    pause: float = 0.0
    """Seconds of rest after each group."""
    linger: bool = False
    """Wait for standard input to close before leaving."""


def main(orders: Orders) -> None:
    tomorrow = Path(orders.tomorrow or "/never")
    if orders.tomorrow:
        real = time.time
        time.time = lambda: real() + (86_400 if tomorrow.exists() else 0)  # before anything binds it

    import orbit
    from orbit.chatlog.provider import FileLog
    from orbit.chatlog.settings import FileLogSettings

    async def log_all() -> None:
        settings = FileLogSettings(directory=orders.directory, max_size_mb=orders.max_size_mb)
        sinks: list[orbit.Provider] = []
        if orders.elasticsearch:
            from orbit_es import ElasticsearchLog, ElasticsearchSettings

            follower = ElasticsearchSettings(
                node=orders.elasticsearch,
                directory=orders.directory,
                filename="chat.log",
                batch_seconds=0.05,
                request_timeout=2.0,
                retry_seconds=0.3,
            )
            sinks.append(ElasticsearchLog("elasticsearch", follower, SimpleNamespace(environment={})))
        files = FileLog("files", settings, None)  # type: ignore[arg-type]  # nor here
        sinks.append(files)
        for sink in sinks:
            await sink.__aenter__()
        for sink in sinks:
            await sink.ready()
        half = orders.first + orders.count // 2
        for number in range(orders.first, orders.first + orders.count):
            while number == half and orders.tomorrow and not tomorrow.exists():  # noqa: ASYNC110  a file tells it
                await asyncio.sleep(0.01)
            record = orbit.ChatRecord(
                timestamp=time.time(),
                request_id=f"{orders.name}-{number}",
                query="What are your opening hours on the first Sunday of the month?",
                response="We are open from ten to six. " * 4,
                durations={"retrieve": 0.0123, "generate": 1.25, "total": 1.31},
            )
            await files.log(record)
            if (number + 1 - orders.first) % orders.group == 0:
                await files.flush()
                await asyncio.sleep(orders.pause)
                print(number + 1, flush=True)  # noqa: T201  the answer to whoever started it
        await files.flush()
        print(orders.first + orders.count, flush=True)  # noqa: T201  the same
        if orders.linger:
            await asyncio.to_thread(sys.stdin.read)
        for sink in reversed(sinks):
            await sink.__aexit__(None, None, None)

    asyncio.run(log_all())


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Orders))
