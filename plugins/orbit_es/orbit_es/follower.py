"""A thread on each host that sends the chat log to Elasticsearch, whatever fails on the way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from orbit.chatlog import FollowerFolder, FollowerLock, FollowerState, Naming
from orbit_es.backoff import Backoff, sleep
from orbit_es.delivery import Delivery
from orbit_es.progress import Progress
from orbit_es.refusals import Refusals
from orbit_es.replay import replay_if_asked, resend_if_asked
from orbit_es.sender import Sender
from orbit_es.settings import ElasticsearchSettings
from orbit_es.spool import Spool

_log = logging.getLogger(__name__)

KIND = "elasticsearch"
STANDBY_EVERY = 1.0


class Follower(threading.Thread):
    """Sends new lines of the chat log, and keeps ``state.json`` beside it.

    It has its own event loop, so that neither file reading nor a hanging server delays replies. It works only while it
    holds the host's lock for this follower; otherwise it stands by.
    """

    def __init__(
        self, settings: ElasticsearchSettings, log: Path, name: str, variables: Callable[[], Mapping[str, str]]
    ) -> None:
        """Take the chat log's folder and name (``log``), the follower's name, and what returns environment variables.

        Open nothing yet.
        """
        super().__init__(name="elasticsearch-log", daemon=True)  # hanging I/O must not keep the process from ending
        self.settled = threading.Event()
        """Set after the first contact succeeded or failed, or when another process holds the lock."""
        self.problem = ""
        """Why there is no state: the folder cannot be used."""
        self._settings = settings
        self._variables = variables
        self._directory = log.parent
        self._naming = Naming(log.name)
        self._folder = FollowerFolder(log.parent, name)
        self._last = FollowerState(kind=KIND, status="unavailable")
        self._progress: Progress | None = None
        self._task: asyncio.Task[None] | None = None
        self._stop_requested = False
        self._stop_event = asyncio.Event()

    @property
    def active(self) -> bool:
        """Whether this process is the one that sends."""
        return self._progress is not None

    def state(self) -> FollowerState | None:
        """Return the state of the follower, whichever process runs it."""
        progress = self._progress
        return progress.state if progress is not None else self._folder.read_state()

    def stop(self, patience: float) -> None:
        """Ask the thread to end after sending what is waiting, within ``patience`` seconds. Does not block."""
        self._stop_requested = True
        task = self._task
        if task is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                task.get_loop().call_soon_threadsafe(self._begin_stop, task, patience)

    def run(self) -> None:
        """Follow the log until ``stop``."""
        with asyncio.Runner() as runner:
            runner.run(self._main())

    def _begin_stop(self, task: asyncio.Task[None], patience: float) -> None:
        self._stop_event.set()
        if self._progress is None or self._progress.state.status != "enabled":
            task.cancel()
        else:
            task.get_loop().call_later(patience, task.cancel)

    async def _main(self) -> None:
        self._task = asyncio.current_task()
        if self._stop_requested:  # before there was a loop to notify
            self._stop_event.set()
        try:
            while not self._stop_event.is_set():
                lock = self._take_lock()
                if lock is not None:
                    with contextlib.closing(lock):
                        await self._work(lock)
                else:
                    self.settled.set()
                    await sleep(STANDBY_EVERY, self._stop_event)
        except asyncio.CancelledError:
            pass  # stopped; unsent records stay in the files
        finally:
            self.settled.set()

    def _take_lock(self) -> FollowerLock | None:
        try:
            lock, problem = self._folder.take(), ""
        except OSError as error:
            lock, problem = None, f"the chat log in {self._directory} is not accessible yet: {error.strerror}"
            if problem != self.problem:
                _log.warning("Elasticsearch receives no records: %s", problem)
        self.problem = problem
        return lock

    async def _work(self, lock: FollowerLock) -> None:
        """Continue at the last position, until asked to stop or until the lock file is gone."""
        before = self._folder.read_state() or self._last
        before = msgspec.structs.replace(before, kind=KIND, status="unavailable", detail="not reached yet")
        spool = Spool(self._directory, self._naming, before.positions, before.lost_bytes)
        refusals = Refusals(self._folder, self._settings.batch_size, self._settings.batch_bytes)
        refusals.tidy()
        self._progress = progress = Progress(self._folder, lock, spool, refusals, before)
        progress.save()
        backoff = Backoff(self._settings.retry_seconds, progress, self._stop_event, self.settled)
        try:
            while progress.held and not self._stop_event.is_set():
                await self._follow_or_recover(backoff, progress)
        finally:
            progress.set_status("unavailable", "the sending process has ended")
            progress.save()
            refusals.close()
            self._last, self._progress = progress.state, None

    async def _follow_or_recover(self, backoff: Backoff, progress: Progress) -> None:
        try:
            async with Sender(self._settings, self._variables()) as sender:
                delivery = Delivery(self._settings, self._naming, sender, backoff, progress)
                await self._follow(delivery, backoff, progress)
        except Exception as error:  # noqa: BLE001  whatever it was, the next record is not to be lost for it
            _log.exception("Sending the chat log to Elasticsearch failed; ORBIT tries again")
            await backoff.failed(f"{type(error).__name__}: {error}")

    async def _follow(self, delivery: Delivery, backoff: Backoff, progress: Progress) -> None:
        """Send new records, until asked to stop with nothing waiting, or until the lock file is gone."""
        settings, spool = self._settings, progress.spool
        progress.look()  # what is deleted from here on counts as lost, even if the server is away
        while progress.held:
            replay_if_asked(delivery, progress)
            await delivery.keep_contact()  # before records are read, which may be deleted during an outage
            try:
                spool.look()
                entries = spool.read(settings.batch_size, settings.batch_bytes)
            except OSError as error:
                await backoff.failed(f"the log files cannot be read: {error}")
                continue
            await resend_if_asked(delivery, progress)
            if entries:
                await delivery.deliver(entries)
            if len(entries) < settings.batch_size and not spool.pending:
                delivery.unsure = False  # from here on, each record is sent for the first time
                if self._stop_event.is_set():
                    return
                progress.save_now_and_then()
                await sleep(settings.batch_seconds, self._stop_event)
