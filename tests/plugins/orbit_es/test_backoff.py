"""The pauses of the follower, with its real state on disk."""

import asyncio
import threading

from orbit_es.backoff import Backoff
from orbit_es.progress import Progress
from orbit_es.refusals import Refusals
from orbit_es.spool import Spool

from orbit.chatlog import FollowerFolder, FollowerState, Naming


def progress_in(folder, lock):
    spool = Spool(folder.directory, Naming("chat.log"), {})
    state = FollowerState(kind="elasticsearch", status="enabled")
    return Progress(folder, lock, spool, Refusals(folder, 10, 1000), state)


async def test_a_stop_ends_a_pause_at_once(tmp_path, monkeypatch):
    stop = asyncio.Event()
    folder = FollowerFolder(tmp_path, "elasticsearch")
    progress = progress_in(folder, folder.take())
    saves = []
    monkeypatch.setattr(progress, "save", lambda: saves.append(1))
    backoff = Backoff(30.0, progress, stop, threading.Event())
    asyncio.get_running_loop().call_later(0.05, stop.set)
    await backoff.failed("busy", passing=True)
    assert len(saves) <= 2, "it neither waits on nor saves again and again"


def test_only_who_holds_the_lock_saves(tmp_path):
    folder = FollowerFolder(tmp_path, "elasticsearch")
    lock = folder.take()
    assert folder.take() is None
    progress = progress_in(folder, lock)
    progress.save()
    assert folder.read_state() == progress.state
    (folder.path / "lock").unlink()
    (folder.path / "state.json").unlink()
    progress.save()
    assert not progress.held
    assert folder.read_state() is None
    assert lock is not None
    lock.close()
    again = folder.take()
    assert again is not None
    again.close()
