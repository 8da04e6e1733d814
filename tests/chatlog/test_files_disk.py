"""The chat log on real disks that are full or read-only: small file systems in memory, where the system lets us."""

# ruff: noqa: ASYNC221  mounting takes a moment, and nothing else waits
import asyncio
import json
import subprocess
import time

import msgspec
import pytest

import orbit
from orbit.chatlog.provider import FileLog
from orbit.chatlog.settings import FileLogSettings


@pytest.fixture
def disk(tmp_path):
    """A file system of 128 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", place], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("mounting a small file system needs rights that this user has not")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def record(number):
    return orbit.ChatRecord(timestamp=time.time(), request_id=f"r{number}", query="x" * 700, response="y" * 300)


def file_log(directory, **settings):
    given = msgspec.convert({"directory": str(directory), **settings}, FileLogSettings)
    return FileLog("files", given, None)  # type: ignore[arg-type]  # it asks nothing of its host


def ids(directory):
    paths = sorted(directory.glob("chat-*.log"))
    return [json.loads(line)["request_id"] for path in paths for line in path.read_bytes().splitlines()]


async def until(check):
    end = time.monotonic() + 10
    while not check():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def test_a_full_disk_loses_nothing_and_tears_nothing(disk):
    async with file_log(disk / "logs") as log:
        (disk / "ballast").write_bytes(b"0" * 90_000)
        for number in range(60):
            await log.log(record(number))
        await until(lambda: log._writer.problem)
        health = await log.health()
        assert health.status == "degraded"
        assert "No space left on device" in health.detail
        written = ids(disk / "logs")
        assert written == [f"r{number}" for number in range(len(written))], "what is there is whole"
        assert 0 < len(written) < 60
        (disk / "ballast").unlink()
        await log.flush()
        assert (await log.health()).status == "ok"
        assert log.metrics()["failures_total"] >= 1
    assert ids(disk / "logs") == [f"r{number}" for number in range(60)]


async def test_a_read_only_disk_that_becomes_writable(disk):
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    async with file_log(disk / "logs") as log:
        await log.log(record(0))
        await until(lambda: log._writer.problem)
        assert "Read-only file system" in (await log.health()).detail
        subprocess.run(["mount", "-o", "remount,rw,size=128k", disk], check=True)
        await log.flush()
    assert ids(disk / "logs") == ["r0"]
