"""A real host for tests: in process, or as a server on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from orbit import Provider
from orbit.auth.keys import new_key
from orbit.config.load import parse_config
from orbit.config.model import Config
from orbit.database import open_database
from orbit.errors import ConfigError
from orbit.host.host import OrbitHost
from orbit.host.plugins.discover import InstalledPlugin, installed_plugins
from orbit.serving.listening import address_of, bind
from orbit.serving.server import make_server
from orbit.testing.fakes import FAKES
from orbit.web.app import Application, create_app
from orbit.web.services import Services

_START_SECONDS = 60.0


def make_host(
    config: Mapping[str, Any],
    data_dir: Path,
    plugins: Mapping[str, type[Provider]] | None = None,
    installed: Mapping[str, InstalledPlugin] | None = None,
) -> OrbitHost:
    """Make a host from a configuration in the form of ``config.yaml``. Does not start it.

    ``plugins`` adds classes by plugin name to the fakes and the ``installed`` plugins. Without ``installed``, looks the
    plugins up, which takes a while. Data and chat logs go to ``data_dir``; the chat log is off unless the configuration
    enables it. The host's ``problems`` lists the mistakes in the configuration.
    """
    settings = {"logging": {"file": {"enabled": False}}, **config}
    settings["general"] = {"data_dir": str(data_dir), **settings.get("general", {})}
    parsed, problems = parse_config(settings, "the test", {})
    offered = {**FAKES, **(plugins or {})}
    found = installed_plugins() if installed is None else installed
    return OrbitHost(parsed, problems, {**found, **{name: _offer(name, offered[name]) for name in offered}})


@asynccontextmanager
async def host(
    config: Mapping[str, Any], data_dir: Path, plugins: Mapping[str, type[Provider]] | None = None
) -> AsyncGenerator[OrbitHost, None]:
    """Run a host in the current event loop. Raises ConfigError with all problems."""
    async with make_host(config, data_dir, plugins) as running:
        yield running


class RunningServer(msgspec.Struct):
    """A server on a real socket. ``services`` belong to its event loop ``loop``: use them through ``call``.

    ``https_url`` is empty unless the configuration enables HTTPS.
    """

    url: str
    https_url: str
    key: str
    services: Services
    loop: asyncio.AbstractEventLoop

    def provider(self, name: str) -> Any:
        """Return the server's provider instance of this name."""
        return self.services.host.registry[name]

    def call(self, coroutine: Any) -> Any:
        """Run a coroutine in the server's event loop and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(_START_SECONDS)

    def settle(self) -> None:
        """Wait until no turn runs, and the log sinks have the records of all. Raises TimeoutError after a minute."""
        deadline = time.monotonic() + _START_SECONDS
        while self.call(self._busy()):
            if time.monotonic() > deadline:
                raise TimeoutError("a turn still runs, or a log sink has not taken its record")
            time.sleep(0.005)

    async def _busy(self) -> bool:
        pipeline = self.services.pipeline
        return bool(pipeline.admission.running or pipeline.recorder.waiting)


@contextmanager
def serve(
    config: Mapping[str, Any],
    data_dir: Path,
    plugins: Mapping[str, type[Provider]] | None = None,
    collection: str | None = None,
) -> Generator[RunningServer, None, None]:
    """Run a server in a thread, on a free loopback port, with one API key in its database."""
    made = make_host(config, data_dir, plugins)
    made.raise_problems()
    with ThreadPoolExecutor(1) as elsewhere:  # the calling test may already run an event loop in this thread
        key = elsewhere.submit(lambda: asyncio.run(_first_key(made.config, collection))).result()
    app = create_app(made.config, made)
    with _in_thread(app, made.config) as (urls, loop):
        yield RunningServer(*urls, key, app.services, loop)


async def _first_key(config: Config, collection: str | None) -> str:
    config.data_dir.mkdir(parents=True, exist_ok=True)
    secret, record = new_key("test", collection)
    async with open_database(config) as database:
        await database.create_key(record)
    return secret


@contextmanager
def _in_thread(
    app: Application, config: Config
) -> Generator[tuple[tuple[str, str], asyncio.AbstractEventLoop], None, None]:
    listeners = [bind("127.0.0.1", 0)]
    if config.host.general.https.enabled:
        listeners.append(bind("127.0.0.1", 0))
    urls = (address_of(listeners[0]), address_of(listeners[-1], "https") if len(listeners) > 1 else "")
    server = make_server(config, app)
    server.config.timeout_graceful_shutdown = 5
    ready = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        with contextlib.suppress(SystemExit):  # uvicorn exits like this if the application did not start
            await server.serve(listeners)
        ready.set()

    async def on_startup(startup: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        await startup(*arguments, **options)
        ready.set()

    server.startup = functools.partial(on_startup, server.startup)  # type: ignore[method-assign]  # to hear when it is up

    def run() -> None:
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            runner.run(main())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        ready.wait(_START_SECONDS)
        if not server.started:
            raise ConfigError(app.start_error or "the server did not start")
        yield urls, loops[0]
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)
        for listener in listeners:
            listener.close()


def _offer(name: str, kind: type[Provider]) -> InstalledPlugin:
    return InstalledPlugin(name, f"{kind.__module__}:{kind.__qualname__}", "orbit-testing", "0")
