"""Elasticsearch away, hanging, refusing, rejecting: nothing is lost, nothing is there twice, nobody waits."""

import time

import pytest
from elasticsearch_kit import (
    Elastic,
    eventually,
    in_elasticsearch,
    lines,
    logging_to,
    numbers,
    record,
    sent,
    state_in,
    state_of,
)
from elasticsearch_wire import answers, bad_gateway, cuts, hangs, healthy, stores_and_cuts


async def test_away_and_back(tmp_path, wire, told):
    url = wire.url
    wire.stop()
    async with logging_to(tmp_path, url) as (files, log):
        for number in range(20):
            await files.log(record(number))
        await files.flush()
        await eventually(lambda: state_in(log).lag_records == 20)
        assert {line["elasticsearch_status"] for line in lines(tmp_path)} == {"unavailable"}
        health = await log.health()
        assert health.status == "degraded"
        assert f"unavailable: {url} cannot be reached: Connection refused (20 records waiting" in health.detail
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
    assert "accepts no records" in told()[0]
    assert "accepts records again" in told()[1]


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


async def test_the_figures_stay_right_while_an_answer_is_awaited(tmp_path, wire):
    async with logging_to(tmp_path, wire.url, request_timeout=60) as (files, log):
        await files.log(record(0))
        await eventually(sent(tmp_path, 1))
        wire.fail_always(hangs())
        for number in range(1, 6):
            await files.log(record(number))
        await eventually(lambda: log.metrics()["lag_records"] == 5)
        await eventually(lambda: log.metrics()["lag_seconds"] > 1)
