"""A whole server whose Elasticsearch fails in every way: what the client, the files, ``/health`` and the figures show.

With ``-s`` it prints that, as the table in ``docs/logging.md`` has it.
"""

import json
import shutil
import time

import httpx
import pytest
from elasticsearch_wire import FakeElasticsearch, answers, bad_gateway, hangs

from orbit.errors import ConfigError
from orbit.testing import serve


def rejects(_identity, document):
    return (400, "document_parsing_exception", "failed to parse") if document["query"] == "poison" else None


FAILURES = {
    "away": None,
    "hanging": hangs(),
    "429": answers(429),
    "503": answers(503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered]"),
    "gateway": bad_gateway(),
}


def config(tmp_path, url):
    return {
        "echo": {},
        "logging": {"file": {"directory": str(tmp_path / "logs"), "filename": "talk.log"}},
        "elasticsearch": {
            "node": url,
            "batch_seconds": 0.05,
            "request_timeout": 0.5,
            "retry_seconds": 0.2,
        },
    }


def ask(server, text):
    response = httpx.post(
        f"{server.url}/chat", json={"message": text, "stream": False}, headers={"X-API-Key": server.key}
    )
    return response.status_code, response.elapsed.total_seconds()


def component(server):
    headers = {"X-Admin-Token": (server.services.config.data_dir / "admin-token").read_text().strip()}
    return httpx.get(f"{server.url}/health", headers=headers).json()["components"]["elasticsearch"]


def lines(tmp_path):
    found = [line for path in sorted((tmp_path / "logs").glob("talk-*.log")) for line in path.read_bytes().splitlines()]
    return [json.loads(line) for line in found]


def eventually(check):
    end = time.monotonic() + 10
    while not check():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.parametrize("failure", FAILURES)
def test_failures(tmp_path, failure):
    with FakeElasticsearch() as wire, serve(config(tmp_path, wire.url), tmp_path) as server:
        assert ask(server, "before")[0] == 200
        eventually(lambda: len(wire.arrivals) == 1)
        if failure == "away":
            wire.stop()
        else:
            wire.fail_always(FAILURES[failure])
        assert ask(server, "during")[0] == 200
        eventually(lambda: component(server)["status"] == "degraded")
        time.sleep(1.1)  # records tell the state of at most a second ago
        status, seconds = ask(server, "during, and known")
        assert status == 200
        eventually(lambda: len(lines(tmp_path)) == 3)
        assert lines(tmp_path)[-1]["elasticsearch_status"] == "unavailable"
        eventually(lambda: server.provider("elasticsearch").metrics()["lag_records"] == 2)
        health, figures = component(server), server.provider("elasticsearch").metrics()
        assert health["detail"].startswith("unavailable: ")
        assert "2 records waiting" in health["detail"]
        print(f"\n{failure}: client {status} in {seconds:.3f} s; file {lines(tmp_path)[-1]['elasticsearch_status']}")  # noqa: T201
        print(f"  health {health}\n  figures {figures}")  # noqa: T201  shown with -s
        if failure == "away":
            wire.start()
        else:
            wire.fail_always(None)
        eventually(lambda: component(server)["status"] == "ok")
        eventually(lambda: len(wire.arrivals) == 3)
        assert [document["query"] for document in wire.all_documents()] == ["before", "during", "during, and known"]


def test_a_record_that_elasticsearch_will_never_take(tmp_path):
    with FakeElasticsearch() as wire, serve(config(tmp_path, wire.url), tmp_path) as server:
        wire.item_fault = rejects
        assert [ask(server, text)[0] for text in ("one", "poison", "two")] == [200] * 3
        eventually(lambda: len(wire.arrivals) == 2)
        eventually(lambda: "1 rejected permanently: see orbit logs dead-letters" in component(server)["detail"])
        assert server.provider("elasticsearch").metrics()["dead_letters"] == 1
        assert component(server)["status"] == "ok"
        print(f"\nrejected: health {component(server)}")  # noqa: T201  shown with -s
    assert len(lines(tmp_path)) == 3
    letter = next((tmp_path / "logs" / ".followers" / "elasticsearch").glob("dead-letter-*.log")).read_text()
    assert json.loads(json.loads(letter)["line"])["query"] == "poison"


def test_a_restart_while_elasticsearch_is_away(tmp_path):
    wire = FakeElasticsearch()
    with wire:
        pass  # from here on there is an address, and nobody at it
    for turn in ("before", "after"):
        with serve(config(tmp_path, wire.url), tmp_path) as server:
            assert [ask(server, f"{turn} {number}")[0] for number in range(3)] == [200] * 3
            waiting = 3 if turn == "before" else 6
            figures = server.provider("elasticsearch").metrics
            eventually(lambda: figures()["lag_records"] == waiting)  # noqa: B023  called here
            if turn == "after":
                with wire:
                    eventually(lambda: len(wire.arrivals) == 6)
                    eventually(lambda: figures()["up"] == 1.0)  # noqa: B023  the same
    queries = [document["query"] for document in wire.all_documents()]
    assert queries == [f"{turn} {number}" for turn in ("before", "after") for number in range(3)]
    assert {line["elasticsearch_status"] for line in lines(tmp_path)} == {"unavailable"}


@pytest.mark.parametrize(
    ("key", "told"),
    [("", "it requires credentials, but none are configured"), ("d3Jvbmc=", "the credentials are not valid")],
)
def test_credentials(tmp_path, key, told):
    settings = config(tmp_path, "")
    with FakeElasticsearch(api_key="c2VjcmV0") as wire:
        settings["elasticsearch"] |= {"node": wire.url, "api_key": key}
        with serve(settings, tmp_path) as server:
            assert ask(server, "hello")[0] == 200
            eventually(lambda: component(server)["detail"].startswith(f"unavailable: {told}"))
            eventually(lambda: len(lines(tmp_path)) == 1)
            assert lines(tmp_path)[0]["elasticsearch_status"] == "unavailable"
            print(f"\ncredentials '{key}': health {component(server)}")  # noqa: T201  shown with -s
        settings["elasticsearch"]["api_key"] = "c2VjcmV0"
        with serve(settings, tmp_path):
            eventually(lambda: len(wire.arrivals) == 1)


def test_the_folder_deleted_under_the_server(tmp_path):
    with FakeElasticsearch() as wire, serve(config(tmp_path, wire.url), tmp_path) as server:
        assert ask(server, "before")[0] == 200
        eventually(lambda: len(wire.arrivals) == 1)
        (tmp_path / "logs").rename(tmp_path / "gone")  # at once: the server writes files there
        shutil.rmtree(tmp_path / "gone", ignore_errors=True)
        assert ask(server, "after")[0] == 200
        eventually(lambda: len(wire.arrivals) == 2)
        assert [line["query"] for line in lines(tmp_path)] == ["after"]


def test_stopping_the_server_sends_what_is_left(tmp_path):
    with FakeElasticsearch() as wire:
        with serve(config(tmp_path, wire.url), tmp_path) as server:
            for number in range(5):
                ask(server, f"{number}")
        assert [document["query"] for document in wire.all_documents()] == ["0", "1", "2", "3", "4"]


def test_a_folder_that_is_not_the_chat_logs(tmp_path):
    settings = config(tmp_path, "http://127.0.0.1:9")
    settings["elasticsearch"]["directory"] = str(tmp_path / "elsewhere")
    with serve(settings, tmp_path) as server:
        assert ask(server, "hello")[0] == 200
        assert "there is no chat log in" in component(server)["detail"]


def test_without_a_chat_log_there_is_nothing_to_send(tmp_path, wire):
    without = {**config(tmp_path, wire.url), "logging": {"file": {"enabled": False}}}
    with pytest.raises(ConfigError, match=r"leave logging\.file\.enabled on"), serve(without, tmp_path):
        pass
