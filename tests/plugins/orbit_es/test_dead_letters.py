"""What Elasticsearch refuses for good: kept under the rules of the log, told, and sent again when asked."""

import asyncio
import json
import logging
import stat
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from elasticsearch_kit import Elastic, eventually, file_log, logging_to, numbers, record, state_in
from elasticsearch_wire import answers

from orbit.chatlog import DeadLetters
from orbit.chatlog.followers import follower_folder, read_state
from orbit.cli.logs import logs

REASON = "[1:2] failed to parse field [durations]"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "logs"


@pytest.fixture
def run(tmp_path, folder):
    """``orbit logs`` beside a running server: output and messages."""
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"logging": {"file": {"directory": str(folder)}}}))

    async def run(*arguments, code=0):
        command = [*arguments, "--config", str(config)]
        result = await asyncio.to_thread(CliRunner().invoke, logs, command)
        assert result.exit_code == code, result.output
        return result.output

    return run


def refusing(wire, *request_ids):
    """The mapping does not fit these records."""

    def refuse(_identity, document):
        return (400, "document_parsing_exception", REASON) if document["request_id"] in request_ids else None

    wire.item_fault = refuse


def kept(folder):
    lines = []
    for path in DeadLetters(follower_folder(folder, "elasticsearch")).files():
        with suppress(FileNotFoundError):  # sent meanwhile
            lines += path.read_bytes().splitlines()
    return [json.loads(line) for line in lines]


def refused(folder):
    return [json.loads(letter["line"])["request_id"] for letter in kept(folder)]


def dealt_with(folder, count):
    def check():
        state = read_state(follower_folder(folder, "elasticsearch"))
        return state is not None and state.sent + state.duplicates + state.rejected >= count and not state.lag_records

    return check


def in_elasticsearch(wire):
    return [document["request_id"] for document in wire.all_documents()]


async def log_numbers(files, count):
    for number in range(count):
        await files.log(record(number))


async def test_they_are_kept_with_the_reason_and_told(folder, wire, caplog, run):
    refusing(wire, "r3", "r4")
    async with logging_to(folder, wire.url, batch_size=1) as (files, log):
        await log_numbers(files, 6)
        await eventually(dealt_with(folder, 6))
        health = await log.health()
        assert health.status == "ok", "the others are stored"
        assert "2 rejected permanently: see orbit logs dead-letters" in health.detail
        figures = log.metrics()
        assert (figures["rejected_total"], figures["dead_letters"]) == (2, 2)
        output = await run("dead-letters")
    assert in_elasticsearch(wire) == ["r0", "r1", "r2", "r5"]
    letters = kept(folder)
    assert [letter["reason"] for letter in letters] == [f"document_parsing_exception: {REASON}"] * 2
    assert {letter["status"] for letter in letters} == {400}
    assert f"r3  400  document_parsing_exception: {REASON}\n" in output
    assert output.endswith(f"2 dead letters of 'elasticsearch' in {folder}/.followers/elasticsearch.\n")
    told = [entry.getMessage() for entry in caplog.records if entry.levelno >= logging.WARNING]
    assert len(told) == 1, "once a minute, however many there are"
    assert "orbit logs replay --dead-letters" in told[0]


async def test_the_command_shows_the_last_ones_as_they_are(folder, wire, run):
    refusing(wire, *numbers(5))
    async with logging_to(folder, wire.url) as (files, _):
        await log_numbers(files, 5)
        await eventually(dealt_with(folder, 5))
    output = (await run("dead-letters", "--json", "-n", "2")).splitlines()
    assert [json.loads(json.loads(line)["line"])["request_id"] for line in output[:2]] == ["r3", "r4"]
    await run("replay", code=2)
    await run("replay", "--since", "1h", "--dead-letters", code=2)


async def test_without_any_the_command_says_so(folder, wire, run):
    assert "there is no folder" in await run("dead-letters", code=1)
    async with logging_to(folder, wire.url) as (files, _):
        await files.log(record(0))
    assert await run("dead-letters") == "There are no dead letters.\n"


async def test_their_files_have_the_size_and_the_mode_of_the_logs(folder, wire):
    refusing(wire, *numbers(40))
    async with logging_to(folder, wire.url, file_settings={"max_size_mb": 0.004}) as (files, log):
        await log_numbers(files, 40)
        await eventually(dealt_with(folder, 40))
        await eventually(lambda: log.metrics()["dead_letters"] == 40)
    paths = DeadLetters(follower_folder(folder, "elasticsearch")).files()
    assert paths[1].name == f"dead-letter-{datetime.now(UTC):%Y-%m-%d}.1.log"
    assert all(path.stat().st_size <= 4000 for path in paths)
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    assert refused(folder) == numbers(40)


async def test_their_days_change_with_the_logs(folder, wire):
    refusing(wire, "r0")
    now = datetime.now(UTC)
    elsewhere = next(name for name in ("Etc/GMT+12", "Etc/GMT-14") if now.astimezone(ZoneInfo(name)).day != now.day)
    async with logging_to(folder, wire.url, file_settings={"timezone": elsewhere}) as (files, _):
        await log_numbers(files, 1)
        await eventually(dealt_with(folder, 1))
    (chat,) = folder.glob("chat-*.log")
    (dead,) = DeadLetters(follower_folder(folder, "elasticsearch")).files()
    assert dead.name == chat.name.replace("chat", "dead-letter")


async def test_they_go_with_the_log_they_belong_to(folder, caplog):
    day = datetime.now(UTC)
    paths = {}
    for age in (2, 3):
        for name in ("elasticsearch", "given-up"):
            paths[name, age] = follower_folder(folder, name) / f"dead-letter-{day - timedelta(days=age):%Y-%m-%d}.log"
            paths[name, age].parent.mkdir(parents=True, exist_ok=True)
            paths[name, age].write_text("{}\n")
    async with file_log(folder, retention_days=3):
        await eventually(lambda: not any(paths[name, 3].exists() for name in ("elasticsearch", "given-up")))
    assert paths["elasticsearch", 2].exists()
    assert paths["given-up", 2].exists()
    assert f"{paths['given-up', 3]} reached the end of its retention and was deleted" in caplog.text


@pytest.mark.parametrize("storage", ["daily", "data_stream"])
async def test_they_are_sent_again_when_the_reason_is_mended(folder, wire, run, storage):
    refusing(wire, "r1", "r3", "r5")
    small = {"max_size_mb": 0.001}
    async with logging_to(folder, wire.url, file_settings=small, storage=storage) as (files, log):
        await log_numbers(files, 6)
        await eventually(dealt_with(folder, 6))
        refusing(wire, "r3")
        sent, left = (await run("replay", "--dead-letters")).splitlines()
        assert sent == "2 records sent, 0 already there, 1 rejected."
        assert left == "1 dead letters remain; 'orbit logs dead-letters' shows why."
        assert refused(folder) == ["r3"]
        refusing(wire)
        assert await run("replay", "--dead-letters") == "1 records sent, 0 already there.\n"
        assert log.metrics()["dead_letters"] == 0
        assert "refused" not in (await log.health()).detail
    assert kept(folder) == []
    assert sorted(in_elasticsearch(wire)) == numbers(6)
    seen = Elastic(wire.url, "orbit-chat")
    assert seen.request_ids() == numbers(6), "they have the place of their line in the log"
    seen.close()


async def test_they_are_sent_although_the_log_is_gone(folder, wire, run):
    refusing(wire, "r1")
    async with logging_to(folder, wire.url) as (files, _):
        await log_numbers(files, 3)
        await eventually(dealt_with(folder, 3))
        for path in folder.glob("chat-*.log"):
            path.unlink()
        refusing(wire)
        assert "1 records sent" in await run("replay", "--dead-letters")
    assert sorted(in_elasticsearch(wire)) == numbers(3)


async def test_a_replay_of_the_log_neither_doubles_nor_forgets_them(folder, wire, run):
    refusing(wire, "r1", "r2")
    async with logging_to(folder, wire.url) as (files, _):
        await log_numbers(files, 4)
        await eventually(dealt_with(folder, 4))
        await run("replay", "--since", "1h")
        assert refused(folder) == ["r1", "r2"], "refused once more, kept once"
        (path,) = folder.glob("chat-*.log")
        lines = path.read_bytes().splitlines(keepends=True)
        refusing(wire)
        path.unlink()
        path.write_bytes(b"".join(lines[:2]))
        await eventually(lambda: not (follower_folder(folder, "elasticsearch") / "replay.json").exists())
        await run("replay", "--since", "1h")
        assert refused(folder) == ["r2"], "its line is not in the log any more, so the letter is all that is left"
    assert sorted(in_elasticsearch(wire)) == ["r0", "r1", "r3"]


async def test_asked_for_while_no_server_runs(folder, wire, run):
    refusing(wire, "r1")
    async with logging_to(folder, wire.url) as (files, _):
        await log_numbers(files, 3)
        await eventually(dealt_with(folder, 3))
    refusing(wire)
    assert "when one starts" in await run("replay", "--dead-letters")
    wire.fail(answers(503), answers(503))
    async with logging_to(folder, wire.url):
        await eventually(lambda: kept(folder) == [])
    assert sorted(in_elasticsearch(wire)) == numbers(3)


async def test_elasticsearch_goes_away_in_the_middle(folder, wire, run):
    refusing(wire, *numbers(6))
    async with logging_to(folder, wire.url, batch_size=2) as (files, _):
        await log_numbers(files, 6)
        await eventually(dealt_with(folder, 6))
        refusing(wire)
        before = len(wire.requests)
        wire.fail_always(answers(503))
        await run("replay", "--dead-letters", "--no-wait")
        await eventually(lambda: len(wire.requests) > before)
        assert "is unavailable: HTTP 503" in await run("replay", "--dead-letters", code=1)
    assert refused(folder) == numbers(6), "none is lost when the server ends meanwhile"
    wire.fail_always(None)
    async with logging_to(folder, wire.url, batch_size=2):
        await eventually(lambda: kept(folder) == [])
    assert in_elasticsearch(wire) == numbers(6)


async def test_while_they_cannot_be_written_the_position_waits(folder, wire, caplog):
    obstacle = follower_folder(folder, "elasticsearch") / f"dead-letter-{datetime.now(UTC):%Y-%m-%d}.log"
    obstacle.mkdir(parents=True)
    refusing(wire, "r1")
    async with logging_to(folder, wire.url) as (files, log):
        await log_numbers(files, 3)
        await eventually(lambda: state_in(log).status == "unavailable")
        health = await log.health()
        assert health.status == "degraded"
        assert f"rejected records cannot be stored in {obstacle.parent}: Is a directory" in health.detail
        obstacle.rmdir()
        await eventually(dealt_with(folder, 3))
        assert (await log.health()).status == "ok"
    assert refused(folder) == ["r1"]
    assert in_elasticsearch(wire) == ["r0", "r2"]
    assert caplog.text.count("rejects records permanently") == 1


async def test_half_a_line_is_kept_apart(folder, wire):
    folder.mkdir()
    torn = folder / f"chat-{datetime.now(UTC):%Y-%m-%d}.log"
    torn.write_bytes(b'{"timestamp":"2025-01-31T09:30:00.000Z","request_id":"tor')
    async with logging_to(folder, wire.url) as (files, _):
        await files.log(record(1))
        await eventually(dealt_with(folder, 2))
    assert in_elasticsearch(wire) == ["r1"]
    (letter,) = kept(folder)
    assert letter["reason"].startswith("not a record of a chat")
    assert letter["status"] == 0


async def test_what_a_killed_process_left_half_rewritten_goes(folder, wire):
    left = follower_folder(folder, "elasticsearch") / "dead-letter.new"
    left.parent.mkdir(parents=True)
    left.write_text('{"time":')
    async with logging_to(folder, wire.url):
        await eventually(lambda: not left.exists())
