"""What clients read of errors, on every route: sentences of a short list, and nothing of what is inside the server."""

import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from error_texts import ALLOWED, ask, sentences
from litestar import get
from litestar.exceptions import HTTPException
from litestar.params import FromPath

import orbit
from orbit import hookimpl
from orbit.testing import RunningServer, serve

INSIDE = "http://svc:S3cretPw@10.1.2.3:4250/v1 says 'CUDA out of memory'; set leaky.base_url, run: orbit leaky pull m"
FORBIDDEN = re.compile(
    r"S3cret|svc|10\.1\.2\.3|4250|CUDA|base_url|orbit leaky|\bleaky\b|Leaky|ZeroDivision|RuntimeError|Traceback"
    r"|orbit\.db|SQL|no such table|mongodb|/tmp|limits\.|timeouts\.|general\.|cors\.|sessions\.|metrics\.|\.py\b",
    re.IGNORECASE,
)
HELLO = [{"role": "user", "content": "hello"}]
HOOKS = ("generate", "count_tokens", "retrieve", "rerank", "moderate", "embed", "route")
BESIDE: dict[str, tuple[str, dict[str, Any]]] = {
    "retrieve": ("/search", {"question": "hello"}),
    "rerank": ("/v1/rerank", {"query": "hello", "documents": ["one", "two"]}),
    "count_tokens": ("/v1/messages/count_tokens", {"model": "orbit", "messages": HELLO}),
}
"""Routes beside the chats that call a hook."""
KINDS = ("failed", "unavailable", "overloaded", "timeout", "not_found", "rejected")
ERRORS = (*KINDS, "client", "too_long", "config", "load", "unexpected", "api_1")


class Leaky(orbit.Provider):
    """Fails in one of its hooks, in one of many ways, always with all that it knows."""

    hook, error = "", ""

    def model(self, hook: str) -> str:
        return "m1" if hook in ("generate", "embed") else ""

    def fail(self, hook: str) -> None:
        if hook != self.hook:
            return
        match self.error:
            case "client":
                raise orbit.ProviderError(INSIDE, kind="rejected", client="The schema must be an object.")
            case "too_long":
                raise orbit.PromptTooLong(INSIDE)
            case "config":
                raise orbit.ConfigError(INSIDE)
            case "load":
                raise orbit.PluginLoadError("leaky", INSIDE)
            case "unexpected":
                raise ZeroDivisionError(INSIDE)
            case "api_1":
                raise orbit.ProviderError(INSIDE)
            case kind:
                raise orbit.ProviderError(INSIDE, kind=kind)  # type: ignore[arg-type]  # one of the kinds

    @hookimpl
    async def generate(self, messages: Sequence[orbit.Message]) -> AsyncIterator[orbit.Chunk]:
        if "late" in messages[-1].content:
            yield orbit.Chunk("some text ")
        self.fail("generate")
        yield orbit.Chunk("fine", finish_reason="stop")

    @hookimpl
    async def count_tokens(self) -> orbit.TokenCount:
        self.fail("count_tokens")
        return orbit.TokenCount(1, 1000)

    @hookimpl
    async def retrieve(self) -> list[orbit.Document]:
        self.fail("retrieve")
        return [orbit.Document("1", "text")]

    @hookimpl
    async def rerank(self, documents: Sequence[orbit.Document]) -> Sequence[orbit.Document]:
        self.fail("rerank")
        return documents

    @hookimpl
    async def moderate(self) -> orbit.Verdict:
        self.fail("moderate")
        return orbit.Verdict(allowed=True)

    @hookimpl
    async def embed(self, texts: Sequence[str]) -> Any:
        self.fail("embed")
        return np.zeros((len(texts), 2), dtype=np.float32)

    @hookimpl
    def register_routes(self) -> list[Any]:
        @get("/fails")
        async def fails() -> None:
            self.fail("route")

        @get("/http/{status:int}")
        async def http(status: FromPath[int]) -> None:
            raise HTTPException(detail=INSIDE if status >= 500 else "Mended by the client.", status_code=status)

        return [fails, http]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    config = {"leaky": {}, "metrics": {"access": "admin"}, "limits": {"max_body_bytes": 5000, "max_message_chars": 100}}
    with serve(config, tmp_path_factory.mktemp("texts"), {"leaky": Leaky}) as running:
        yield running


@pytest.fixture(autouse=True)
def fine_again() -> Iterator[None]:
    yield
    Leaky.hook = Leaky.error = ""


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("hook", HOOKS)
def test_a_failing_provider(server: RunningServer, hook: str, error: str) -> None:
    Leaky.hook, Leaky.error = hook, error
    if hook == "embed":
        body = {"model": "m1", "input": "text"}
        key = {"X-API-Key": server.key}
        answers = {"/v1/embeddings": httpx.post(f"{server.url}/v1/embeddings", json=body, headers=key)}
    elif hook == "route":
        answers = {"route": httpx.get(f"{server.url}/plugins/leaky/fails", headers={"X-API-Key": server.key})}
    else:
        answers = ask(server)
    for name, answer in answers.items():
        if hook == "rerank":
            assert answer.status_code == 200, name  # the retrieved order is kept
            continue
        check(name, answer)
    if hook in BESIDE:
        path, body = BESIDE[hook]
        check(path, httpx.post(server.url + path, json=body, headers={"X-API-Key": server.key}))


@pytest.mark.parametrize("error", ERRORS)
def test_a_stream_that_fails_after_its_beginning(server: RunningServer, error: str) -> None:
    Leaky.hook, Leaky.error = "generate", error
    for name, answer in ask(server, "late").items():
        check(name, answer)


@pytest.mark.parametrize("status", [400, 404, 409, 500, 503])
def test_errors_of_http_by_a_plugin(server: RunningServer, status: int) -> None:
    answer = httpx.get(f"{server.url}/plugins/leaky/http/{status}", headers={"X-API-Key": server.key})
    assert answer.status_code == status
    check("http", answer)


def check(name: str, answer: httpx.Response) -> None:
    assert answer.status_code >= 400 or "data: " in answer.text, (name, answer.text)
    assert not FORBIDDEN.search(answer.text), (name, answer.text)
    said = sentences(answer)
    assert len(said) == 1, (name, answer.text)
    assert ALLOWED.fullmatch(said[0]), (name, said)
    assert answer.headers["x-request-id"]


NOWHERE = [
    ("GET", "/nowhere", None),
    ("GET", "/chat", None),
    ("PUT", "/chat/sessions/x", None),
    ("GET", "/v1/nowhere", None),
    ("GET", "/v1/models/nothing", None),
    ("POST", "/chat", b"{"),
    ("POST", "/chat", b'{"message": 7}'),
    ("POST", "/chat", b'{"message": "' + b"x" * 200 + b'"}'),
    ("POST", "/chat", b'{"message": "' + b"x" * 6000 + b'"}'),
    ("POST", "/v1/chat/completions", b"{}"),
    ("POST", "/v1/chat/completions", b"x" * 6000),
    ("POST", "/v1/embeddings", b'{"model": "m1", "input": 7}'),
    ("GET", "/chat/sessions/none", None),
    ("GET", "/plugins/nobody/x", None),
    ("GET", "/admin/api-keys", None),
    ("POST", "/admin/api-keys", b"{"),
    ("GET", "/metrics", None),
    ("GET", "/assets/x/y.js", None),
    ("GET", "/key", None),
    ("GET", "/health", None),
    ("GET", "/health/ready", None),
]


@pytest.mark.parametrize("key", ["good", "junk", "none"])
@pytest.mark.parametrize(("method", "path", "body"), NOWHERE)
def test_what_a_client_does_wrong(server: RunningServer, method: str, path: str, body: bytes | None, key: str) -> None:
    headers = {"good": {"X-API-Key": server.key}, "junk": {"X-API-Key": "api_junk"}, "none": {}}[key]
    answer = httpx.request(method, server.url + path, content=body, headers=headers)
    text = answer.text.replace('"leaky":{"status":"ok","detail":""}', "")  # /health names the components to clients
    assert not FORBIDDEN.search(text), answer.text


@pytest.mark.parametrize("key", ["known", "junk", "none"])
def test_a_store_that_is_away(tmp_path: Path, key: str) -> None:
    config = {"leaky": {}, "metrics": {"access": "admin"}, "auth": {"cache_seconds": 600}}
    with serve(config, tmp_path, {"leaky": Leaky}) as server:
        headers = {"known": {"X-API-Key": server.key}, "junk": {"X-API-Key": "api_junk"}, "none": {}}[key]
        ask(server)  # the key is known from now on
        with contextlib.closing(sqlite3.connect(tmp_path / "orbit.db")) as store:
            store.executescript(
                "PRAGMA foreign_keys = OFF; DROP TABLE api_keys; DROP TABLE system_prompts; DROP TABLE session_turns"
            )
        token = {"Authorization": "Bearer api_junk"} if key != "none" else {}
        asked: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "/chat", {"json": {"message": "x", "session_id": "s"}}),
            (
                "POST",
                "/v1/chat/completions",
                {"json": {"model": "orbit", "messages": HELLO}},
            ),
            ("POST", "/v1/embeddings", {"json": {"model": "m1", "input": "x"}}),
            ("GET", "/v1/models", {}),
            ("GET", "/chat/sessions/x", {}),
            ("GET", "/plugins/leaky/fails", {}),
            ("GET", "/key", {}),
            ("GET", "/admin/api-keys", {"headers": {**headers, **token}}),
            ("GET", "/metrics", {"headers": {**headers, **token}}),
            ("GET", "/health", {}),
            ("GET", "/health/ready", {}),
        ]
        for method, path, extra in asked:
            answer = httpx.request(method, server.url + path, **({"headers": headers} | extra))
            text = "" if path == "/v1/models" and answer.is_success else answer.text.replace('"leaky":{', "")
            if answer.is_success:  # an answer names who answered
                text = text.replace('"provider":"leaky"', "")
            assert not FORBIDDEN.search(text), (path, answer.status_code, answer.text)
        assert "Retry-After" in httpx.post(f"{server.url}/chat", headers={"X-API-Key": "api_x"}, json={}).headers


def test_operators_read_the_cause(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", "the-administrators-own-token")
    admin = {"Authorization": "Bearer the-administrators-own-token"}
    with serve({"leaky": {}, "diary": {}}, tmp_path, {"leaky": Leaky}) as server:
        Leaky.hook, Leaky.error = "generate", "failed"
        answer = httpx.post(f"{server.url}/chat", json={"message": "x"}, headers={"X-API-Key": server.key})
        with contextlib.closing(sqlite3.connect(tmp_path / "orbit.db")) as store:
            store.executescript("PRAGMA foreign_keys = OFF; DROP TABLE api_keys; DROP TABLE system_prompts")
        away = httpx.get(f"{server.url}/admin/api-keys", headers=admin)
    (record,) = server.provider("diary").records
    assert record.request_id == answer.headers["x-request-id"]
    for text in (record.reason, caplog.text):
        assert "leaky could not generate: http://***@10.1.2.3:4250/v1 says 'CUDA out of memory'" in text
        assert "S3cretPw" not in text
    assert "orbit.db" in away.json()["detail"]
    assert msgspec.json.encode(record)
