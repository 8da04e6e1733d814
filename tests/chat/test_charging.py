"""What requests of every protocol cost a key with budgets, and how each refuses once a budget is used up."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from host_tools import PLUGINS, calls, says
from serve_kit import eventually

import orbit
from orbit.auth.keys import new_key
from orbit.database.budgets import Budgets, Use
from orbit.database.keys import KeyChanges
from orbit.database.secrets import digest_of
from orbit.database.sqlite import SqliteDatabase
from orbit.errors import DatabaseUnavailable
from orbit.testing import serve

DAY = "2026-11-29"
BOTH = Budgets(requests_per_day=50, tokens_per_month=5_000)


class Moods(orbit.Provider):
    """Answers as the question says. It counts 10 tokens for a prompt, unless it is not to count."""

    @orbit.hookimpl
    async def generate(self, messages: Sequence[orbit.Message]) -> AsyncIterator[orbit.Chunk]:
        asked = messages[-1].content
        if "betray" in asked:
            yield orbit.Chunk("The secret is told. ")
        if "fail" in asked:
            raise orbit.ProviderError("it fails.")
        if "early" in asked:
            yield orbit.Chunk(usage=orbit.Usage(10, 1))
        if "think" in asked:
            yield orbit.Chunk(reasoning="thoughts" * 5)
        while "endless" in asked:
            yield orbit.Chunk("word ")
            await asyncio.sleep(0.01)
        for _ in range(4):
            yield orbit.Chunk("word ")
        if "break" in asked:
            raise orbit.ProviderError("it breaks.")
        if "whole" in asked:
            yield orbit.Chunk("long words " * 20)
        usage = None if "uncounted" in asked else orbit.Usage(10, 4)
        yield orbit.Chunk(finish_reason="stop", usage=usage)


CONFIG: dict[str, Any] = {
    "general": {"inference_provider": "moods"},
    "moods": {},
    "bag": {},
    "backwards": {},
    "guard": {"word": "forbidden"},
    "diary": {},
    "limits": {"max_message_chars": 100},
    "metrics": {"access": "loopback"},
}
CHATS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/chat", {"message": "hello", "stream": False}),
    "stream": ("/chat", {"message": "hello"}),
    "completion": ("/v1/chat/completions", {"model": "moods", "messages": [{"role": "user", "content": "hello"}]}),
    "text": ("/v1/completions", {"model": "moods", "prompt": "hello"}),
    "response": ("/v1/responses", {"model": "moods", "input": "hello"}),
    "message": (
        "/v1/messages",
        {"model": "moods", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]},
    ),
}
BESIDE: dict[str, tuple[str, dict[str, Any], int]] = {
    "embeddings": ("/v1/embeddings", {"model": "words", "input": ["one two", "three"]}, 3),
    "rerank": ("/v1/rerank", {"query": "one two", "documents": ["three four", "five"]}, 5),
    "rerank elsewhere": ("/v2/rerank", {"query": "one two", "documents": ["three four", "five"]}, 5),
    "search": ("/search", {"question": "one two"}, 0),
}
WIRES = CHATS | {name: (path, body) for name, (path, body, _) in BESIDE.items()}
FREE: dict[str, tuple[str, dict[str, Any], int]] = {
    "a failure before the first word": ("/chat", {"message": "fail"}, 502),
    "a refused question": ("/chat", {"message": "forbidden"}, 200),
    "an empty message": ("/chat", {"message": " "}, 400),
    "an unknown field": ("/chat", {"message": "hello", "temperature": 2}, 400),
    "a message that is too long": ("/chat", {"message": "hello" * 50}, 413),
    "an unknown model": ("/chat", {"message": "hello", "model": "none"}, 404),
    "a completion without a model": ("/v1/chat/completions", {"messages": []}, 400),
    "a response to nothing": ("/v1/responses", {"model": "moods", "input": "a", "previous_response_id": "resp_x"}, 404),
    "an unknown embedding model": ("/v1/embeddings", {"model": "none", "input": "hello"}, 404),
    "empty embeddings": ("/v1/embeddings", {"model": "words", "input": [""]}, 400),
    "a rerank of nothing": ("/v1/rerank", {"query": " ", "documents": ["one"]}, 400),
    "a search for nothing": ("/search", {"question": " "}, 400),
    "a search elsewhere": ("/search", {"question": "one", "collection": "other"}, 403),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orbit.auth.budgets.day_of", lambda _: DAY)  # no test crosses midnight
        with serve(CONFIG, tmp_path_factory.mktemp("budgets"), {"moods": Moods}) as running:
            yield running


class Client:
    """A client whose key has budgets."""

    def __init__(self, server: Any, budgets: Budgets) -> None:
        self._server = server
        self.key, record = new_key("client", budgets=budgets)
        server.call(server.services.database.create_key(record))
        self.id = record.id
        self.headers = {"X-API-Key": self.key, "anthropic-version": "2023-06-01"}

    def ask(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return httpx.post(f"{self._server.url}{path}", json=body, headers=self.headers, timeout=30)

    def says(self, message: str, **more: Any) -> httpx.Response:
        return self.ask("/chat", {"message": message, "stream": False, **more})

    @property
    def used(self) -> tuple[int, int]:
        use: Use = self._server.call(self._server.services.database.use_of(self.id, DAY))
        assert (use.requests_per_day, use.tokens_per_day) == (use.requests_per_month, use.tokens_per_month)
        return use.requests_per_day, use.tokens_per_day


@pytest.fixture
def client(server: Any) -> Client:
    return Client(server, BOTH)


@pytest.mark.parametrize("budgets", [BOTH, Budgets(requests_per_month=9), Budgets(tokens_per_day=900)])
@pytest.mark.parametrize(("path", "body"), CHATS.values(), ids=CHATS)
def test_every_chat_counts_once(server: Any, path: str, body: dict[str, Any], budgets: Budgets) -> None:
    client = Client(server, budgets)
    for number in range(1, 4):
        assert client.ask(path, body).status_code == 200
        assert client.used == (number, 14 * number if budgets.of_tokens else 0), "counted before the answer ends"


@pytest.mark.parametrize(("path", "body", "tokens"), BESIDE.values(), ids=BESIDE)
def test_whatever_else_a_model_does_counts(client: Client, path: str, body: dict[str, Any], tokens: int) -> None:
    assert client.ask(path, body).status_code == 200
    assert client.used == (1, tokens)


@pytest.mark.parametrize(("path", "body", "status"), FREE.values(), ids=FREE)
def test_what_no_model_worked_for_is_free(client: Client, path: str, body: dict[str, Any], status: int) -> None:
    assert client.ask(path, {**body, "stream": False} if path == "/chat" else body).status_code == status
    assert client.used == (0, 0)


def test_routes_without_a_model_are_free(server: Any) -> None:
    client = Client(server, Budgets(requests_per_day=1))
    assert client.says("hello", session_id="s").status_code == 200
    for path in ("/chat/sessions/s", "/v1/models", "/key"):
        assert httpx.get(f"{server.url}{path}", headers=client.headers).status_code == 200
    assert client.used == (1, 0)


def test_a_failure_after_some_words_costs_them(client: Client) -> None:
    assert client.says("break").status_code == 502
    requests, tokens = client.used
    assert requests == 1
    assert 30 < tokens < 60, "the prompt, its instructions too, and four words"


def test_what_the_provider_does_not_count_is_estimated(client: Client) -> None:
    assert client.says("uncounted").status_code == 200
    requests, tokens = client.used
    assert (requests, 30 < tokens < 60) == (1, True)
    assert client.says("uncounted, think and whole").status_code == 200
    assert 60 < client.used[1] - tokens < 150, "long pieces are many tokens, and thoughts are written, too"


def test_thoughts_are_written_too(client: Client) -> None:
    client.says("uncounted: hello")
    plain = client.used[1]
    client.says("uncounted: think")
    assert client.used[1] - plain == plain + 10, "forty characters"


def test_a_provider_that_counts_before_it_writes_is_not_believed_half_way(client: Client) -> None:
    assert client.says("early break").status_code == 502
    assert client.used == (1, 10 + 5)


def test_the_cost_is_counted_before_the_last_frame(
    client: Client, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = server.services.database
    add = database.add_use

    async def add_slowly(*arguments: Any) -> None:
        await asyncio.sleep(0.3)
        await add(*arguments)

    monkeypatch.setattr(database, "add_use", add_slowly)
    assert client.ask("/chat", {"message": "hello"}).status_code == 200
    assert client.used == (1, 14)


def test_what_the_database_did_not_take_is_written_when_the_server_stops(tmp_path: Path) -> None:
    async def away(*_: Any) -> None:
        raise DatabaseUnavailable("switched off")

    async def used(key_id: str) -> Use:
        async with SqliteDatabase(tmp_path / "orbit.db") as database:
            return await database.use_of(key_id, DAY)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orbit.auth.budgets.day_of", lambda _: DAY)
        with serve({"moods": {}}, tmp_path, {"moods": Moods}) as server:
            client = Client(server, BOTH)
            with pytest.MonkeyPatch.context() as outage:
                outage.setattr(server.services.database, "add_use", away)
                assert client.says("hello").status_code == 200
            assert client.used == (1, 0)
    assert asyncio.run(used(client.id)) == Use(1, 14, 1, 14)


def test_a_cancelled_stream_costs_what_was_written(client: Client, server: Any) -> None:
    body = {"message": "endless"}
    with httpx.stream("POST", f"{server.url}/chat", json=body, headers=client.headers, timeout=30) as response:
        frames = response.iter_lines()
        assert any("word" in frame for frame in frames)
        time.sleep(0.3)
    eventually(lambda: client.used[0] == 1)
    assert 5 < client.used[1] < 1000


@pytest.mark.parametrize(("path", "body"), WIRES.values(), ids=WIRES)
def test_every_wire_refuses_in_its_own_form(server: Any, path: str, body: dict[str, Any]) -> None:
    client = Client(server, Budgets(requests_per_day=1, tokens_per_month=1_000_000))
    assert client.says("hello").status_code == 200
    refused = client.ask(path, body)
    assert refused.status_code == 429
    assert refused.headers["x-should-retry"] == "false"
    assert int(refused.headers["retry-after"]) >= 1
    assert "ratelimit-limit" not in refused.headers
    sentence = "This key has used up its budget of 1 requests a day. It resets on 2026-11-30 00:00 UTC."
    told = refused.json()
    if path == "/v1/messages":
        assert told["error"] == {
            "type": "rate_limit_error",
            "message": sentence,
            "details": {"error_code": "budget_exceeded", "param": None},
        }
    elif path.startswith("/v1") or "rerank" in path:
        assert told["error"] == {
            "message": sentence,
            "type": "insufficient_quota",
            "param": None,
            "code": "insufficient_quota",
        }
    else:
        assert (told["code"], told["detail"]) == ("budget_exceeded", sentence)
    assert client.used == (1, 14)


def test_a_turn_may_end_above_its_budget_of_tokens_and_the_next_is_refused(server: Any) -> None:
    client = Client(server, Budgets(tokens_per_day=15))
    assert [client.says("hello").status_code for _ in range(3)] == [200, 200, 429]
    assert client.used == (2, 28)
    server.call(server.services.database.update_key(client.id, KeyChanges(tokens_per_day=29)))
    assert [client.says("hello").status_code for _ in range(2)] == [200, 429]
    server.call(server.services.database.update_key(client.id, KeyChanges(tokens_per_day=None)))
    assert client.says("hello").status_code == 200


def test_a_rotated_key_keeps_what_it_has_used(server: Any) -> None:
    client = Client(server, Budgets(requests_per_month=2))
    assert client.says("hello").status_code == 200
    server.call(server.services.database.rotate_key(client.id, digest_of("another"), "ther", time.time() + 60))
    assert client.says("hello").status_code == 200
    client.headers["X-API-Key"] = "another"
    assert client.says("hello").status_code == 429


def test_requests_at_the_same_time_are_exact(server: Any) -> None:
    client = Client(server, Budgets(requests_per_day=7))

    async def all_at_once() -> list[int]:
        async with httpx.AsyncClient(base_url=server.url, headers=client.headers, timeout=30) as http:
            body = {"message": "hello", "stream": False}
            return [
                one.status_code for one in await asyncio.gather(*(http.post("/chat", json=body) for _ in range(20)))
            ]

    codes = asyncio.run(all_at_once())
    assert (codes.count(200), codes.count(429)) == (7, 13)
    assert client.used == (7, 0)


def test_operators_read_why_a_turn_was_refused(server: Any) -> None:
    client = Client(server, Budgets(requests_per_day=1))
    assert client.says("hello").status_code == 200
    before = server.services.pipeline.metrics.turns["budget_exceeded"]
    assert client.says("one more").status_code == 429
    assert server.services.pipeline.metrics.turns["budget_exceeded"] == before + 1
    records = server.provider("diary").records
    eventually(lambda: records and records[-1].query == "one more")
    record = records[-1]
    assert (record.status, record.key_id, record.response) == ("budget_exceeded", client.id, "")
    assert record.reason == "This key has used up its budget of 1 requests a day. It resets on 2026-11-30 00:00 UTC."
    assert 'orbit_turns_total{status="budget_exceeded"}' in httpx.get(f"{server.url}/metrics").text


@pytest.fixture
def guarded(tmp_path: Path) -> Any:
    """A server with one place, a judge of answers, and a text for questions that no document answers."""
    config: dict[str, Any] = {
        "general": {"inference_provider": "moods"},
        "moods": {},
        "guard": {"word": "secret", "stages": ["output"]},
        "shelf": {"texts": []},
        "messages": {"no_results_response": "Nothing."},
        "retrieval": {"on_nothing_found": "respond"},
        "limits": {"max_concurrent": 1, "max_queued": 3},
        "timeouts": {"queue": 0.3},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orbit.auth.budgets.day_of", lambda _: DAY)
        with serve(config, tmp_path, {"moods": Moods}, collection="books") as running:
            yield running


def test_a_refused_answer_costs_what_was_written(guarded: Any) -> None:
    client = Client(guarded, BOTH)
    answer = client.says("betray")
    assert answer.json()["metadata"]["blocked"]
    requests, tokens = client.used
    assert (requests, 30 < tokens < 60) == (1, True)


def test_a_question_that_finds_nothing_is_free(guarded: Any) -> None:
    secret, record = new_key("client", "books", budgets=BOTH)
    guarded.call(guarded.services.database.create_key(record))
    answer = httpx.post(
        f"{guarded.url}/chat", json={"message": "hello", "stream": False}, headers={"X-API-Key": secret}, timeout=30
    )
    assert answer.json()["response"] == "Nothing."
    assert guarded.call(guarded.services.database.use_of(record.id, DAY)) == Use()


def test_a_turn_without_a_place_is_free(guarded: Any) -> None:
    client, other = Client(guarded, BOTH), Client(guarded, BOTH)
    body = {"message": "endless", "stream": True}
    with httpx.stream("POST", f"{guarded.url}/chat", json=body, headers=other.headers, timeout=30):
        eventually(lambda: guarded.services.pipeline.admission.running == 1)
        assert client.says("hello").json()["code"] == "overloaded"
    assert client.used == (0, 0)


def test_all_rounds_of_tools_cost_their_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbit.auth.budgets.day_of", lambda _: DAY)
    config = {"talker": {}, "bench": {}, "general": {"inference_provider": "talker"}}
    with serve(config, tmp_path, PLUGINS) as server:
        client, talker = Client(server, BOTH), server.provider("talker")
        talker.lines = [calls("clock"), says("It is noon.")]
        usage = client.says("How late is it?").json()["usage"]
        assert client.used == (1, usage["prompt_tokens"] + usage["completion_tokens"]) == (1, 65)
        talker.lines = [calls("clock"), orbit.ProviderError("it fails.")]
        assert client.says("How late is it?").status_code == 502
        assert client.used == (2, 65 + 30), "the first round"
        talker.lines = [orbit.ProviderError("it fails.")]
        assert client.says("How late is it?").status_code == 502
        assert client.used == (2, 95)
