"""What clients read when a model server fails, whichever server, fault and wire: nothing of the server's words."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

import httpx
import pytest
from error_texts import ALLOWED, ask, sentences
from loopback import served

from orbit.testing import RunningServer, serve

SAID = "S3cret at http://10.1.2.3:4250/srv/models/m.gguf: CUDA out of memory; RuntimeError; set HIDDEN_KEY, run pull"
FORBIDDEN = re.compile(
    r"S3cret|10\.1\.2\.3|4250|/srv|gguf|CUDA|Error\b.*Error|RuntimeError|HIDDEN|hidden|127\.0\.0\.1|localhost|base_url"
    r"|api_key|ca_certs|proxy|pull|certificate|Traceback|\.py\b|upstream|ollama|vllm|anthropic\.com",
)
STATUSES = (400, 401, 402, 403, 404, 405, 408, 409, 413, 422, 429, 500, 501, 502, 503, 504, 529)
PROVIDERS = ("openai", "ollama", "anthropic")


class Failing(BaseHTTPRequestHandler):
    """Fails at every request, as ``fault`` says."""

    protocol_version = "HTTP/1.1"
    fault: ClassVar[str] = "500"

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.close_connection = True
        status, _, form = self.fault.partition(" ")
        if status.isdecimal():
            error = {"type": "error", "error": {"type": "api_error", "message": SAID, "code": "model_x"}}
            self._send(int(status), SAID if form == "text" else json.dumps(error))
        elif self.fault == "redirect":
            self._send(302, "", Location="http://10.1.2.3:4250/srv")
        elif self.fault == "html":
            self._send(200, f"<html>{SAID}</html>", type="text/html")
        elif self.fault == "garbage":
            self._send(200, f'data: {{"{SAID}\n\n{{"{SAID}\n')
        elif self.fault == "error within":
            lines = (
                f"data: {json.dumps({'type': 'error', 'error': {'message': SAID}})}\n\n",
                json.dumps({"error": SAID}),
            )
            self._send(200, lines["api/chat" in self.path], type="text/event-stream")
        elif self.fault == "half":
            self._send(200, "x" * 10, more=100)
        elif self.fault == "no HTTP":
            self.wfile.write(SAID.encode() + b"\r\n\r\n")
        elif self.fault == "silence":
            time.sleep(0.6)

    def _send(self, status: int, body: str, *, more: int = 0, type: str = "application/json", **headers: str) -> None:  # noqa: A002  # HTTP's word
        self.send_response(status)
        for name, value in {"Content-Type": type, "Content-Length": str(len(body) + more), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        pass


def section(plugin: str, url: str) -> dict[str, Any]:
    waits = ("first_token_timeout", "stall_timeout") if plugin == "ollama" else ("silence_timeout",)
    return {
        "use": plugin,
        "base_url": url,
        "model": "m1",
        **({"embed_model": "e1", "embed_timeout": 0.3} if plugin != "anthropic" else {}),
        **dict.fromkeys(waits, 0.3),
        **({"supports": []} if plugin == "ollama" else {}),
        "max_retries": 0,
        "start_timeout": 0,
        "require_server": False,
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with served(Failing) as url, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # never listens
        places = {
            "": url,
            "_tls": url.replace("http:", "https:"),
            "_down": f"http://127.0.0.1:{closed.getsockname()[1]}",
        }
        hidden = {
            f"hidden_{plugin}{suffix}": section(plugin, where + ("/v1" if plugin == "openai" else ""))
            for plugin in PROVIDERS
            for suffix, where in places.items()
        }
        models = {name.replace("hidden_", "model_"): {"provider": name} for name in hidden}
        general = {"inference_provider": "hidden_openai", "embedding_provider": "hidden_openai"}
        config = {"general": general, "models": {"default": "model_openai", **models}, **hidden}
        with serve(config, tmp_path_factory.mktemp("texts")) as running:
            yield running


def check(name: str, answer: httpx.Response) -> None:
    text = re.sub(r"model_(openai|ollama|anthropic)\w*", "", answer.text)  # the client's own words
    assert not FORBIDDEN.search(text), (name, answer.text)
    said = sentences(answer)
    assert len(said) == 1, (name, answer.text)
    assert ALLOWED.fullmatch(said[0]), (name, said)
    assert answer.status_code >= 400 or "data: " in answer.text, (name, answer.text)


FAULTS = (
    *(f"{status}{form}" for status in STATUSES for form in ("", " text")),
    *("redirect", "html", "garbage", "error within", "half", "no HTTP", "silence", "closed"),
)


@pytest.mark.parametrize("plugin", PROVIDERS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_model_server_that_fails(server: RunningServer, plugin: str, fault: str) -> None:
    Failing.fault = fault
    for name, answer in ask(server, model=f"model_{plugin}").items():
        check(name, answer)


@pytest.mark.parametrize("plugin", PROVIDERS)
@pytest.mark.parametrize("place", ["tls", "down"])
def test_a_model_server_that_cannot_be_reached(server: RunningServer, plugin: str, place: str) -> None:
    for name, answer in ask(server, model=f"model_{plugin}_{place}").items():
        check(name, answer)


@pytest.mark.parametrize("fault", FAULTS)
def test_an_embedding_server_that_fails(server: RunningServer, fault: str) -> None:
    Failing.fault = fault
    body = {"model": "e1", "input": "text"}
    check(fault, httpx.post(f"{server.url}/v1/embeddings", json=body, headers={"X-API-Key": server.key}, timeout=20))
