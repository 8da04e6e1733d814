"""``POST /search``: the passages of a question, for the key's own collection."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from orbit.testing import serve


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    shelf = {"texts": ["one", "two", "three"]}
    config: dict[str, Any] = {"script": {}, "shelf": shelf, "diary": {}, "retrieval": {"max_documents": 2}}
    with serve(config, tmp_path_factory.mktemp("served"), collection="handbook") as running:
        yield running


def search(server: Any, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {"X-API-Key": server.key if key is None else key}
    return httpx.post(f"{server.url}/search", json=body, headers=headers, timeout=20)


def test_passages_come_as_an_answer_would_name_them(server: Any) -> None:
    found: Any = None
    for body in ({"question": "How?"}, {"question": "How?", "collection": "handbook"}):
        answer = search(server, **body)
        assert answer.status_code == 200
        found = answer.json()
        assert found["collection"] == "handbook"
        assert [(item["number"], item["text"]) for item in found["passages"]] == [(1, "one"), (2, "two")]
    asked = httpx.post(
        f"{server.url}/chat",
        json={"message": "How?", "stream": False},
        headers={"X-API-Key": server.key},
        timeout=20,
    ).json()
    assert asked["sources"] == found["passages"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"question": "How?", "collection": "payroll"}, 403, "other_collection"),
        ({"question": " "}, 400, "empty_message"),
        ({"question": "x" * 40_000}, 413, "message_too_long"),
        ({"message": "How?"}, 400, None),
    ],
)
def test_what_cannot_be_searched_is_said(server: Any, body: Any, status: int, code: str | None) -> None:
    answer = search(server, **body)
    assert answer.status_code == status, answer.text
    assert code is None or answer.json()["code"] == code


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        (b"", 400, "invalid_request", "The body is empty"),
        (b'{"question":', 400, "invalid_json", "The body is not valid JSON: "),
        (b"\xff", 400, "invalid_json", "The body is not valid JSON: "),
        (b"[" * 100_000, 400, "invalid_json", "nested too deeply"),
        (b'"' + b"x" * 1_100_000 + b'"', 413, "request_entity_too_large", "The body is larger than"),
    ],
    ids=["empty", "cut", "no text", "deep", "huge"],
)
def test_a_body_that_cannot_be_read_is_a_mistake_of_the_client(
    server: Any, body: bytes, status: int, code: str, words: str
) -> None:
    headers = {"X-API-Key": server.key, "Content-Type": "application/json"}
    answer = httpx.post(f"{server.url}/search", content=body, headers=headers, timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert words in answer.json()["detail"]


def test_it_needs_a_key(server: Any) -> None:
    assert search(server, key="wrong", question="How?").status_code == 401
