"""The life of providers of model servers: connect, check the servers, close."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from orbit.errors import ConfigError, ProviderError
from orbit.provider import Host, Provider
from orbit.upstreams.pool import Server, ServerPool
from orbit.upstreams.settings import ServerSettings
from orbit.upstreams.starting import check_servers

logger = logging.getLogger("orbit.upstreams")


class Closing(Protocol):
    """Connections, which ``close`` ends."""

    async def close(self) -> None:
        """Close all connections, including those of running answers."""
        ...


C = TypeVar("C", bound=Closing)


class UpstreamProvider(Provider, Generic[C]):
    """A provider of model servers: ``pool`` has them, ``client`` the connections between start and stop.

    A subclass says in ``connect`` how to open the connections, and in ``check`` what a server must have.
    """

    settings: ServerSettings

    def __init__(self, name: str, settings: ServerSettings, host: Host) -> None:
        super().__init__(name, settings, host)
        self.pool = ServerPool(settings.addresses, settings.max_retries, settings.retry_delay)
        self._client: C | None = None

    def connect(self) -> C:
        """Return the connections. Called inside the event loop."""
        raise NotImplementedError

    async def check(self, server: Server) -> None:
        """Raise ProviderError if a server does not respond in time, ConfigError if it lacks a model."""
        raise NotImplementedError

    @property
    def client(self) -> C:
        """The connections. Raises ProviderError before the start and after the stop."""
        if self._client is None:
            raise ProviderError("the provider is not started.", kind="unavailable")
        return self._client

    async def __aenter__(self) -> Self:
        self._client = self.connect()
        try:
            await check_servers(self.settings, self.pool.servers, self.check, self.warn)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()

    def warn(self, problem: ProviderError | ConfigError | str) -> None:
        """Log a problem that the start survives."""
        logger.warning("%s: %s", self.name, problem)

    async def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()
