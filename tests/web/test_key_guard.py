"""Every route behind a client's key checks it alike, counts alike, and tells what is left of the key's limit."""

import logging
import time
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from litestar import get

import orbit
from orbit.auth.keys import new_key
from orbit.testing import serve


class Guestbook(orbit.Provider):
    """Has a page of its own, and one that fails."""

    @orbit.hookimpl
    def register_routes(self) -> Sequence[Any]:
        @get("/greeting")
        async def greeting() -> str:
            return "hello"

        @get("/failing")
        async def failing() -> str:
            raise orbit.ProviderError("it fails.")

        return [greeting, failing]


ROUTES: dict[str, tuple[str, str, int]] = {
    "a chat about nothing": ("POST", "/chat", 400),
    "a completion of nothing": ("POST", "/v1/chat/completions", 400),
    "a session": ("GET", "/chat/sessions/s", 200),
    "a session that is none": ("GET", "/chat/sessions/none", 404),
    "deleting a session that is none": ("DELETE", "/chat/sessions/none", 404),
    "embeddings": ("POST", "/v1/embeddings", 200),
    "embeddings of nothing": ("POST", "/v1/embeddings?nothing", 400),
    "a plugin": ("GET", "/plugins/guestbook/greeting", 200),
    "a plugin that fails": ("GET", "/plugins/guestbook/failing", 503),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    config: dict[str, Any] = {"echo": {}, "wordllama": {}, "guestbook": {}, "logging": {"access": True}}
    with serve(config, tmp_path_factory.mktemp("limits"), {"guestbook": Guestbook}) as running:
        yield running


def limited_key(server: Any, requests_per_minute: int) -> str:
    secret, record = new_key("limited", requests_per_minute=requests_per_minute)
    server.call(server.services.database.create_key(record))
    return secret


def ask(server: Any, method: str, path: str, key: str | None) -> httpx.Response:
    headers = {} if key is None else {"X-API-Key": key}
    body = {"model": "wordllama", "input": "" if "nothing" in path else "hello"}
    if "embeddings" in path:
        body["model"] = server.provider("wordllama").model("embed")
    elif path.startswith("/v1"):
        body["model"] = "orbit"
    return httpx.request(method, f"{server.url}{path}", headers=headers, json=body if method == "POST" else None)


@pytest.mark.parametrize(("method", "path", "status"), ROUTES.values(), ids=ROUTES)
def test_every_answer_tells_what_is_left(
    server: Any, method: str, path: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "orbit.access")
    key = limited_key(server, 3)
    chat = {"message": "hello", "stream": False, "session_id": "s"}
    assert httpx.post(f"{server.url}/chat", json=chat, headers={"X-API-Key": key}).status_code == 200
    for _ in range(200):  # the line follows the answer
        if any(record.name == "orbit.access" for record in caplog.records):
            break
        time.sleep(0.05)
    caplog.clear()
    answers = [ask(server, method, path, key) for _ in range(3)]
    free, nobody = ask(server, method, path, server.key), ask(server, method, path, None)

    assert [answer.status_code for answer in answers] == [status, status, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["ratelimit-limit"] for answer in answers} == {"3"}
    assert {len(answer.headers.get_list("ratelimit-reset")) for answer in answers} == {1}
    assert 0 < int(answers[2].headers["retry-after"]) <= 61
    assert "ratelimit-limit" not in free.headers
    assert (nobody.status_code, "ratelimit-limit" in nobody.headers) == (401, False)
    lines: list[dict[str, Any]] = []
    for _ in range(200):  # a line follows its answer
        lines = [record.__dict__ for record in caplog.records if record.name == "orbit.access"]
        if any(line["status"] == 401 for line in lines):
            break
        time.sleep(0.05)
    assert all(bool(line["key_id"]) == (f" ms key {line['key_id']}" in line["message"]) for line in lines)
    assert [bool(line["key_id"]) for line in lines if line["path"][:9] == path[:9]] == [True] * 4 + [False]

    if path.startswith("/v1"):
        assert answers[2].json()["error"]["code"] == "rate_limit_exceeded"
        assert nobody.json()["error"]["code"] == "invalid_api_key"
        assert "Authorization: Bearer" in nobody.json()["error"]["message"]
        assert nobody.headers["www-authenticate"].startswith("Bearer ")
    else:
        assert answers[2].json()["code"] == "rate_limited"
        assert nobody.json()["code"] == "unauthorized"
        assert nobody.headers["content-type"] == "application/problem+json"
        assert nobody.headers["www-authenticate"].startswith("ApiKey ")
