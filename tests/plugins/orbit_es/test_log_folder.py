"""The folder of the chat log: files that expire or vanish, a folder that cannot be used, and who follows."""

import json
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from elasticsearch_kit import (
    elasticsearch_log,
    eventually,
    file_log,
    in_elasticsearch,
    lines,
    logging_to,
    record,
    sent,
    state_in,
)

import orbit
from orbit.chatlog.followers import follower_folder, living


def old_file(directory, days: int):
    day = datetime.now(UTC) - timedelta(days=days)
    path = directory / f"chat-{day:%Y-%m-%d}.log"
    path.write_text(json.dumps({"timestamp": f"{day:%Y-%m-%d}T12:00:00.000Z", "request_id": f"old{days}"}) + "\n")
    return path


async def test_old_files_wait_until_they_are_sent(tmp_path, wire, told):
    url = wire.url
    async with logging_to(tmp_path, url):
        pass
    wire.stop()
    kept, too_old = old_file(tmp_path, 5), old_file(tmp_path, 9)
    keep = {"retention_days": 3, "unsent_days": 5}
    async with logging_to(tmp_path, url, file_settings=keep) as (files, log):
        await eventually(lambda: state_in(log).lag_records > 0)
        files._keep_house()
        assert kept.exists()
        assert not too_old.exists()
        assert any("deleted before elasticsearch had sent all of it" in text for text in told())
        wire.start()
        await eventually(sent(tmp_path, 1))
        await eventually(lambda: log.metrics()["lag_records"] == 0)
        files._keep_house()
        assert not kept.exists()
    assert in_elasticsearch(wire) == ["old5"]


async def test_what_is_deleted_during_an_outage_is_not_sent_from_memory(tmp_path, wire, told):
    url = wire.url
    wire.stop()
    old_file(tmp_path, 5)
    too_old = old_file(tmp_path, 9)
    async with logging_to(tmp_path, url):
        await eventually(lambda: any("accepts no records" in text for text in told()))
        too_old.unlink()
        wire.start()
        await eventually(sent(tmp_path, 1))
    assert in_elasticsearch(wire) == ["old5"]
    assert any("1 records) are lost" in text for text in told())


async def test_what_is_deleted_before_it_was_sent_is_told(tmp_path, wire, told):
    url = wire.url
    wire.stop()
    async with logging_to(tmp_path, url) as (files, log):
        for number in range(3):
            await files.log(record(number))
        await files.flush()
        await eventually(lambda: state_in(log).lag_records == 3)
        for path in tmp_path.glob("chat-*.log"):
            path.unlink()
        await files.log(record(3))
        await files.flush()
        wire.start()
        await eventually(sent(tmp_path, 1))
        assert log.metrics()["lost_bytes_total"] > 500
        assert "deleted before they were sent" in (await log.health()).detail
    assert in_elasticsearch(wire) == ["r3"]
    assert any("(3 records) are lost" in text for text in told())


async def test_the_folder_deleted_under_a_running_follower(tmp_path, wire):
    folder = tmp_path / "logs"
    async with logging_to(folder, wire.url) as (files, _):
        await files.log(record(0))
        await eventually(sent(folder, 1))
        shutil.rmtree(folder)
        await files.log(record(1))
        await eventually(lambda: "elasticsearch" in living(folder))
        await eventually(lambda: in_elasticsearch(wire) == ["r0", "r1"])
    private = [folder, folder / ".followers", follower_folder(folder, "elasticsearch")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o700}


async def test_a_folder_without_a_chat_log_is_a_mistake(tmp_path, wire):
    with pytest.raises(orbit.ConfigError, match=r"there is no chat log in .*there.*logging\.file\.enabled on"):
        async with file_log(tmp_path / "here"), elasticsearch_log(tmp_path / "there", wire.url) as log:
            await log.ready()


async def test_why_the_log_cannot_be_followed(tmp_path, wire):
    obstacle = tmp_path / ".followers"
    obstacle.touch()
    async with logging_to(tmp_path, wire.url) as (files, log):
        await files.log(record(0))
        health = await log.health()
        assert health.status == "degraded"
        assert health.detail == f"the chat log in {tmp_path} is not accessible yet: File exists"
        assert log.metrics() == {"up": 0.0}
        obstacle.unlink()
        await eventually(sent(tmp_path, 1))
        assert (await log.health()).status == "ok"


WORKER = Path(__file__).parents[2] / "torture" / "worker.py"


async def test_a_killed_sender_is_not_a_switched_off_one(tmp_path, wire):
    orders = {"directory": str(tmp_path), "name": "w", "count": 10**6, "group": 1, "pause": 0.05}
    command = [sys.executable, str(WORKER), json.dumps({**orders, "elasticsearch": wire.url})]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as process:  # noqa: ASYNC220  a moment
        try:
            await eventually(lambda: len(wire.arrivals) > 1, seconds=30)
        finally:
            process.kill()
    async with file_log(tmp_path) as files:
        await files.log(record(0))
    last = next(line for line in lines(tmp_path) if line["request_id"] == "r0")
    assert last["elasticsearch_status"] == "enabled", "another one takes over within a second"
    async with logging_to(tmp_path, wire.url) as (files, _):
        await files.log(record(1))
    async with file_log(tmp_path) as files:
        await files.log(record(2))
    last = next(line for line in lines(tmp_path) if line["request_id"] == "r2")
    assert last["elasticsearch_status"] != "enabled", "it ended in peace, and nobody sends now"
