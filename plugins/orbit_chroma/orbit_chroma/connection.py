"""One Chroma client and the threads that its blocking calls run in."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import orbit
from orbit_chroma.errors import translate
from orbit_chroma.settings import ChromaSettings

if TYPE_CHECKING:
    import httpx
    from chromadb.api import ClientAPI
    from chromadb.config import Settings

T = TypeVar("T")

THREADS = 8
"""Of our own, so that a Chroma server that hangs cannot use up the threads that the rest of the process shares."""

CONNECT_SECONDS = 5.0


class Connection:
    """Opens the client when it is first needed, and again after that failed."""

    def __init__(self, settings: ChromaSettings, folder: Path) -> None:
        """``folder`` holds the embedded database, if the settings name no server."""
        self._settings = settings
        self._folder = folder
        self._opening = threading.Lock()
        self._client: ClientAPI | None = None
        self._sessions: list[httpx.Client] = []
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="chroma")

    @property
    def where(self) -> str:
        """The database, as sentences name it."""
        if self._settings.host:
            return f"the Chroma server at {self._settings.host}:{self._settings.port}"
        return f"the Chroma database in {self._folder}"

    async def call(self, work: Callable[[ClientAPI], T]) -> T:
        """Run ``work`` with the client in a thread.

        Raises ProviderError; only Chroma's ``NotFoundError`` passes through, for ``work`` alone knows what is missing.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, work)

    async def close(self) -> None:
        """Wait for running calls and close the client."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._client is not None:
            self._client.close()  # type: ignore[attr-defined] # of every client, but not of its declared type
            self._client = None
        for session in self._sessions:
            session.close()
        self._sessions = []

    def _run(self, work: Callable[[ClientAPI], T]) -> T:
        from chromadb.errors import NotFoundError  # noqa: PLC0415 - importing a plugin stays light

        client = self._opened()
        try:
            return work(client)
        except NotFoundError:
            raise
        except BaseException as error:
            raise translate(error, self.where) from error

    def _opened(self) -> ClientAPI:
        with self._opening:
            if self._client is None:
                try:
                    self._client = self._connect() if self._settings.host else self._open()
                except BaseException as error:
                    raise translate(error, self.where) from error
            return self._client

    def _open(self) -> ClientAPI:
        import chromadb  # noqa: PLC0415 - takes a second, and not before the provider starts

        self._folder.mkdir(parents=True, exist_ok=True)
        return chromadb.PersistentClient(path=self._folder, settings=_quiet_settings())

    def _connect(self) -> ClientAPI:
        import chromadb  # noqa: PLC0415 - takes a second, and not before the provider starts
        import httpx  # noqa: PLC0415 - importing a plugin stays light

        settings = self._settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        timeout = httpx.Timeout(settings.timeout, connect=min(CONNECT_SECONDS, settings.timeout))
        self._greet(f"{'https' if settings.ssl else 'http'}://{host}:{settings.port}", timeout)
        client = chromadb.HttpClient(
            host=host,
            port=settings.port,
            ssl=settings.ssl,
            headers=dict(settings.headers),
            settings=_quiet_settings(),
            tenant=settings.tenant,
            database=settings.database,
        )
        self._sessions = _sessions(client)
        for session in self._sessions:
            session.timeout = timeout
        return client

    def _greet(self, url: str, timeout: httpx.Timeout) -> None:
        """Ask for the database once with a deadline, before Chroma's client does without one."""
        import httpx  # noqa: PLC0415 - importing a plugin stays light

        path = f"/api/v2/tenants/{quote(self._settings.tenant)}/databases/{quote(self._settings.database)}"
        answer = httpx.get(url + path, headers=self._settings.headers, timeout=timeout)
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise orbit.ProviderError(f"{self.where} refuses the credentials; set them under headers")
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise orbit.ProviderError(
                f"{self.where} has no database '{self._settings.database}' of tenant '{self._settings.tenant}', "
                "or is no Chroma server"
            )
        if answer.is_error:
            raise orbit.ProviderError(
                f"{self.where} answers {answer.status_code} {answer.reason_phrase}", kind="unavailable", retryable=True
            )


def _sessions(client: ClientAPI) -> list[httpx.Client]:
    """The HTTP sessions behind a client of Chroma, its own and that of the admin client it makes.

    There is no public way to give them a deadline (a thread would wait for ever for a server that hangs) nor to close
    them (the client's ``close`` leaves them open).
    """
    import httpx  # noqa: PLC0415 - importing a plugin stays light

    servers = [getattr(one, "_server", None) for one in (client, getattr(client, "_admin_client", None))]
    sessions = [getattr(server, "_session", None) for server in servers]
    return [session for session in sessions if isinstance(session, httpx.Client)]


def _quiet_settings() -> Settings:
    """Chroma's settings without telemetry, and without reading ``.env`` or variables that are not meant for it."""
    from chromadb.config import Settings  # noqa: PLC0415 - importing a plugin stays light

    return Settings(
        _env_file=None,  # type: ignore[call-arg] # pydantic's own argument, unknown without its mypy plugin
        anonymized_telemetry=False,
        chroma_otel_collection_endpoint="",
        chroma_server_host=None,
        chroma_server_http_port=None,
        chroma_api_impl="chromadb.api.rust.RustBindingsAPI",
    )
