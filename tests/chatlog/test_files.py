"""The chat log in files, through the provider's face: hooks, lifecycle, health."""

import asyncio
import json
import logging
import re
import shutil
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import orbit
from orbit.chatlog import has_writers
from orbit.chatlog.provider import FileLog
from orbit.chatlog.settings import FileLogSettings

CONTEXT = orbit.CallContext(request_id="r")


def record(number: int = 0, **fields: object) -> orbit.ChatRecord:
    return msgspec.structs.replace(
        orbit.ChatRecord(timestamp=time.time(), request_id=f"r{number}", query=f"question {number}", response="answer"),
        **fields,
    )


def provider(directory: Path, **settings: object) -> FileLog:
    given = msgspec.convert({"directory": str(directory), **settings}, FileLogSettings)
    return FileLog("files", given, None)  # type: ignore[arg-type]  # the chat log asks nothing of its host


def lines(directory: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for path in sorted(directory.glob("chat-*.log")) for line in path.read_bytes().splitlines()
    ]


async def eventually(check, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


async def test_a_line_has_every_field(tmp_path):
    full = orbit.ChatRecord(
        timestamp=1738315800.1259,
        request_id="req-1",
        query="Wie heißt du?",
        response="ORBIT\nof course",
        status="ok",
        backend="ollama",
        model="gemma3:4b",
        session_id="s1",
        client_ip="192.0.2.7",
        key_id="k1",
        key_hint="9f3a",
        client_name="shop",
        collection="faq",
        prompt_id="p1",
        prompt_version="2",
        sources=(orbit.SourceRef("d1", "faq.md", 0.83),),
        durations={"retrieve": 0.012346, "total": 1.5},
        prompt_tokens=120,
        completion_tokens=7,
        tries=2,
    )
    async with provider(tmp_path / "logs") as log:
        await log.log(full)
    assert lines(tmp_path / "logs") == [
        {
            "timestamp": "2025-01-31T09:30:00.125Z",
            "request_id": "req-1",
            "session_id": "s1",
            "status": "ok",
            "blocked": False,
            "reason": "",
            "query": "Wie heißt du?",
            "response": "ORBIT\nof course",
            "backend": "ollama",
            "model": "gemma3:4b",
            "client_ip": "192.0.2.7",
            "key_id": "k1",
            "key_hint": "9f3a",
            "client_name": "shop",
            "collection": "faq",
            "prompt_id": "p1",
            "prompt_version": "2",
            "sources": [{"id": "d1", "source": "faq.md", "score": 0.83}],
            "durations": {"retrieve": 0.012346, "total": 1.5},
            "prompt_tokens": 120,
            "completion_tokens": 7,
            "tool_calls": [],
            "tries": 2,
            "tool_uses": [],
            "task": "",
            "elasticsearch_status": "disabled",
        }
    ]


async def test_the_file_is_named_after_the_day_and_private(tmp_path):
    folder = tmp_path / "deep" / "logs"
    async with provider(folder) as log:
        await log.log(record())
    path = folder / f"chat-{datetime.now(UTC):%Y-%m-%d}.log"
    assert path.exists()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_record_is_on_disk_within_a_second(tmp_path):
    async with provider(tmp_path) as log:
        await log.log(record())
        await eventually(lambda: lines(tmp_path), seconds=1.0)


async def test_leaving_writes_what_is_waiting(tmp_path):
    async with provider(tmp_path) as log:
        for number in range(500):
            await log.log(record(number))
    assert [line["request_id"] for line in lines(tmp_path)] == [f"r{number}" for number in range(500)]


async def test_full_files_are_followed_by_numbered_ones(tmp_path):
    async with provider(tmp_path, max_size_mb=0.002, filename="audit.log") as log:
        for number in range(12):
            await log.log(record(number))
    names = sorted(path.name for path in tmp_path.glob("audit-*.log"))
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    assert {f"audit-{day}.log", f"audit-{day}.1.log", f"audit-{day}.2.log"} <= set(names)
    assert all(path.stat().st_size <= 2000 for path in tmp_path.glob("audit-*.log"))


async def test_a_line_larger_than_a_file_gets_one_of_its_own(tmp_path):
    async with provider(tmp_path, max_size_mb=0.002) as log:
        for text in ("a", "b" * 5000, "c"):
            await log.log(record(query=text))
    assert [line["query"][0] for line in lines(tmp_path)].count("b") == 1
    assert len(list(tmp_path.glob("chat-*.log"))) == 3


@pytest.mark.parametrize(("size", "longest"), [(0.01, 10_000), (20.0, 1_000_000)])
@pytest.mark.parametrize("character", ["x", "ü", "\x01", "\ud800", "🙂"])
async def test_a_huge_record_is_cut_to_a_line_of_a_sane_size(tmp_path, size, longest, character):
    text = character * 500_000
    huge = record(1, query=text, response=text, reason=text, client_name="shop")
    many = record(2, sources=tuple(orbit.SourceRef(f"d{n}", "a" * 200, 0.5) for n in range(10_000)))
    async with provider(tmp_path, max_size_mb=size) as log:
        for one in (huge, many, record(3)):
            await log.log(one)
    written = [
        line for path in sorted(tmp_path.glob("chat-*.log")) for line in path.read_bytes().splitlines(keepends=True)
    ]
    assert all(len(line) <= longest for line in written)
    first, second, third = sorted(lines(tmp_path), key=lambda line: line["request_id"])
    assert first["response"].endswith("[cut: 500000 characters]")
    assert max(map(len, written)) > longest / 8  # no more is cut than has to be
    assert (first["client_name"], first["request_id"], third["query"]) == ("shop", "r1", "question 3")
    assert second["sources"][0]["id"] == "d0"


async def test_old_files_are_deleted_and_other_files_are_not(tmp_path):
    today = datetime.now(UTC).date()
    for age in (0, 2, 3, 40):
        (tmp_path / f"chat-{today - timedelta(days=age)}.log").write_text("{}\n")
    (tmp_path / "chat-notes.log").write_text("mine")
    (tmp_path / "other-2001-01-01.log").write_text("mine")
    async with provider(tmp_path, backup_count=3) as log:
        await eventually(lambda: len(list(tmp_path.glob("chat-2*.log"))) == 2)
        await log.flush()
    assert {path.name for path in tmp_path.glob("*.log")} == {
        f"chat-{today}.log",
        f"chat-{today - timedelta(days=2)}.log",
        "chat-notes.log",
        "other-2001-01-01.log",
    }


@pytest.mark.parametrize(
    ("content", "pattern"),
    [("hash", r"sha256:[0-9a-f]{64}"), ("none", None)],
)
async def test_texts_that_may_not_be_kept(tmp_path, content, pattern):
    async with provider(tmp_path, content=content) as log:
        await log.log(record(query="my secret", response="your secret"))
    (line,) = lines(tmp_path)
    for field in ("query", "response"):
        assert line[field] is None if pattern is None else re.fullmatch(pattern, line[field])
    assert "secret" not in json.dumps(line)


async def test_a_hash_key_makes_digests_unguessable(tmp_path):
    for key in ("one", "two"):
        async with provider(tmp_path, content="hash", hash_key=key) as log:
            await log.log(record(query="yes"))
    first, second = (line["query"] for line in lines(tmp_path))
    assert first.startswith("hmac-sha256:")
    assert first != second


async def test_redacted_patterns(tmp_path):
    async with provider(tmp_path, redact=[r"\b\d{16}\b", r"[\w.]+@[\w.]+"]) as log:
        await log.log(record(query="card 4111111111111111", response="ok a.b@c.example", reason="saw a.b@c.example"))
    (line,) = lines(tmp_path)
    assert (line["query"], line["response"], line["reason"]) == (
        "card [redacted]",
        "ok [redacted]",
        "saw [redacted]",
    )


async def test_half_a_surrogate_pair_does_not_lose_the_record(tmp_path):
    async with provider(tmp_path) as log:
        await log.log(record(query="half \ud83d here"))
    assert lines(tmp_path)[0]["query"] == "half ? here"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"redact": ["("]}, r"redact: '\(' is not a valid regular expression"),
        ({"timezone": "Mars/Olympus"}, "the time zone 'Mars/Olympus' does not exist"),
        ({"filename": "a/b.log"}, "put the folder under directory"),
        ({"directory": f"{__file__}/logs/of/today"}, "directory: '.*test_files.py' is a file"),
    ],
)
async def test_settings_without_sense_are_named(tmp_path, settings, message):
    log = provider(**{"directory": tmp_path, **settings})
    assert re.search(message, " ".join(log.validate()))
    with pytest.raises(orbit.ConfigError, match=message):
        async with log:
            pass


async def test_a_local_day(tmp_path, monkeypatch):
    async with provider(tmp_path, timezone="Pacific/Kiritimati") as log:
        await log.log(record())
    there = (datetime.now(UTC) + timedelta(hours=14)).date()
    assert (tmp_path / f"chat-{there}.log").exists()


async def test_a_deleted_folder_is_made_again(tmp_path, caplog):
    folder = tmp_path / "logs"
    async with provider(folder) as log:
        await log.log(record(1))
        await log.flush()
        shutil.rmtree(folder)
        await log.log(record(2))
        await log.flush()
        assert [line["request_id"] for line in lines(folder)] == ["r2"]
        assert has_writers(folder), "followers that start now see that somebody writes here"
    assert [entry.getMessage() for entry in caplog.records] == [
        f"{folder} was deleted or replaced; ORBIT creates it again"
    ]


async def test_a_folder_deleted_before_the_first_record_is_told(tmp_path, caplog):
    folder = tmp_path / "logs"
    async with provider(folder) as log:
        shutil.rmtree(folder)
        await log.log(record(1))
    assert "was deleted or replaced; ORBIT creates it again" in caplog.text


async def test_a_file_moved_away_is_made_again(tmp_path):
    async with provider(tmp_path) as log:
        await log.log(record(1))
        await log.flush()
        (path,) = tmp_path.glob("chat-*.log")
        path.rename(tmp_path / "kept-elsewhere")
        await log.log(record(2))
        await log.flush()
    assert [line["request_id"] for line in lines(tmp_path)] == ["r2"]


async def test_a_line_torn_by_a_killed_writer_is_closed(tmp_path):
    path = tmp_path / f"chat-{datetime.now(UTC):%Y-%m-%d}.log"
    path.write_bytes(b'{"request_id":"old"}\n{"request_id":"tor')
    async with provider(tmp_path) as log:
        await log.log(record(1))
    whole = path.read_bytes().split(b"\n")
    assert whole[:2] == [b'{"request_id":"old"}', b'{"request_id":"tor']
    assert json.loads(whole[2])["request_id"] == "r1"


async def test_records_wait_for_a_folder_that_cannot_be_written(tmp_path, caplog):
    folder = tmp_path / "logs"
    with caplog.at_level(logging.WARNING):
        async with provider(folder, max_pending=3) as log:
            shutil.rmtree(folder)
            folder.write_text("a file where the folder should be")
            for number in range(5):
                await log.log(record(number))
            await eventually(lambda: log._writer is not None and log._writer.failures >= 2)
            health = await log.health()
            assert health.status == "degraded"
            assert "3 waiting, 2 dropped" in health.detail
            folder.unlink()
            await log.flush()
            assert (await log.health()).status == "ok"
    assert [line["request_id"] for line in lines(folder)] == ["r0", "r1", "r2"]
    told = [entry.message for entry in caplog.records]
    assert len([text for text in told if "Cannot write to" in text]) == 1, "once a minute, however many attempts"
    assert any("writable again" in text for text in told)


async def test_what_cannot_be_written_until_the_end_is_told(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("orbit.chatlog.provider.STOP_PATIENCE", 0.2)
    folder = tmp_path / "logs"
    async with provider(folder) as log:
        shutil.rmtree(folder)
        folder.write_text("no folder")
        await log.log(record())
    assert "could not write its last 1 records" in caplog.text


async def test_two_instances_share_a_folder(tmp_path):
    async with provider(tmp_path, max_size_mb=0.01) as one, provider(tmp_path, max_size_mb=0.01) as two:
        for number in range(200):
            await (one if number % 2 else two).log(record(number))
    assert {line["request_id"] for line in lines(tmp_path)} == {f"r{number}" for number in range(200)}
