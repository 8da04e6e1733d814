"""The follower: a thread that brings the chat log to Elasticsearch, one on each host, whatever fails on the way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import socket
import threading
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from orbit.builtin.files import (
    REPLAY,
    RESEND,
    DeadLetter,
    FollowerState,
    Naming,
    Rules,
    lock,
    make_private,
    open_lock,
    read_rules,
    read_state,
    requested_replay,
    same_file,
    write_state,
)
from orbit_es.documents import Document, Entry, NotARecord, to_document
from orbit_es.refusals import Refusals, letter_of
from orbit_es.sender import Sender, Unavailable
from orbit_es.settings import ElasticsearchSettings
from orbit_es.spool import Spool

_log = logging.getLogger(__name__)

T = TypeVar("T")

KIND = "elasticsearch"
FIRST_PAUSE = 0.5
LOOK_EVERY = 1.0
STANDBY_EVERY = 1.0
REACH_EVERY = 10.0
SAVE_EVERY = 5.0


class Follower(threading.Thread):
    """Sends what is appended to the chat log, and keeps ``state.json`` beside it.

    It has an event loop of its own, so that neither its file reading nor a hanging server is felt by replies. It
    works only while it holds the host's lock for this follower; otherwise it stands by.
    """

    def __init__(self, settings: ElasticsearchSettings, log: Path, folder: Path) -> None:
        """``log`` has the chat log's folder and name, ``folder`` is the follower's own within it. Opens nothing yet."""
        super().__init__(name="elasticsearch-log", daemon=True)  # nothing that hangs may keep the process from ending
        self.settled = threading.Event()
        """Set once the first contact was made or failed, or another process turned out to do the work."""
        self.problem = ""
        """Why there is no state: the folder cannot be used."""
        self._settings = settings
        self._directory = log.parent
        self._folder = folder
        self._naming = Naming(log.name)
        self._host = socket.gethostname()
        self._daily = settings.storage == "daily"
        self._state = FollowerState(kind=KIND, status="unavailable")
        self._spool = Spool(log.parent, self._naming, {})
        self._refusals = self._open_refusals(Rules())
        self._lock_fd: int | None = None
        self._prepared = False
        self._unsure = True
        self._failures = 0
        self._reached_at = 0.0
        self._saved_at = 0.0
        self._complained = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = threading.Event()
        self._stop_asked = asyncio.Event()

    @property
    def active(self) -> bool:
        """Whether this process is the one that sends."""
        return self._lock_fd is not None

    def state(self) -> FollowerState | None:
        """How the work goes, whichever process does it."""
        return self._state if self.active else read_state(self._folder)

    def stop(self, patience: float) -> None:
        """Ask to end: send what is waiting if the server answers, for ``patience`` seconds at most. Does not wait."""
        self._stopping.set()
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(self._begin_stop, patience)

    def run(self) -> None:
        """Follow until told to stop."""
        with asyncio.Runner() as runner:
            runner.run(self._main())

    def _begin_stop(self, patience: float) -> None:
        self._stop_asked.set()
        task = self._task
        if task is None or task.done():
            return
        if self._state.status != "enabled" or not self.active:
            task.cancel()
        else:
            asyncio.get_running_loop().call_later(patience, task.cancel)

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        try:
            while not self._stopping.is_set():
                if self._lock_fd is not None or self._take_lock():
                    await self._follow_or_recover()
                else:
                    self.settled.set()
                    await self._wait(STANDBY_EVERY)
        except asyncio.CancelledError:
            pass  # told to stop; what is not sent stays in the files
        finally:
            self._state = msgspec.structs.replace(self._state, status="unavailable", detail="who sent has ended")
            self._give_lock_back()
            self.settled.set()

    def _open_refusals(self, rules: Rules) -> Refusals:
        return Refusals(self._folder, rules, self._settings.batch_size, self._settings.batch_bytes)

    # The lock: one follower a host.

    def _take_lock(self) -> bool:
        try:
            make_private(self._folder)
            fd = open_lock(self._folder / "lock")
        except OSError as error:
            self.problem = f"the chat log in {self._directory} cannot be followed yet: {error.strerror}"
            if not self._complained:
                self._complained = True
                _log.warning("Elasticsearch gets no records: %s", self.problem)
            return False
        self.problem = ""
        if not lock(fd, wait=False):
            os.close(fd)
            return False
        self._lock_fd = fd
        before = read_state(self._folder) or self._state
        self._state = msgspec.structs.replace(before, kind=KIND, status="unavailable", detail="not reached yet")
        self._spool = Spool(self._directory, self._naming, dict(self._state.positions))
        self._spool.lost_bytes = self._state.lost_bytes
        self._refusals = self._open_refusals(read_rules(self._directory))
        self._refusals.tidy()
        self._prepared, self._unsure, self._failures = False, True, 0
        self._save()
        return True

    def _still_locked(self) -> bool:
        """Whether the lock file is still there: someone may have deleted the whole folder."""
        return self._lock_fd is not None and same_file(self._lock_fd, self._folder / "lock")

    def _give_lock_back(self) -> None:
        if self._lock_fd is not None:
            self._save()
            self._refusals.close()
            os.close(self._lock_fd)
            self._lock_fd = None

    # The work.

    async def _follow_or_recover(self) -> None:
        try:
            async with Sender(self._settings) as sender:
                await self._follow(sender)
        except Exception as error:  # noqa: BLE001  whatever it was, the next record is not to be lost for it
            _log.exception("Sending the chat log to Elasticsearch failed; it is tried again")
            await self._pause(f"{type(error).__name__}: {error}")

    async def _follow(self, sender: Sender) -> None:
        """Send what comes, until told to stop or the lock is gone."""
        while self._still_locked():
            self._replay_if_asked()
            try:
                self._spool.look()
                entries = self._spool.read(self._settings.batch_size, self._settings.batch_bytes)
            except OSError as error:
                await self._pause(f"the log files cannot be read: {error}")
                continue
            await self._keep_contact(sender)
            await self._send_refused_again_if_asked(sender)
            if entries:
                await self._deliver(sender, entries)
            if len(entries) < self._settings.batch_size and not self._spool.pending:
                self._unsure = False  # from here on, each record is sent for the first time
                if self._stopping.is_set():
                    return
                self._save_now_and_then()
                await self._wait(self._settings.batch_seconds)
        self._give_lock_back()

    async def _keep_contact(self, sender: Sender) -> None:
        """Prepare the server once, and ask now and then whether it is there; returns when it is."""
        while True:
            try:
                if not self._prepared:
                    await self._answer(sender.prepare())
                    self._prepared = True
                elif time.monotonic() - self._reached_at >= REACH_EVERY:
                    await self._answer(sender.reach())
                else:
                    return
            except Unavailable as error:
                await self._pause(str(error))
            else:
                self._reached()

    async def _deliver(self, sender: Sender, entries: Sequence[Entry]) -> None:
        """Bring the next entries to Elasticsearch, or to the dead letters; only then go on."""
        letters = await self._send(sender, entries)
        while problem := self._keep(letters):
            letters = []
            await self._pause(problem)
        self._reached()
        self._spool.advance(entries)
        self._save()

    async def _send(self, sender: Sender, entries: Sequence[Entry]) -> list[DeadLetter]:
        """Send entries until Elasticsearch has each or has refused it for good; returns what it refused."""
        documents, letters = self._translate(entries)
        counts = dict.fromkeys(("stored", "duplicate", "rejected"), 0)
        counts["rejected"] = len(letters)
        while documents:
            try:
                outcomes = await self._answer(sender.send(documents, unsure=self._unsure))
            except Unavailable as error:
                self._unsure = True  # the request may have been carried out all the same
                await self._pause(str(error), passing=error.passing)
                continue
            again: list[Document] = []
            reason = ""
            for document, outcome in zip(documents, outcomes, strict=True):
                if outcome.meaning == "retry":
                    again.append(document)
                    reason = f"HTTP {outcome.status} for single records: {outcome.reason}"
                    continue
                counts[outcome.meaning] += 1
                if outcome.meaning == "rejected":
                    letters.append(letter_of(document.entry, document.id, outcome.status, outcome.reason))
            documents = again
            if again:
                await self._pause(reason, passing=True)
        self._state = msgspec.structs.replace(
            self._state,
            sent=self._state.sent + counts["stored"],
            duplicates=self._state.duplicates + counts["duplicate"],
            rejected=self._state.rejected + counts["rejected"],
        )
        return letters

    def _translate(self, entries: Sequence[Entry]) -> tuple[list[Document], list[DeadLetter]]:
        documents: list[Document] = []
        letters: list[DeadLetter] = []
        for entry in entries:
            if not entry.line.strip():
                continue
            try:
                documents.append(to_document(entry, self._naming, self._settings.index, self._host, daily=self._daily))
            except NotARecord as error:
                letters.append(letter_of(entry, "", 0, f"not a record of a chat: {error}"))
        return documents, letters

    def _keep(self, letters: Sequence[DeadLetter]) -> str:
        """Keep what was refused; returns why it cannot be, and then keeps it with the next call."""
        try:
            self._refusals.keep(letters)
        except OSError as error:
            return f"what it refused cannot be kept in {self._folder}: {error.strerror}"
        return ""

    # What operators ask for.

    def _replay_if_asked(self) -> None:
        since = requested_replay(self._folder)
        if since is None:
            return
        with contextlib.suppress(OSError):
            self._spool.look()
        lines = self._spool.rewind(since)
        self._unsure = True
        self._save()
        try:
            self._refusals.drop(self._spool.awaits)  # what is refused again comes back
        except OSError as error:
            _log.warning("Dead letters that are refused again now will be there twice: %s", error.strerror)
        (self._folder / REPLAY).unlink(missing_ok=True)
        _log.info("Replaying the chat log: %d records are sent again where they are missing", lines)

    async def _send_refused_again_if_asked(self, sender: Sender) -> None:
        request = self._folder / RESEND
        if not request.exists():
            return

        async def send(entries: list[Entry]) -> list[DeadLetter]:
            letters = await self._send(sender, entries)
            self._reached()
            return letters

        self._unsure = True
        try:
            await self._refusals.send_again(send)
        except OSError as error:
            _log.error("The dead letters in %s cannot be sent again: %s", self._folder, error.strerror)
        self._save()
        request.unlink(missing_ok=True)

    # How it goes.

    def _reached(self) -> None:
        self._reached_at = time.monotonic()
        if self._state.status != "enabled":
            if self._failures:
                _log.warning(
                    "Elasticsearch takes records again; %d waited in the log files and are sent now.",
                    self._spool.pending,
                )
            self._state = msgspec.structs.replace(self._state, status="enabled", detail="")
            self._save()
        self._failures = 0
        self.settled.set()

    async def _pause(self, reason: str, *, passing: bool = False) -> None:
        """After a failure: say so once, wait longer each time, and keep the figures right meanwhile."""
        self._failures += 1
        if not (passing and self._failures == 1):  # being asked to slow down once is daily life
            if self._state.status != "unavailable" or self._failures == 1:
                _log.warning(
                    "Elasticsearch takes no records: %s. They wait in the log files and are sent later.", reason
                )
            self._state = msgspec.structs.replace(self._state, status="unavailable", detail=reason)
        self._save()
        self.settled.set()
        if self._stopping.is_set():
            raise asyncio.CancelledError
        longest = min(self._settings.retry_seconds, FIRST_PAUSE * 2 ** min(self._failures - 1, 16))
        until = time.monotonic() + longest * random.uniform(0.5, 1.0)  # noqa: S311  jitter, no secret
        while (left := until - time.monotonic()) > 0:
            await self._wait(min(LOOK_EVERY, left))
            with contextlib.suppress(OSError):
                self._spool.look()
            self._save()

    async def _answer(self, request: Coroutine[Any, Any, T]) -> T:
        """Wait for an answer, and keep the figures right meanwhile: it may take ``request_timeout``."""
        task = asyncio.create_task(request)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=LOOK_EVERY)
                if not task.done():
                    with contextlib.suppress(OSError):
                        self._spool.look()
                    self._save()
            return task.result()
        finally:
            task.cancel()

    async def _wait(self, seconds: float) -> None:
        """Sleep, but notice a stop at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop_asked.wait()

    def _save_now_and_then(self) -> None:
        if time.monotonic() - self._saved_at >= SAVE_EVERY:
            self._save()

    def _save(self) -> None:
        oldest = self._spool.oldest()
        self._state = msgspec.structs.replace(
            self._state,
            updated=time.time(),
            positions=self._spool.positions(),
            lag_records=self._spool.pending,
            lag_seconds=max(0.0, time.time() - oldest) if oldest is not None else 0.0,
            lost_bytes=self._spool.lost_bytes,
        )
        with contextlib.suppress(OSError):  # the number stays as it was
            self._state = msgspec.structs.replace(self._state, dead_letters=self._refusals.count())
        self._saved_at = time.monotonic()
        try:
            if self._still_locked():
                write_state(self._folder, self._state)
        except OSError as error:
            if not self._complained:
                self._complained = True
                _log.warning("The position in the chat log cannot be saved: %s", error.strerror)
        else:
            self._complained = False
