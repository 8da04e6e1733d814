"""``/health``: alive, ready, and the state of each component."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
from litestar import MediaType, Response, get

from orbit.store import Store
from orbit.types import Health
from orbit.web.services import Services

_CACHE_SECONDS = 1.0


class HealthReport(msgspec.Struct, frozen=True):
    """The state of the server: the worst of its components, and each of them by name."""

    status: str
    components: dict[str, Health]


class HealthCheck:
    """Asks every component at the same time, each with its deadline, at most once a second."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._report: HealthReport | None = None
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def report(self) -> HealthReport:
        """The state of all components, at most a second old."""
        async with self._lock:
            if self._report is None or time.monotonic() >= self._until:
                self._report = await self._ask()
                self._until = time.monotonic() + _CACHE_SECONDS
            return self._report

    def ready(self, report: HealthReport) -> bool:
        """Whether the server should be sent requests: not draining, and no part that answers need is down."""
        needed = {"server", "store", *self._services.host.registry.names()}
        return all(report.components[name].status != "down" for name in needed if name in report.components)

    async def _ask(self) -> HealthReport:
        services = self._services
        registry = services.host.registry
        names = registry.names()
        answers = await asyncio.gather(
            self._store(services.store), *(self._guarded(registry[name].health()) for name in names)
        )
        server = Health("down", "stopping: no new requests") if services.draining.is_set() else Health()
        components = {"server": server, "store": answers[0], **dict(zip(names, answers[1:], strict=True))}
        components |= {name: Health("down", reason) for name, reason in registry.failed.items()}
        states = {component.status for component in components.values()}
        status = "ok" if states == {"ok"} else "down" if not self.ready(HealthReport("", components)) else "degraded"
        return HealthReport(status, components)

    async def _store(self, store: Store) -> Health:
        return await self._guarded(store.health())

    async def _guarded(self, asked: Any) -> Health:
        seconds = self._services.config.host.timeouts.health
        try:
            async with asyncio.timeout(seconds):
                health = await asked
        except TimeoutError:
            return Health("down", f"no answer within {seconds:g} s")
        except Exception as error:  # noqa: BLE001  # a component that cannot tell is down, and only it
            return Health("down", f"{type(error).__name__} while asking for its health")
        return health if isinstance(health, Health) else Health("down", "health() returned no orbit.Health")


def health_routes(services: Services) -> list[Any]:
    """The routes of ``/health``."""
    check = HealthCheck(services)

    @get("/health", summary="The state of every component")
    async def health() -> HealthReport:
        return await check.report()

    @get("/health/live", summary="Whether the process runs", media_type=MediaType.JSON)
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @get("/health/ready", summary="Whether the server should be sent requests", media_type=MediaType.JSON)
    async def ready() -> Response[dict[str, str]]:
        report = await check.report()
        if not services.draining.is_set() and check.ready(report):
            return Response({"status": "ok"})
        return Response({"status": "unavailable"}, status_code=503, headers={"Retry-After": "1"})

    return [health, live, ready]
