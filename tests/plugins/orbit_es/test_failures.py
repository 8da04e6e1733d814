"""Elasticsearch away, hanging, refusing, rejecting: nothing is lost, nothing is there twice, nobody waits."""

import json
import logging
import shutil
import ssl
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from elasticsearch_kit import Elastic, elasticsearch_log, eventually, file_log, logging_to, numbers, record
from elasticsearch_wire import FakeElasticsearch, answers, bad_gateway, cuts, hangs, healthy, stores_and_cuts

import orbit
from orbit.builtin.files import follower_folder, living, read_state


def state_of(directory):
    return read_state(follower_folder(directory, "elasticsearch"))


def sent(directory, count: int):
    return lambda: (state := state_of(directory)) is not None and state.sent + state.duplicates >= count


def in_elasticsearch(wire) -> list[str]:
    return [document["request_id"] for document in wire.all_documents()]


def lines(directory) -> list[dict[str, object]]:
    return [
        json.loads(line) for path in sorted(directory.glob("chat-*.log")) for line in path.read_bytes().splitlines()
    ]


@pytest.fixture
def told(caplog):
    """What operators read: warnings and errors of all loggers."""
    caplog.set_level(logging.WARNING)
    return lambda: [entry.getMessage() for entry in caplog.records]


async def test_away_and_back(tmp_path, wire, told):
    url = wire.url
    wire.stop()
    async with logging_to(tmp_path, url) as (files, log):
        for number in range(20):
            await files.log(record(number))
        await files.flush()
        await eventually(lambda: log._follower.state().lag_records == 20)
        assert {line["elasticsearch_status"] for line in lines(tmp_path)} == {"unavailable"}
        health = await log.health()
        assert health.status == "degraded"
        assert "unavailable: ConnectionError" in health.detail
        assert "20 records waiting" in health.detail
        figures = log.metrics()
        assert (figures["up"], figures["lag_records"]) == (0.0, 20)
        assert figures["lag_seconds"] > 0
        wire.start()
        await eventually(sent(tmp_path, 20))
        assert (await log.health()).status == "ok"
        await eventually(lambda: log.metrics()["lag_records"] == 0)
        await files.log(record(20))
        await eventually(sent(tmp_path, 21))
    assert in_elasticsearch(wire) == numbers(21)
    assert len(told()) == 2, "once when it goes, once when it is back; the client's own lines are not heard"
    assert "takes no records" in told()[0]
    assert "takes records again" in told()[1]


FAULTS = {
    "busy": [answers(429)] * 4,
    "unavailable": [answers(503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered]")],
    "gateway": [bad_gateway()] * 2,
    "cut": [cuts()] * 3,
    "hanging": [hangs()],
    "server error": [answers(500, "illegal_state_exception", "shard is gone")],
    "no right yet": [answers(403, "security_exception", "action [indices:data/write/bulk] is unauthorized")],
}


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("storage", ["daily", "data_stream"])
async def test_faults_of_a_request(tmp_path, wire, kind, storage):
    async with logging_to(tmp_path, wire.url, storage=storage, batch_size=5) as (files, _):
        wire.fail(healthy(), healthy(), *FAULTS[kind])
        for number in range(30):
            await files.log(record(number))
        await eventually(sent(tmp_path, 30))
    assert in_elasticsearch(wire) == numbers(30)


@pytest.mark.parametrize("storage", ["daily", "data_stream"])
async def test_an_answer_that_got_lost_stores_nothing_twice(tmp_path, wire, storage):
    async with logging_to(tmp_path, wire.url, storage=storage, batch_size=5) as (files, _):
        await files.log(record(0))
        await eventually(sent(tmp_path, 1))
        wire.fail(stores_and_cuts(wire), stores_and_cuts(wire))
        for number in range(1, 30):
            await files.log(record(number))
        await eventually(sent(tmp_path, 30))
        assert state_of(tmp_path).duplicates >= 5
    assert in_elasticsearch(wire) == numbers(30)


async def test_a_hanging_server_delays_neither_the_files_nor_the_end(tmp_path, wire):
    wire.fail_always(hangs())
    started = time.monotonic()
    async with logging_to(tmp_path, wire.url, request_timeout=60) as (files, log):
        await files.log(record(0))
        await eventually(lambda: lines(tmp_path) != [], seconds=1.0)
        assert lines(tmp_path)[0]["elasticsearch_status"] == "unavailable"
        assert (await log.health()).status == "degraded"
    assert time.monotonic() - started < 10
    wire.fail_always(None)
    async with logging_to(tmp_path, wire.url):
        await eventually(sent(tmp_path, 1))
    assert in_elasticsearch(wire) == ["r0"]


async def test_single_records_that_are_refused_for_now(tmp_path, wire):
    refusals = {f"r{number}": 3 for number in (2, 3, 7)}

    def busy(_identity, document):
        if refusals.get(document["request_id"], 0):
            refusals[document["request_id"]] -= 1
            return 429, "es_rejected_execution_exception", "rejected execution of primary operation"
        return None

    wire.item_fault = busy
    async with logging_to(tmp_path, wire.url, batch_size=5) as (files, _):
        for number in range(10):
            await files.log(record(number))
        await eventually(sent(tmp_path, 10))
    assert sorted(in_elasticsearch(wire)) == numbers(10)
    assert in_elasticsearch(wire).index("r3") < in_elasticsearch(wire).index("r5"), "no later batch overtakes"
    with Elastic_of(wire) as elastic:
        assert elastic.request_ids() == numbers(10), "and offsets sort as they were written"


def Elastic_of(wire):  # noqa: N802  a kind of constructor
    from contextlib import closing

    return closing(Elastic(wire.url, "orbit-chat"))


async def test_a_limit_of_the_cluster_is_no_fault_of_the_record(tmp_path, wire):
    left = [3]

    def full(_identity, _document):
        if left[0]:
            left[0] -= 1
            reason = (
                "this action would add [2] shards, but this cluster currently has [1000]/[1000] maximum normal shards"
            )
            return 400, "validation_exception", reason
        return None

    wire.item_fault = full
    async with logging_to(tmp_path, wire.url) as (files, _):
        await files.log(record(0))
        await eventually(sent(tmp_path, 1))
    assert in_elasticsearch(wire) == ["r0"]
    assert state_of(tmp_path).dead_letters == 0


async def test_requests_too_large_are_halved(tmp_path, wire):
    wire.max_content_length = 4000
    async with logging_to(tmp_path, wire.url) as (files, _):
        for number in range(20):
            await files.log(record(number, query="x" * (9000 if number == 7 else 10)))
        await eventually(sent(tmp_path, 19))
        await eventually(lambda: state_of(tmp_path).rejected == 1)
    assert in_elasticsearch(wire) == [name for name in numbers(20) if name != "r7"]


async def test_credentials(tmp_path, monkeypatch, told):
    with FakeElasticsearch(api_key="c2VjcmV0") as wire:
        async with logging_to(tmp_path, wire.url) as (files, log):
            await files.log(record(0))
            await files.flush()
            detail = (await log.health()).detail
            assert "it asks for credentials and none are configured; set ELASTICSEARCH_API_KEY" in detail
        monkeypatch.setenv("ELASTICSEARCH_API_KEY", "d3Jvbmc=")
        async with logging_to(tmp_path, wire.url) as (_, log):
            detail = (await log.health()).detail
            assert "it does not accept the credentials; check ELASTICSEARCH_API_KEY" in detail
            assert "HTTP 401: security_exception: unable to authenticate user" in detail
        monkeypatch.delenv("ELASTICSEARCH_API_KEY")
        (tmp_path / ".env").write_text("ELASTICSEARCH_API_KEY=c2VjcmV0\n")
        monkeypatch.setenv("ORBIT_CONFIG", str(tmp_path / "config.yaml"))
        async with logging_to(tmp_path, wire.url) as (_, log):
            await eventually(sent(tmp_path, 1))
        assert in_elasticsearch(wire) == ["r0"]
    with FakeElasticsearch(basic_auth=("elastic", "pässword")) as wire:
        (tmp_path / ".env").unlink()
        monkeypatch.setenv("ELASTICSEARCH_USERNAME", "elastic")
        monkeypatch.setenv("ELASTICSEARCH_PASSWORD", "pässword")
        async with logging_to(tmp_path, wire.url) as (_, log):
            assert (await log.health()).status == "ok"
        monkeypatch.delenv("ELASTICSEARCH_USERNAME")
        async with logging_to(tmp_path, wire.url, username="elastic", password="pässword") as (_, log):
            assert (await log.health()).status == "ok"
    assert not any("c2VjcmV0" in text or "pässword" in text for text in told())


async def test_tls(tmp_path, told):
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    request += [
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
        "-subj",
        "/CN=stand-in",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    subprocess.run(request, cwd=tmp_path, check=True, capture_output=True)  # noqa: ASYNC221  nothing else waits
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    logs = tmp_path / "logs"
    with FakeElasticsearch(tls=tls) as wire:
        async with logging_to(logs, wire.url) as (files, log):
            await files.log(record(0))
            await files.flush()
            assert "certificate" in (await log.health()).detail
        async with logging_to(logs, wire.url, ca_certs=str(tmp_path / "cert.pem")) as (files, _):
            await eventually(sent(logs, 1))
        async with logging_to(logs, wire.url, verify_certs=False) as (files, _):
            await files.log(record(1))
            await eventually(sent(logs, 2))
    assert in_elasticsearch(wire) == ["r0", "r1"]


async def test_no_right_to_manage_templates(tmp_path, wire, told):
    wire.forbidden = {"/_index_template", "/_ilm"}
    async with logging_to(tmp_path, wire.url, retention_days=7) as (files, _):
        await files.log(record(0))
        await eventually(sent(tmp_path, 1))
    assert in_elasticsearch(wire) == ["r0"]
    assert len([text for text in told() if "No right to manage the index template" in text]) == 1


async def test_something_else_than_elasticsearch(tmp_path):
    with FakeElasticsearch(product=False) as wire:
        async with logging_to(tmp_path, wire.url) as (files, log):
            await files.log(record(0))
            health = await log.health()
    assert health.status == "degraded"
    assert "not Elasticsearch" in health.detail


async def test_the_retention_of_daily_indices(tmp_path, wire):
    async with logging_to(tmp_path, wire.url, retention_days=30):
        pass
    assert wire.policies["orbit-chat-retention"]["phases"]["delete"]["min_age"] == "31d"
    template = wire.templates["orbit-chat-template"]
    assert template["index_patterns"] == ["orbit-chat-*.*.*"]
    assert template["template"]["settings"] == {"index.lifecycle.name": "orbit-chat-retention"}


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
        await eventually(lambda: log._follower.state().lag_records > 0)
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


async def test_what_is_deleted_before_it_was_sent_is_told(tmp_path, wire, told):
    url = wire.url
    wire.stop()
    async with logging_to(tmp_path, url) as (files, log):
        for number in range(3):
            await files.log(record(number))
        await files.flush()
        await eventually(lambda: log._follower.state().lag_records == 3)
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
    with pytest.raises(orbit.ConfigError, match=r"no chat log is written in .*there.*logging\.file\.enabled on"):
        async with file_log(tmp_path / "here"), elasticsearch_log(tmp_path / "there", wire.url) as log:
            await log.ready()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"node": "es.example.com:9200"}, "is no address"),
        ({"node": "http://es.example.com"}, "has no port; write it as http://es.example.com:9200"),
        ({"nodes": ["http://a:9200", "b"]}, "'b' is no address"),
        ({"index": "Chat"}, "cannot be a name in Elasticsearch"),
        ({"ca_certs": "/nowhere.pem"}, "there is no file '/nowhere.pem'"),
        ({"api_key": "a", "username": "b"}, "not both"),
    ],
)
def test_settings_without_sense_are_named(tmp_path, settings, message):
    log = elasticsearch_log(tmp_path, "http://a:9200", **settings)
    assert message in " ".join(log.validate())


async def test_another_node_takes_over(tmp_path, wire):
    with FakeElasticsearch() as dead:
        nowhere = dead.url
    async with logging_to(tmp_path, nowhere, nodes=[nowhere, wire.url]) as (files, _):
        await files.log(record(0))
        await eventually(sent(tmp_path, 1))
    assert in_elasticsearch(wire) == ["r0"]


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


async def test_why_the_log_cannot_be_followed(tmp_path, wire):
    obstacle = tmp_path / ".followers"
    obstacle.touch()
    async with logging_to(tmp_path, wire.url) as (files, log):
        await files.log(record(0))
        health = await log.health()
        assert health.status == "degraded"
        assert health.detail == f"the chat log in {tmp_path} cannot be followed yet: File exists"
        assert log.metrics() == {"up": 0.0}
        obstacle.unlink()
        await eventually(sent(tmp_path, 1))
        assert (await log.health()).status == "ok"


async def test_the_figures_stay_right_while_an_answer_is_awaited(tmp_path, wire):
    async with logging_to(tmp_path, wire.url, request_timeout=60) as (files, log):
        await files.log(record(0))
        await eventually(sent(tmp_path, 1))
        wire.fail_always(hangs())
        for number in range(1, 6):
            await files.log(record(number))
        await eventually(lambda: log.metrics()["lag_records"] == 5)
        await eventually(lambda: log.metrics()["lag_seconds"] > 1)
