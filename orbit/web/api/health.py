"""``/health``: liveness, readiness and the state of each component."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get

from orbit.host.providers.health import HealthQuestions
from orbit.host.readiness import missed
from orbit.types import Health
from orbit.web.admin_guard import ADMIN_TOKEN
from orbit.web.key_guard import API_KEY
from orbit.web.services import Services

_CACHE_SECONDS = 1.0


class HealthReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of the server, which is that of its worst component, and the state of each component by name."""

    status: str
    components: dict[str, Health] = {}


class HealthCheck:
    """Checks all components concurrently, each with a deadline, at most once a second."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._report: HealthReport | None = None
        self._until = 0.0
        self._lock = asyncio.Lock()
        self._questions = HealthQuestions(services.config.host.timeouts.health)

    async def report(self) -> HealthReport:
        """Return the state of all components, at most one second old."""
        async with self._lock:
            if self._report is None or time.monotonic() >= self._until:
                self._report = await self._ask()
                self._until = time.monotonic() + _CACHE_SECONDS
            return self._report

    def ready(self, report: HealthReport) -> bool:
        """Whether the server should receive requests: not draining, and all components that answers need are up.

        A provider that others can stand in for is not needed.
        """
        down = {name for name, component in report.components.items() if component.status == "down"}
        return not (down & {"server", "store"} or missed(self._services.host, down))

    async def _ask(self) -> HealthReport:
        services = self._services
        registry = services.host.registry
        names = registry.names()
        asked = {"store": services.database.health, **{name: registry[name].health for name in names}}
        answers = await asyncio.gather(*(self._questions.ask(name, health) for name, health in asked.items()))
        server = Health("down", "stopping: no new requests") if services.draining.is_set() else Health()
        components = {"server": server, **dict(zip(asked, answers, strict=True))}
        components |= {name: Health("down", reason) for name, reason in registry.failed.items()}
        states = {component.status for component in components.values()}
        status = "ok" if states == {"ok"} else "down" if not self.ready(HealthReport("", components)) else "degraded"
        return HealthReport(status, components)


def _roles(services: Services, report: HealthReport) -> dict[str, Health]:
    """Return the state of the model and of the document store under the names that the earlier ORBIT gave them.

    One that is down is degraded as long as others answer in its place.
    """
    roles = services.host.roles
    states = dict(report.components)
    down = {name for name, component in states.items() if component.status == "down"}
    for name in down - {"server", "store"} - missed(services.host, down):
        states[name] = Health("degraded", states[name].detail)
    found = {"llm": roles.generate, "datasource": roles.index}
    return {name: states[role] for name, role in found.items() if role in states}


def health_routes(services: Services, check: HealthCheck) -> list[Any]:
    """Return the routes of ``/health``."""
    public: list[dict[str, list[str]]] = [{}]

    @get(
        "/health",
        summary="The state of the server; of its components for clients, with details for operators",
        security=[*public, {API_KEY: []}, *ADMIN_TOKEN],
    )
    async def health(request: Request[Any, Any, Any]) -> HealthReport:
        caller = await services.admin_guard.caller(request)
        report = await check.report()
        components = {**_roles(services, report), **report.components}
        if caller != "administrator":
            # details name addresses and settings: they are for operators
            told = caller == "client" or services.config.host.health.details == "open"
            components = {name: Health(part.status) for name, part in components.items()} if told else {}
        return HealthReport(report.status, components)

    @get("/health/live", summary="Whether the process runs", media_type=MediaType.JSON, security=public)
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @get(
        "/health/ready", summary="Whether the server should be sent requests", media_type=MediaType.JSON, security=[{}]
    )
    async def ready() -> Response[dict[str, str]]:
        report = await check.report()
        if not services.draining.is_set() and check.ready(report):
            return Response({"status": "ok"})
        return Response({"status": "unavailable"}, status_code=503, headers={"Retry-After": "1"})

    return [health, live, ready]
