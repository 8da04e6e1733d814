"""A database on a Chroma server."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import orbit
from orbit_chroma.http_client import client_over, http_session
from orbit_chroma.settings import ChromaSettings

if TYPE_CHECKING:
    import httpx
    from chromadb.api import ClientAPI

CONNECT_SECONDS = 5.0


class Server:
    """One client for all threads. The server coordinates readers and writers."""

    def __init__(self, settings: ChromaSettings) -> None:
        """Keep the settings; the first call connects."""
        self._settings = settings
        self._connecting = threading.Lock()
        self._client: ClientAPI | None = None
        self._session: httpx.Client | None = None

    @property
    def where(self) -> str:
        """The database's name in messages."""
        return f"the Chroma server at {self._settings.host}:{self._settings.port}"

    @contextmanager
    def reading(self) -> Iterator[ClientAPI]:
        """Return the connected client."""
        with self._connecting:
            client = self._client = self._client or self._connect()
        yield client

    def writing(self) -> AbstractContextManager[ClientAPI]:
        """Return the same client."""
        return self.reading()

    def writes(self) -> None:
        """Return None: a server does not report writes."""

    def close(self) -> None:
        """Close the client and its connections."""
        if self._client is not None:
            self._client.close()  # type: ignore[attr-defined] # of every client, but not of its declared type
            self._client = None
        if self._session is not None:
            self._session.close()
            self._session = None

    def _connect(self) -> ClientAPI:
        settings = self._settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        session = self._session = self._session or http_session(settings, min(CONNECT_SECONDS, settings.timeout))
        self._greet(session, f"{'https' if settings.ssl else 'http'}://{host}:{settings.port}")
        return client_over(session, settings, host)

    def _too_old(self, session: httpx.Client, url: str) -> str:
        """Return the version of a server before 1.0. Those before 0.6 have another URL for it."""
        import httpx  # noqa: PLC0415 - importing a plugin stays light

        for api in ("v2", "v1"):
            answer = session.get(f"{url}/api/{api}/version")
            if answer.status_code != httpx.codes.NOT_FOUND:
                return _old_version(answer)
        return ""

    def _greet(self, session: httpx.Client, url: str) -> None:
        """Request the database once: creating Chroma's client does not check that it exists."""
        import httpx  # noqa: PLC0415 - importing a plugin stays light

        if too_old := self._too_old(session, url):
            raise orbit.ProviderError(
                f"{self.where} is Chroma {too_old}, but this plugin needs 1.0 or newer. Upgrade the server; "
                "Chroma's migration guide explains how to move its data"
            )
        path = f"/api/v2/tenants/{quote(self._settings.tenant)}/databases/{quote(self._settings.database)}"
        answer = session.get(url + path)
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise orbit.ProviderError(f"{self.where} rejected the credentials; set them under headers")
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise orbit.ProviderError(
                f"{self.where} has no database '{self._settings.database}' of tenant '{self._settings.tenant}', or "
                "is not a Chroma server"
            )
        if answer.is_error:
            raise orbit.ProviderError(
                f"{self.where} answers {answer.status_code} {answer.reason_phrase}", kind="unavailable", retryable=True
            )


def _old_version(answer: httpx.Response) -> str:
    """Return the version in a response if it is older than 1.0; else an empty text."""
    try:
        version = answer.json() if answer.is_success else ""
    except ValueError:
        return ""
    return version if isinstance(version, str) and re.match(r"0\.\d", version) else ""
