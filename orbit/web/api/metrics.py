"""``GET /metrics``: the metrics of all workers in Prometheus' text format."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import accumulate
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, get
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from orbit.chat.recorder import Recorder
from orbit.errors import ConfigError, Problem
from orbit.observing.metrics import BOUNDS, Snapshot, total
from orbit.web.admin_guard import ADMIN_TOKEN, NotAdministrator
from orbit.web.api.health import HealthCheck, HealthReport
from orbit.web.http.problems import RequestError
from orbit.web.services import Services

FOLDER_VARIABLE = "ORBIT_METRICS_FOLDER"
"""The variable that names the folder through which workers share metrics; unset for a single process."""

_PUBLISH_SECONDS = 1.0
_LOOPBACK = ("127.", "::1", "::ffff:127.")

logger = logging.getLogger("orbit.metrics")


def empty_folder(data_dir: Path) -> Path:
    """Return the folder for the workers' metrics, emptied of those of an earlier run."""
    folder = data_dir / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            [Problem("general.data_dir", f"{folder} cannot be made: {error.strerror or error}.")]
        ) from error
    return folder


class Exchange:
    """The metrics of this worker and, through files, of the others.

    A worker writes its counters before it shows them, so the next worker shows at least as much: a counter that fell
    would look like a restart. Counters of dead workers stay; their gauges do not.
    """

    def __init__(self, services: Services, folder: Path | None) -> None:
        self._services = services
        self._former: list[Recorder] = []
        self._lost = 0
        self.folder = folder
        """Where the workers share their metrics; None for a single process."""
        self._file = f"{os.getpid()}-{secrets.token_hex(4)}.json"
        self._written = b""
        self._writing = asyncio.Lock()

    def follow(self, services: Services) -> None:
        """Show the services that took the place of the former ones, whose counts go on."""
        self._former.append(self._services.pipeline.recorder)
        self._services = services

    def ended(self, services: Services) -> None:
        """Keep the counts of former services that have ended."""
        recorder = services.pipeline.recorder
        self._former.remove(recorder)
        self._lost += recorder.lost

    def own(self) -> Snapshot:
        """Return the metrics of this process."""
        pipeline = self._services.pipeline
        admission = pipeline.admission
        counts = pipeline.metrics.snapshot(
            lost=self._lost + sum(recorder.lost for recorder in (*self._former, pipeline.recorder)),
            in_flight=admission.running,
            queued=admission.waiting,
        )
        return msgspec.structs.replace(counts, figures=list(self._figures()))

    def _figures(self) -> Iterable[tuple[str, str, str, float]]:
        registry, process = self._services.host.registry, str(os.getpid())
        for name in registry.names():
            try:
                told = registry[name].metrics()
                yield from [(name, figure, process, float(value)) for figure, value in told.items()]
            except Exception:  # a failing plugin hides its own figures only
                logger.exception("%s could not tell its figures", name)

    async def all(self) -> Snapshot:
        """Return the metrics of all processes together, at most one second old."""
        if self.folder is None:
            return self.own()
        try:
            own = await self.publish()
        except OSError:  # the publishing task logs it
            own = self.own()
        return total([own, *await asyncio.to_thread(self._others)])

    async def publish(self) -> Snapshot:
        """Write the metrics of this process for the others if they have changed."""
        async with self._writing:
            own = self.own()
            data = msgspec.json.encode(own)
            if self.folder is not None and data != self._written:
                await asyncio.to_thread(self._write, self.folder, data)
                self._written = data
            return msgspec.json.decode(data, type=Snapshot)  # exactly what was written

    @asynccontextmanager
    async def publishing(self) -> AsyncGenerator[None, None]:
        """Write the metrics every second while entered, and once more at the end."""
        if self.folder is None:
            yield
            return
        task = asyncio.create_task(self._keep_publishing(), name="publish metrics")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            with suppress(OSError):
                await self.publish()

    async def _keep_publishing(self) -> None:
        failing = False
        while True:
            try:
                await self.publish()
                failing = False
            except OSError as error:
                if not failing:
                    logger.warning("the counts of this worker cannot be written for the others: %s", error)
                failing = True
            await asyncio.sleep(_PUBLISH_SECONDS)

    def _write(self, folder: Path, data: bytes) -> None:
        new = folder / f".{self._file}"
        new.write_bytes(data)
        new.replace(folder / self._file)

    def _others(self) -> list[Snapshot]:
        assert self.folder is not None
        found = []
        for file in sorted(self.folder.glob("[0-9]*.json")):
            if file.name == self._file:
                continue
            try:
                snapshot = msgspec.json.decode(file.read_bytes(), type=Snapshot)
            except (OSError, msgspec.DecodeError) as error:
                logger.warning("the counts of another worker cannot be read: %s", error)
                continue
            if not _runs(int(file.name.partition("-")[0])):
                snapshot = msgspec.structs.replace(snapshot, in_flight=0, queued=0, figures=[])
            found.append(snapshot)
        return found


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class _Families(Collector):
    """Turns a snapshot and a health report into Prometheus' metric families."""

    def __init__(self, counts: Snapshot, health: HealthReport) -> None:
        self._counts = counts
        self._health = health

    def collect(self) -> Iterable[Metric]:
        counts = self._counts
        yield _counter("orbit_http_requests", "HTTP requests.", ("route", "method", "status"), counts.requests)
        yield _counter("orbit_turns", "Chat turns by how they ended.", ("status",), counts.turns)
        stages = HistogramMetricFamily(
            "orbit_stage_duration_seconds", "Time of a chat turn's stages.", labels=("stage",)
        )
        for stage, durations in counts.durations.items():
            bounds = [*map(str, BOUNDS), "+Inf"]
            stages.add_metric((stage,), list(zip(bounds, accumulate(durations.buckets), strict=True)), durations.sum)
        yield stages
        tokens = [("prompt", counts.prompt_tokens), ("completion", counts.completion_tokens)]
        yield _counter("orbit_tokens", "Tokens that models read and wrote.", ("kind",), tokens)
        labels = ("provider", "model", "tries")
        yield _counter("orbit_model_answers", "Answers, by who gave them at which try.", labels, counts.answers)
        labels = ("provider", "operation", "kind")
        yield _counter("orbit_provider_errors", "Errors of providers.", labels, counts.failures)
        yield _counter("orbit_tool_calls", "Calls of tools by the server.", ("provider", "status"), counts.tools)
        yield _counter("orbit_log_records_lost", "Chat log records that a sink did not take.", (), [(counts.lost,)])
        yield GaugeMetricFamily("orbit_turns_in_flight", "Chat turns running now.", counts.in_flight)
        yield GaugeMetricFamily("orbit_turns_queued", "Chat turns waiting for a place now.", counts.queued)
        labels = ("provider", "figure", "process")
        figures = GaugeMetricFamily("orbit_provider_figure", "What providers tell of themselves.", labels=labels)
        for provider, figure, process, value in counts.figures:
            figures.add_metric((provider, figure, process), value)
        yield figures
        up = GaugeMetricFamily("orbit_component_up", "1 unless the component is down.", labels=("component",))
        for name, health in self._health.components.items():
            up.add_metric((name,), 0 if health.status == "down" else 1)
        yield up


def _counter(name: str, help_text: str, labels: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=labels)
    for *values, number in rows:
        family.add_metric(values, number)
    return family


def metrics_routes(services: Services, exchange: Exchange, check: HealthCheck) -> list[Any]:
    """Return the route of ``/metrics``, or none if metrics are off."""
    settings = services.config.host.metrics
    if not settings.enabled:
        return []

    security = [{}, *ADMIN_TOKEN]

    @get("/metrics", summary="The server's metrics, for Prometheus", tags=["operations"], security=security)
    async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        if settings.access == "admin":
            try:
                await services.admin_guard.check(request)
            except NotAdministrator as error:
                raise RequestError(error.status, error.code, str(error)) from error
        elif settings.access == "loopback":
            address = request.client.host if request.client else ""
            if not address.startswith(_LOOPBACK):
                raise RequestError(403, "forbidden", "Metrics are not shown to this caller.")
        families = _Families(await exchange.all(), await check.report())
        return Response(generate_latest(families), media_type=CONTENT_TYPE_LATEST)

    return [metrics]
