"""What every request meets: ids, security headers, cross-origin rules, proxies, slow senders, and the server's log."""

import json
import logging
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit.config.model import Logging
from orbit.database.quota import Quota
from orbit.errors import ConfigError
from orbit.observing.server_log import configure_logging
from orbit.testing import serve

ROUTES = [("POST", "/chat"), ("GET", "/health"), ("GET", "/nowhere"), ("GET", "/admin/api-keys"), ("GET", "/metrics")]


def ask(server: Any, **headers: str) -> httpx.Response:
    body = {"message": "hello", "stream": False}
    return httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key, **headers})


def test_every_response_has_an_id_and_security_headers(tmp_path: Path) -> None:
    with serve({"echo": {}}, tmp_path) as server:
        responses = [httpx.request(method, server.url + path) for method, path in ROUTES]
        responses.append(ask(server))
        given = [
            httpx.request(method, server.url + path, headers={"X-Request-ID": "mine-1"}) for method, path in ROUTES
        ]
        odd = httpx.get(f"{server.url}/health", headers={"X-Request-ID": "x" * 300})
        told = httpx.get(f"{server.url}/nowhere")
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as connection:
            connection.sendall(b"nonsense\r\n\r\n")
            raw = connection.recv(10_000).lower()
    assert all(response.headers["x-request-id"] == "mine-1" for response in given)
    ids = [response.headers["x-request-id"] for response in responses]
    assert len(set(ids)) == len(ids)
    assert odd.headers["x-request-id"] != "x" * 300
    assert told.json()["request_id"] == told.headers["x-request-id"]
    for response in responses:
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "server" not in response.headers
        assert "access-control-allow-origin" not in response.headers
        assert len(response.headers.get_list("x-request-id")) == 1
    assert raw.startswith(b"http/1.1 400")
    assert b"nosniff" in raw


RATE_LIMIT = Quota(allowed=True, limit=1, remaining=0, reset=60).headers()
OPENAI_JS = (
    "authorization,content-type,x-stainless-arch,x-stainless-lang,x-stainless-os,x-stainless-package-version,"
    "x-stainless-retry-count,x-stainless-runtime,x-stainless-runtime-version,x-stainless-timeout"
)
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": f"x-api-key,{OPENAI_JS}"}


def test_cross_origin_requests_are_off_by_default(tmp_path: Path) -> None:
    with serve({"echo": {}}, tmp_path) as server:
        asked = ask(server, Origin="https://pages.example")
        preflight = httpx.options(f"{server.url}/chat", headers={"Origin": "https://pages.example", **PREFLIGHT})
    assert asked.status_code == 200
    assert preflight.status_code == 204
    for response in (asked, preflight):
        assert not [name for name in response.headers if name.startswith("access-control")]


def test_cross_origin_requests_of_configured_origins(tmp_path: Path) -> None:
    config = {"echo": {}, "cors": {"allow_origins": ["https://pages.example", "http://localhost:8000"]}}
    with serve(config, tmp_path) as server:
        for origin in config["cors"]["allow_origins"]:
            asked = ask(server, Origin=origin)
            preflight = httpx.options(f"{server.url}/chat", headers={"Origin": origin, **PREFLIGHT})
            refused = httpx.post(f"{server.url}/chat", headers={"Origin": origin})
            health = httpx.get(f"{server.url}/health", headers={"Origin": origin})
            streamed = httpx.post(
                f"{server.url}/chat", json={"message": "a b"}, headers={"Origin": origin, "X-API-Key": server.key}
            )
            assert (preflight.status_code, refused.status_code) == (204, 401)
            for response in (asked, preflight, refused, health, streamed):
                assert response.headers["access-control-allow-origin"] == origin
                assert response.headers["vary"] == "Origin"
                assert response.headers["x-request-id"]
                assert "access-control-allow-credentials" not in response.headers
            assert "x-api-key" in preflight.headers["access-control-allow-headers"].lower()
            assert preflight.headers["access-control-allow-methods"] == "DELETE, GET, POST"
            assert preflight.headers["access-control-max-age"] == "600"
            exposed = asked.headers["access-control-expose-headers"].lower().split(", ")
            assert {"x-request-id", "retry-after"} <= set(exposed)
            assert {name.decode() for name, _ in RATE_LIMIT} <= set(exposed)
            assert '"done":true' in streamed.text
        for origin in ("https://evil.example", "https://pages.example.evil.example", "null"):
            asked = ask(server, Origin=origin)
            preflight = httpx.options(f"{server.url}/chat", headers={"Origin": origin, **PREFLIGHT})
            assert preflight.status_code == 400
            assert "access-control-allow-origin" not in asked.headers
            assert "access-control-allow-origin" not in preflight.headers
        assert ask(server).headers["vary"] == "Origin"
    with serve({"echo": {}, "cors": {"allow_origins": ["*"]}}, tmp_path) as server:
        assert ask(server, Origin="https://any.example").headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("trusted", "forwarded", "seen"),
    [
        ([], "203.0.113.9", "127.0.0.1"),
        (["10.0.0.0/8"], "203.0.113.9", "127.0.0.1"),
        (["127.0.0.1"], "203.0.113.9", "203.0.113.9"),
        (["127.0.0.0/8", "10.0.0.0/8"], "6.6.6.6, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        (["127.0.0.1"], "6.6.6.6, 203.0.113.9", "203.0.113.9"),  # the first was forged by the client
    ],
)
def test_only_trusted_proxies_say_who_asks(tmp_path: Path, trusted: list[str], forwarded: str, seen: str) -> None:
    with serve({"echo": {}, "diary": {}, "general": {"trusted_proxies": trusted}}, tmp_path) as server:
        assert ask(server, **{"X-Forwarded-For": forwarded}).status_code == 200
        records = server.provider("diary").records
        end = time.monotonic() + 10
        while not records:
            assert time.monotonic() < end
            time.sleep(0.01)
        (record,) = records
    assert record.client_ip == seen


def connect(server: Any) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])))
    connection.settimeout(20)
    return connection


def everything(connection: socket.socket) -> bytes:
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


def test_slow_senders_get_408_and_others_do_not_notice(tmp_path: Path) -> None:
    config = {"script": {"words": 4, "delay": 1}, "timeouts": {"receive": 1}}
    with serve(config, tmp_path) as server:
        head = f"POST /chat HTTP/1.1\r\nHost: x\r\nX-API-Key: {server.key}\r\nContent-Length: 1000\r\n\r\n".encode()
        idle, in_headers, in_body, later, admin = (connect(server) for _ in range(5))
        in_headers.sendall(head[:30])
        in_body.sendall(head + b'{"message"')
        admin.sendall(b"POST /admin/api-keys HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        later.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert later.recv(65536).startswith(b"HTTP/1.1 200")
        later.sendall(head + b'{"mess')
        body = b'{"message": "hello"}'
        reader = connect(server)  # whose answer takes longer than a request may
        reader.sendall(head.replace(b"1000", str(len(body)).encode()) + body)
        for connection in (in_headers, in_body, later):
            received = everything(connection)
            assert received.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
            problem = json.loads(received.partition(b"\r\n\r\n")[2])
            assert problem["code"] == "request_timeout"
            connection.close()
        assert everything(idle) == b""
        assert admin.recv(65536).startswith(b"HTTP/1.1 401")
        answer = b""
        while b'"finish_reason":"stop"' not in answer:
            piece = reader.recv(65536)
            assert piece
            answer += piece
        for connection in (idle, admin, reader):
            connection.close()
        time.sleep(0.1)
        assert server.services.pipeline.admission.running == 0


@pytest.fixture
def own_logging() -> Iterator[None]:
    """The root logger as it was, afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    for handler in handlers:
        root.removeHandler(handler)
    yield
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


@pytest.mark.usefixtures("own_logging")
def test_the_log_file_has_request_ids_and_access_records_without_keys(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    configure_logging(Logging(server_file=str(file), format="json", console=False, access=True), verbose=False)
    config = {"echo": {}, "shelf": {"fail": True}, "retrieval": {"on_error": "answer_without"}}
    with serve({**config, "logging": {"access": True, "file": {"enabled": False}}}, tmp_path) as server:
        ask(server, **{"X-Request-ID": "request-1"})
        httpx.get(f"{server.url}/admin/api-keys/{server.key}/status", headers={"X-Request-ID": "request-2"})
        httpx.get(f"{server.url}/health?api_key={server.key}")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    warning = next(line for line in lines if line["logger"] == "orbit.pipeline")
    assert warning["request_id"] == "request-1"
    access = {line["request_id"]: line for line in lines if line["logger"] == "orbit.access"}
    assert len(access) == 3
    chat = access["request-1"]
    assert (chat["method"], chat["path"], chat["status"], chat["level"]) == ("POST", "/chat", 200, "INFO")
    assert chat["duration_ms"] > 0
    assert chat["key_id"]
    assert access["request-2"]["path"] == "/admin/api-keys/***/status"
    assert access["request-2"]["status"] == 401
    assert server.key not in file.read_text()


@pytest.mark.usefixtures("own_logging")
def test_a_log_file_that_was_rotated_is_left_for_a_new_one(tmp_path: Path) -> None:
    file = tmp_path / "server.log"
    configure_logging(Logging(server_file=str(file), console=False), verbose=False)
    logging.getLogger("orbit").info("one")
    file.rename(tmp_path / "server.log.1")
    logging.getLogger("orbit").info("two")
    assert re.fullmatch(r"\S+ \S+ INFO    orbit: one\n", (tmp_path / "server.log.1").read_text())
    assert file.read_text().endswith("orbit: two\n")


@pytest.mark.usefixtures("own_logging")
def test_the_journal_gets_priorities_and_no_second_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "journal").open("w") as journal, (tmp_path / "terminal").open("w") as terminal:
        status = os.fstat(journal.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        for stream in (journal, terminal):
            monkeypatch.setattr("sys.stderr", stream)
            configure_logging(Logging(), verbose=False)
            logging.getLogger("orbit").info("started")
            logging.getLogger("orbit").error("two\nlines")
            logging.getLogger("uvicorn.error").warning("no error")
    kept = "<6>orbit: started\n<3>orbit: two\\nlines\n<4>uvicorn: no error\n"
    assert (tmp_path / "journal").read_text() == kept
    assert re.match(r"\S+ \S+ INFO    orbit: started\n", (tmp_path / "terminal").read_text())


@pytest.mark.usefixtures("own_logging")
def test_a_log_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"logging\.server_file: .* is not writable: Is a directory\."):
        configure_logging(Logging(server_file=str(tmp_path)), verbose=False)
