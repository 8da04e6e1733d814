"""The pauses of the follower, with its real state on disk."""

import asyncio
import threading

from orbit_es.backoff import Backoff
from orbit_es.host_lock import HostLock
from orbit_es.progress import Progress
from orbit_es.refusals import Refusals
from orbit_es.spool import Spool

from orbit.chatlog import FollowerState, Naming, Rules, read_state


def progress_in(folder, lock):
    spool = Spool(folder, Naming("chat.log"), {})
    state = FollowerState(kind="elasticsearch", status="enabled")
    return Progress(folder, lock, spool, Refusals(folder, Rules(), 10, 1000), state)


async def test_a_stop_ends_a_pause_at_once(tmp_path, monkeypatch):
    stop = asyncio.Event()
    progress = progress_in(tmp_path, HostLock.take(tmp_path))
    saves = []
    monkeypatch.setattr(progress, "save", lambda: saves.append(1))
    backoff = Backoff(30.0, progress, stop, threading.Event())
    asyncio.get_running_loop().call_later(0.05, stop.set)
    await backoff.failed("busy", passing=True)
    assert len(saves) <= 2, "it neither waits on nor saves again and again"


def test_only_who_holds_the_lock_saves(tmp_path):
    folder = tmp_path / "follower"
    lock = HostLock.take(folder)
    assert HostLock.take(folder) is None
    progress = progress_in(folder, lock)
    progress.save()
    assert read_state(folder) == progress.state
    (folder / "lock").unlink()
    (folder / "state.json").unlink()
    progress.save()
    assert not progress.held
    assert read_state(folder) is None
    lock.close()
    again = HostLock.take(folder)
    assert again is not None
    again.close()
