"""What reaches Elasticsearch, on the stand-in or a real server."""

import json
import time
from datetime import UTC, datetime

from elasticsearch_kit import elasticsearch_log, eventually, file_log, follower_of, logging_to, numbers, record

from orbit.chatlog.followers import follower_folder, read_state, request_replay


def caught_up(directory, sent: int):
    def check() -> bool:
        state = read_state(follower_folder(directory, "elasticsearch"))
        return state is not None and state.sent + state.duplicates + state.rejected >= sent and not state.lag_records

    return check


async def test_records_arrive_once_and_in_order(tmp_path, elastic):
    async with logging_to(tmp_path, elastic.url, elastic.index, batch_size=7) as (files, log):
        for number in range(50):
            await files.log(record(number))
        await eventually(caught_up(tmp_path, 50))
        assert (await log.health()).status == "ok"
    assert elastic.request_ids() == numbers(50)


async def test_a_document_has_the_line_and_where_it_came_from(tmp_path, elastic):
    async with logging_to(tmp_path, elastic.url, elastic.index) as (files, _):
        await files.log(record(1, client_ip="", blocked=True, durations={"total": 1.5}))
        await eventually(caught_up(tmp_path, 1))
    elastic.client.indices.refresh(index=f"{elastic.index}*")
    (hit,) = elastic.client.search(index=f"{elastic.index}*")["hits"]["hits"]
    (path,) = tmp_path.glob("chat-*.log")
    line = json.loads(path.read_text())
    assert {key: value for key, value in hit["_source"].items() if key in line} == line
    position = f"{datetime.now(UTC):%Y-%m-%d}.000000.000000000000"
    assert hit["_source"]["log"] == {"file": {"path": path.name}, "offset": 0, "position": position}
    assert hit["_source"]["@timestamp"].startswith(line["timestamp"][:-1])
    assert line["elasticsearch_status"] == "enabled"
    assert hit["_index"] == f"{elastic.index}-{datetime.now(UTC):%Y.%m.%d}"


async def test_a_data_stream(tmp_path, elastic):
    async with logging_to(tmp_path, elastic.url, elastic.index, storage="data_stream", retention_days=30) as (files, _):
        for number in range(20):
            await files.log(record(number))
        await eventually(caught_up(tmp_path, 20))
    assert elastic.request_ids() == numbers(20)
    (stream,) = elastic.client.indices.get_data_stream(name=elastic.index)["data_streams"]
    assert stream["name"] == elastic.index


async def test_a_restart_goes_on_where_it_ended(tmp_path, elastic):
    for turn in range(3):
        async with logging_to(tmp_path, elastic.url, elastic.index, batch_size=3) as (files, _):
            for number in range(turn * 10, turn * 10 + 10):
                await files.log(record(number))
        # The next one finds what this one may have left.
    async with logging_to(tmp_path, elastic.url, elastic.index):
        await eventually(caught_up(tmp_path, 30))
    assert elastic.request_ids() == numbers(30)
    state = read_state(follower_folder(tmp_path, "elasticsearch"))
    assert state is not None
    assert (state.sent, state.duplicates) == (30, 0)


async def test_what_was_logged_before_elasticsearch_was_enabled_arrives_as_well(tmp_path, elastic):
    async with file_log(tmp_path) as files:
        await files.log(record(0))
    async with logging_to(tmp_path, elastic.url, elastic.index) as (files, _):
        await files.log(record(1))
        await eventually(caught_up(tmp_path, 2))
    assert elastic.request_ids() == numbers(2)


async def test_many_small_files(tmp_path, elastic):
    async with logging_to(tmp_path, elastic.url, elastic.index, {"max_size_mb": 0.001}) as (files, _):
        for number in range(40):
            await files.log(record(number))
        await eventually(caught_up(tmp_path, 40))
    assert len(list(tmp_path.glob("chat-*.log"))) > 10
    assert elastic.request_ids() == numbers(40), "chat-....10.log comes after chat-....2.log"


async def test_a_lost_position_stores_nothing_twice(tmp_path, elastic):
    for storage in ("daily", "data_stream"):
        directory = tmp_path / storage
        index = f"{elastic.index}-{storage.replace('_', '-')}"
        for _ in range(2):
            async with logging_to(directory, elastic.url, index, storage=storage, batch_size=4) as (files, _log):
                if not list(directory.glob("chat-*.log")):
                    for number in range(10):
                        await files.log(record(number))
                await eventually(caught_up(directory, 10))
            (follower_folder(directory, "elasticsearch") / "state.json").unlink()
        elastic.client.indices.refresh(index=f"{index}*")
        assert elastic.client.count(index=f"{index}*")["count"] == 10


async def test_a_data_stream_that_rolled_over_stores_nothing_twice(tmp_path, elastic):
    async with logging_to(tmp_path, elastic.url, elastic.index, storage="data_stream") as (files, _):
        for number in range(10):
            await files.log(record(number))
        await eventually(caught_up(tmp_path, 10))
    elastic.client.indices.rollover(alias=elastic.index)
    (follower_folder(tmp_path, "elasticsearch") / "state.json").unlink()
    async with logging_to(tmp_path, elastic.url, elastic.index, storage="data_stream"):
        await eventually(caught_up(tmp_path, 10))
    assert elastic.request_ids() == numbers(10)


async def test_replay_sends_what_is_missing(tmp_path, elastic):
    start = time.time()
    async with logging_to(tmp_path, elastic.url, elastic.index) as (files, _):
        for number in range(10):
            await files.log(record(number, timestamp=start + number))
        await eventually(caught_up(tmp_path, 10))
        elastic.client.indices.delete(index=f"{elastic.index}-*")
        request_replay(follower_folder(tmp_path, "elasticsearch"), start + 3.5)
        await eventually(lambda: not (follower_folder(tmp_path, "elasticsearch") / "replay.json").exists())
        await eventually(caught_up(tmp_path, 16))
        request_replay(follower_folder(tmp_path, "elasticsearch"), 0)
        await eventually(caught_up(tmp_path, 26))
    assert elastic.request_ids() == numbers(10)


async def test_one_follower_on_a_host(tmp_path, elastic):
    async with (
        logging_to(tmp_path, elastic.url, elastic.index) as (files, first),
        elasticsearch_log(tmp_path, elastic.url, elastic.index) as second,
    ):
        await second.ready()
        assert [follower_of(log).active for log in (first, second)] == [True, False]
        await files.log(record(0))
        await eventually(caught_up(tmp_path, 1))
        assert (await second.health()).status == "ok", "who stands by tells what the other one reports"
        assert second.metrics()["sent_total"] == 1
        await first.__aexit__(None, None, None)
        await eventually(lambda: follower_of(second).active)
        await files.log(record(1))
        await eventually(caught_up(tmp_path, 2))
    assert elastic.request_ids() == numbers(2)
