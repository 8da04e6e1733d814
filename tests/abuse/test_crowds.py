"""A crowd behind one key, over HTTP: others are served, refusals cost nothing, and nothing is left behind."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from serve_kit import eventually

from orbit.auth.keys import new_key
from orbit.testing import serve


def make_key(server: Any, name: str, requests_per_minute: int | None = None) -> str:
    secret, record = new_key(name, requests_per_minute=requests_per_minute)
    server.call(server.services.database.create_key(record))
    return secret


def chat(server: Any, key: str, **body: Any) -> httpx.Response:
    body = {"message": "hello", "stream": False, **body}
    return httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": key}, timeout=30)


async def crowd(server: Any, keys: list[str]) -> list[int]:
    """Ask with all keys at once, in order; the statuses."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits) as client:

        async def one(key: str) -> int:
            body = {"message": "hello", "stream": False}
            return (await client.post("/chat", json=body, headers={"X-API-Key": key})).status_code

        asking = []
        for key in keys:
            asking.append(asyncio.create_task(one(key)))
            await asyncio.sleep(0.001)
        return await asyncio.gather(*asking)


async def test_five_times_too_much_from_one_key_leaves_another_its_share(tmp_path: Path) -> None:
    config = {"script": {"words": 1, "first_delay": 0.05}, "limits": {"max_concurrent": 4, "max_queued": 20}}
    with serve(config, tmp_path) as server:
        greedy, modest = make_key(server, "greedy"), make_key(server, "modest")
        statuses = await crowd(server, [greedy] * 80 + [modest] * 20 + [greedy] * 20)
        assert set(statuses) == {200, 503}
        assert statuses[80:100].count(200) >= 10  # half of the queue at the least
        assert server.services.pipeline.admission.running == 0


@pytest.mark.parametrize("wait", ["full queue", "timeout"])
def test_a_refused_turn_costs_nothing_of_a_keys_minute(tmp_path: Path, wait: str) -> None:
    config = {
        "script": {"words": -1, "delay": 0.02},
        "limits": {"max_concurrent": 1, "max_queued": 0 if wait == "full queue" else 5},
        "timeouts": {"queue": 0.1},
    }
    with serve(config, tmp_path) as server:
        key = make_key(server, "limited", 3)
        url, headers = f"{server.url}/chat", {"X-API-Key": server.key}
        with httpx.stream("POST", url, json={"message": "hold the place"}, headers=headers, timeout=30) as held:
            assert held.status_code == 200
            refused = [chat(server, key) for _ in range(6)]
        eventually(lambda: server.services.pipeline.admission.running == 0)
        answers = [chat(server, key, message="x" * 40_000) for _ in range(3)]  # refused for its length, and counted
    assert [response.status_code for response in refused] == [503] * 6
    assert {response.headers.get("ratelimit-remaining") for response in refused} <= {None, "3"}
    assert [response.headers["ratelimit-remaining"] for response in answers] == ["2", "1", "0"]


def test_a_turn_refused_within_a_stream_costs_nothing_either(tmp_path: Path) -> None:
    config = {
        "script": {"words": -1, "delay": 0.02},
        "limits": {"max_concurrent": 1},
        "timeouts": {"queue": 0.5, "ping": 0.1},
    }
    with serve(config, tmp_path) as server:
        key = make_key(server, "limited", 3)
        url, headers = f"{server.url}/chat", {"X-API-Key": server.key}
        with httpx.stream("POST", url, json={"message": "hold the place"}, headers=headers, timeout=30):
            late = chat(server, key, stream=True)
        assert "overloaded" in late.text
        assert late.text.startswith(": ping")
        assert chat(server, key, message="x" * 40_000).headers["ratelimit-remaining"] == "2"


def test_a_crowd_that_leaves_at_once_leaves_every_place_free(tmp_path: Path) -> None:
    config = {"script": {"words": -1, "delay": 0.01}, "limits": {"max_concurrent": 3, "max_queued": 100}}
    with serve(config, tmp_path) as server:
        for _ in range(3):
            server.call(_come_and_go(server))
        admission = server.services.pipeline.admission
        assert (admission.running, admission.waiting) == (0, 0)
        server.call(_take(admission, 3))


async def _come_and_go(server: Any) -> None:
    async with httpx.AsyncClient(base_url=server.url, headers={"X-API-Key": server.key}, timeout=30) as client:
        asking = [asyncio.create_task(client.post("/chat", json={"message": "hello"})) for _ in range(60)]
        await asyncio.sleep(0.3)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    admission = server.services.pipeline.admission
    async with asyncio.timeout(20):
        while admission.running or admission.waiting:  # noqa: ASYNC110  # it has no event to wait for
            await asyncio.sleep(0.02)


async def _take(admission: Any, places: int) -> None:
    async with asyncio.timeout(1):
        for _ in range(places):
            await admission.enter("free")
    for _ in range(places):
        admission.leave("free")


def test_embeddings_and_sessions_have_places_that_chats_do_not_take(tmp_path: Path) -> None:
    config = {
        "script": {"words": -1, "delay": 0.02},
        "bag": {},
        "limits": {"max_concurrent": 1, "max_queued": 0},
    }
    with serve(config, tmp_path) as server:
        key = make_key(server, "limited", 100)
        headers = {"X-API-Key": key}
        embeddings: dict[str, Any] = {"json": {"model": "words", "input": "hello"}, "headers": headers}
        url = f"{server.url}/chat"
        with httpx.stream("POST", url, json={"message": "hello"}, headers={"X-API-Key": server.key}, timeout=30):
            beside = httpx.post(f"{server.url}/v1/embeddings", **embeddings)
        server.call(server.services.admission.enter("another"))
        refused = [
            httpx.post(f"{server.url}/v1/embeddings", **embeddings),
            httpx.get(f"{server.url}/chat/sessions/s", headers=headers),
            httpx.delete(f"{server.url}/chat/sessions/s", headers=headers),
        ]
        server.call(_leave(server.services.admission))
        after = httpx.post(f"{server.url}/v1/embeddings", **embeddings)
    assert beside.status_code == 200
    assert [response.status_code for response in refused] == [503] * 3
    assert beside.headers["ratelimit-remaining"] == "99"
    assert after.headers["ratelimit-remaining"] == "98"


async def _leave(admission: Any) -> None:
    admission.leave("another")
