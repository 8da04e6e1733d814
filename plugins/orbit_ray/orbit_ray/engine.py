"""The engine: gives files to workers, and those of a lost worker to another one."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, redirect_stdout, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from orbit import ProviderError

if TYPE_CHECKING:
    from orbit.documents.engines import Job, Prepared

DEPTH = 2
"""Files that a worker has at the same time: it reads the next one while it embeds another."""

TRIES = 4
"""Workers that are lost with a file before the file counts as the cause."""

PATIENCE = 600
"""Seconds that a file waits for a worker, while the cluster has no processor for any."""


class RayEngine:
    """A cluster's workers, each a process that keeps its model loaded."""

    def __init__(self, job: Job, address: str, workers: int) -> None:
        """Keep the arguments: an empty address starts a cluster of this machine alone."""
        self._job = job
        self._address = address
        self._wanted = workers
        self._slots: asyncio.Queue[Any] = asyncio.Queue()
        """Each worker that runs, once for each further file that it can take; or why none can start."""
        self._lost: set[Any] = set()
        self._hiring: set[asyncio.Task[None]] = set()
        self._make: Callable[[Job, int], Any]
        self._stack = ExitStack()

    async def __aenter__(self) -> Self:
        """Join the cluster and start the workers. Raises ProviderError."""
        self._stack.enter_context(redirect_stdout(sys.stderr))  # Ray prints what befalls its workers
        try:
            await asyncio.to_thread(self._join)
        except BaseException:
            self._stack.close()
            raise
        for _ in range(self._wanted):
            self._hire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the cluster, which ends the workers."""
        for task in self._hiring:
            task.cancel()
        await asyncio.gather(*self._hiring, return_exceptions=True)
        await asyncio.to_thread(self._stack.close)

    @property
    def width(self) -> int:
        """Files in work at the same time."""
        return DEPTH * self._wanted

    async def read(self, source: str, content: bytes, digest: str) -> Prepared:
        """Return what became of a file. Raises ProviderError if the cluster is lost or no worker can start."""
        from orbit.documents.engines import Prepared  # noqa: PLC0415 - importing a plugin stays light

        for _ in range(TRIES):
            worker = await self._free()
            try:
                prepared: Prepared = await _answer(worker.read.remote(source, content, digest))
            except _LostError:
                self._replace(worker)
            else:
                self._slots.put_nowait(worker)
                return prepared
        return Prepared(unreadable=f"{TRIES} workers of Ray were lost with it", passing=True)

    async def _free(self) -> Any:
        try:
            worker = await asyncio.wait_for(self._slots.get(), PATIENCE)
        except TimeoutError as error:
            reason = f"the Ray cluster had no processor for a worker within {PATIENCE} s"
            raise ProviderError(reason, kind="unavailable") from error
        if isinstance(worker, ProviderError):
            self._slots.put_nowait(worker)  # for the other files
            raise worker
        return worker

    def _replace(self, worker: Any) -> None:
        import ray  # noqa: PLC0415 - the same

        if worker not in self._lost:
            self._lost.add(worker)
            ray.kill(worker)  # it may live on where nobody reaches it
            self._hire()

    def _hire(self) -> None:
        task = asyncio.create_task(self._start_worker())
        self._hiring.add(task)
        task.add_done_callback(self._hiring.discard)

    async def _start_worker(self) -> None:
        """Start a worker, and give it files once it runs: the cluster may have no place for it yet."""
        try:
            for _ in range(TRIES):
                worker = self._make(self._job, DEPTH)
                with suppress(_LostError):
                    await _answer(worker.start.remote())
                    for _ in range(DEPTH):
                        self._slots.put_nowait(worker)
                    return
            raise ProviderError(f"{TRIES} workers of Ray ended while they started")
        except ProviderError as error:
            self._slots.put_nowait(error)

    def _join(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report its use to its authors
        if not self._address or self._address.startswith("127."):
            # Ray's switch for the loopback address, on Linux too: its ports take orders from whoever reaches them
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        import ray  # noqa: PLC0415 - importing a plugin stays light

        from orbit_ray.worker import RayWorker  # noqa: PLC0415 - the same

        local: dict[str, Any] = {"num_cpus": self._wanted or None, "include_dashboard": False}
        try:
            _reach(self._address)
            ray.init(
                self._address or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                **({} if self._address else local),
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise ProviderError(f"cannot join the Ray cluster: {error}", kind="unavailable") from error
        self._stack.callback(ray.shutdown)
        free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]  # Ray's
        self._wanted = self._wanted or max(1, int(free.get("CPU", 1)))
        options: dict[str, Any] = {"num_cpus": 1, "max_concurrency": DEPTH, "scheduling_strategy": "SPREAD"}
        self._make = ray.remote(**options)(RayWorker).remote


class _LostError(Exception):
    """A worker was lost, with its process or its machine."""


async def _answer(call: Awaitable[Any]) -> Any:
    """Return a worker's answer. Raises _LostError, and ProviderError for all other trouble."""
    from ray import exceptions  # noqa: PLC0415 - importing a plugin stays light

    try:
        return await call
    except (exceptions.ActorDiedError, exceptions.ActorUnavailableError) as error:
        raise _LostError from error
    except exceptions.RayTaskError as error:
        raise ProviderError(f"a worker of Ray failed: {error.cause}") from error
    except exceptions.RayError as error:
        raise ProviderError(f"the Ray cluster failed: {error}", kind="unavailable") from error


def _reach(address: str) -> None:
    """Raise OSError unless something listens at ``HOST:PORT``, and ValueError for another form: Ray would wait."""
    if address in ("", "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise ValueError(f"the address is HOST:PORT of its head, or 'auto' on one of its machines, not '{address}'")
    socket.create_connection((host, int(port)), timeout=10).close()
