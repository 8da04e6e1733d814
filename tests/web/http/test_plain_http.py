"""Plain HTTP leads to HTTPS, except for the challenges of a certificate authority."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from orbit.web.http.plain_http import PREFIX, RedirectToHttps, challenge_route


async def inner(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inner"})


async def answer(
    path: str = "/chat",
    *,
    host: bytes | None = b"example.org",
    scheme: str = "http",
    query: bytes = b"",
    port: int = 443,
) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [] if host is None else [(b"host", host)]
    scope: Any = {
        "type": "http",
        "scheme": scheme,
        "path": path,
        "query_string": query,
        "headers": headers,
        "state": {},
    }
    redirect: Any = RedirectToHttps(inner, port)
    await redirect(scope, None, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert not sent[1].get("more_body")
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


@pytest.mark.parametrize(
    ("host", "port", "location"),
    [
        (b"example.org", 443, b"https://example.org/chat?a=1"),
        (b"example.org:8080", 8443, b"https://example.org:8443/chat?a=1"),
        (b"[::1]:80", 443, b"https://[::1]/chat?a=1"),
    ],
)
async def test_a_request_is_led_to_the_same_place_under_https(host: bytes, port: int, location: bytes) -> None:
    status, headers, body = await answer(host=host, port=port, query=b"a=1")
    assert (status, headers[b"location"], body) == (308, location, b"")


@pytest.mark.parametrize(
    ("path", "quoted"),
    [("/a b", b"/a%20b"), ("/\u00fc", b"/%C3%BC"), ("/x\r\nset-cookie: a=b", b"/x%0D%0Aset-cookie:%20a=b")],
)
async def test_a_path_cannot_leave_the_header(path: str, quoted: bytes) -> None:
    _, headers, _ = await answer(path)
    assert headers[b"location"] == b"https://example.org" + quoted


@pytest.mark.parametrize("host", [None, b"", b"a/b", b"evil.org\r\nx: y", b"user@evil.org", b"x" * 254])
async def test_a_host_that_is_none_is_refused(host: bytes | None) -> None:
    status, headers, body = await answer(host=host)
    assert (status, headers[b"content-type"]) == (400, b"application/problem+json")
    assert b"location" not in headers
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (400, "invalid_host")
    assert problem["detail"] == "The Host header names no host."
    assert problem["request_id"]
    assert int(headers[b"content-length"]) == len(body)


@pytest.mark.parametrize(("path", "scheme"), [("/chat", "https"), (f"{PREFIX}token", "http")])
async def test_https_and_challenges_pass(path: str, scheme: str) -> None:
    assert (await answer(path, scheme=scheme))[2] == b"inner"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient[Litestar]]:
    (tmp_path / "secret").write_text("outside")
    folder = tmp_path / "challenges"
    folder.mkdir()
    (folder / "token_1-a").write_text("token_1-a.thumb")
    (folder / "a.b").write_text("a dot")
    (folder / "long").write_bytes(b"x" * 20_000)

    with TestClient(Litestar([challenge_route(folder)], logging_config=None), raise_server_exceptions=False) as made:
        yield made


def test_a_challenge_is_served_as_it_is(client: TestClient[Litestar]) -> None:
    response = client.get(f"{PREFIX}token_1-a")
    assert (response.status_code, response.text) == (200, "token_1-a.thumb")
    assert response.headers["content-type"].startswith("text/plain")


def test_a_challenge_has_a_largest_size(client: TestClient[Litestar]) -> None:
    assert len(client.get(f"{PREFIX}long").content) == 10_000


@pytest.mark.parametrize("token", ["missing", "a.b", "..%2Fsecret", "%2e%2e%2fsecret", "x" * 257])
def test_nothing_else_is_served(client: TestClient[Litestar], token: str) -> None:
    response = client.get(PREFIX + token)
    assert response.status_code != 200
    assert "outside" not in response.text
    assert "a dot" not in response.text
