"""Whole chat turns on a running ORBIT server: what a client gets when Ollama does well, errs, hangs or dies."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ollama_kit import served_wire
from ollama_wire import Fault, OllamaWire
from wire_kit import frames, post

from orbit.errors import ConfigError
from orbit.testing import RunningServer, serve


@pytest.fixture
def wire() -> Iterator[OllamaWire]:
    with served_wire() as server:
        yield server


def settings(wire: OllamaWire, **own: Any) -> dict[str, Any]:
    ollama = {"base_url": wire.url, "model": "llama3.2", "max_retries": 0, "start_timeout": 0, **own}
    return {"ollama": ollama, "diary": {}, "limits": {"max_answer_tokens": 64}}


def wait(condition: Any) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def test_plain_and_streamed_answers(wire: OllamaWire, tmp_path: Path) -> None:
    with serve(settings(wire), tmp_path) as server:
        plain = post(server, stream=False).json()
        streamed = frames(post(server))

    assert plain["response"] == "one two three"
    assert "".join(frame["text"] for frame in streamed) == "one two three"
    assert streamed[-1]["finish_reason"] == plain["finish_reason"] == "stop"
    assert plain["usage"]["completion_tokens"] == streamed[-1]["usage"]["completion_tokens"] == 3
    assert plain["metadata"]["model"] == "llama3.2"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OllamaWire, RunningServer]]:
    """A server that waits 1.5 s for a model, shared by the tests of failures: they must leave nothing behind."""
    with served_wire(delay=0.02) as wire:
        config = settings(wire, first_token_timeout=1.5, stall_timeout=1.5)
        with serve(config, tmp_path_factory.mktemp("impatient")) as server:
            yield wire, server


EARLY = [
    (
        Fault("status", status=404, error="model 'llama3.2' not found"),
        503,
        "provider_not_found",
        "ollama pull llama3.2",
    ),
    (Fault("status", status=400, error="invalid option"), 502, "provider_failed", "invalid option"),
    (Fault("status", status=500, error="model runner has stopped"), 502, "provider_failed", "has stopped"),
    (Fault("status", status=503, error="server busy"), 503, "provider_overloaded", "server busy"),
    (Fault("die"), 503, "provider_unavailable", "closed the connection"),
    (Fault("hang"), 504, "provider_timeout", "in time"),
    (Fault("hang", after=0), 504, "provider_timeout", "in time"),
    (Fault("error", after=0), 502, "provider_failed", "error was encountered"),
    (Fault("end", after=0), 503, "provider_unavailable", "closed the connection"),
    (Fault("garbage"), 502, "provider_failed", "not Ollama's"),
]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("fault", "status", "code", "sentence"), EARLY)
def test_a_failure_before_the_answer(
    impatient: tuple[OllamaWire, RunningServer],
    fault: Fault,
    status: int,
    code: str,
    sentence: str,
    caplog: pytest.LogCaptureFixture,
    *,
    stream: bool,
) -> None:
    wire, server = impatient
    records = server.provider("diary").records
    records.clear()
    server.provider("ollama")._took(10.0)  # so that whole answers are fetched in pieces, too

    wire.faults.append(fault)
    response = post(server, stream=stream)
    again = post(server, stream=stream)
    wait(lambda: len(records) == 2)

    assert response.status_code == status
    problem = response.json()
    assert problem["code"] == code
    assert "ollama" not in response.text.lower()
    assert wire.url not in response.text
    assert sentence in caplog.text
    assert again.status_code == 200
    assert [record.status for record in records] == [code, "ok"]


LATE = [
    (Fault("error", after=2), "provider_failed", 502),
    (Fault("die", after=2), "provider_unavailable", 503),
    (Fault("end", after=2), "provider_unavailable", 503),
    (Fault("hang", after=2), "provider_timeout", 504),
    (Fault("garbage", after=2), "provider_failed", 502),
]


@pytest.mark.parametrize(("fault", "code", "status"), LATE)
def test_a_failure_within_the_answer(
    impatient: tuple[OllamaWire, RunningServer], fault: Fault, code: str, status: int
) -> None:
    wire, server = impatient
    server.provider("ollama")._took(10.0)  # the same
    wire.faults.append(fault)
    response = post(server)
    wire.faults.append(fault)
    whole = post(server, stream=False)

    *pieces, end = frames(response)
    assert response.status_code == 200
    assert "".join(piece["text"] for piece in pieces) in ("one", "one two")  # a cut may take the last piece with it
    assert (end["error"]["code"], end["done"]) == (code, True)
    assert "ollama" not in end["error"]["message"].lower()
    assert (whole.status_code, whole.json()["code"]) == (status, code)


@pytest.mark.parametrize("stream", [True, False])
def test_a_refused_connection_and_recovery(wire: OllamaWire, tmp_path: Path, *, stream: bool) -> None:
    assert wire.run is not None
    with serve(settings(wire), tmp_path) as server:
        wire.run(wire.stop())
        refused = post(server, stream=stream)
        wire.run(wire.start())
        again = post(server, stream=stream)

    assert (refused.status_code, refused.json()["code"]) == (503, "provider_unavailable")
    assert "is not available" in refused.json()["detail"]
    assert refused.headers["retry-after"]
    assert again.status_code == 200


def test_a_client_that_leaves_stops_ollama(wire: OllamaWire, tmp_path: Path) -> None:
    wire.delay, wire.reply = 0.02, lambda _: "word " * 2000
    with serve(settings(wire), tmp_path) as server:
        body = {"message": "hello", "stream": True}
        with httpx.stream("POST", f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}) as response:
            pieces = response.iter_text()  # kept: dropping it closes the connection
            next(pieces)
            assert wire.running == 1
        wait(lambda: wire.running == 0)

        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{server.url}/chat", json={**body, "stream": False}, headers={"X-API-Key": server.key}, timeout=0.2
            )
        wait(lambda: wire.running == 0)

    assert wire.cut_off == 2


def test_many_clients_share_two_servers(tmp_path: Path) -> None:
    with served_wire() as one, served_wire() as two:
        one.delay = two.delay = 0.01
        with serve(settings(one, base_url=[one.url, two.url]), tmp_path) as server:
            answers: list[str] = []
            threads = [
                threading.Thread(
                    target=lambda number=number: answers.append(post(server, f"I am {number}", stream=False).text)
                )
                for number in range(40)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert sorted(json.loads(answer)["response"] for answer in answers) == sorted(f"I am {n}" for n in range(40))
        assert len(one.asked()) > 10
        assert len(two.asked()) > 10


def test_documents_are_fitted_to_num_ctx(wire: OllamaWire, tmp_path: Path) -> None:
    config = settings(wire, num_ctx=512)
    config["shelf"] = {"texts": [f"a passage of some words {number} " * 40 for number in range(4)]}
    with serve(config, tmp_path) as server:
        answer = post(server, "what is it?", stream=False).json()

    assert answer["metadata"]["dropped_documents"] > 0
    assert wire.asked()[0]["options"]["num_ctx"] == 512


def test_a_question_too_long_for_num_ctx_is_the_clients_mistake(wire: OllamaWire, tmp_path: Path) -> None:
    with serve(settings(wire, num_ctx=256), tmp_path) as server:
        response = post(server, "word " * 1000, stream=False)

    assert response.status_code == 413
    assert not wire.asked()


def test_a_missing_model_refuses_the_start(wire: OllamaWire, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ollama pull gone"), serve(settings(wire, model="gone"), tmp_path):
        pass


def test_the_sections_default_system_prompt_guides_the_model(wire: OllamaWire, tmp_path: Path) -> None:
    with serve(settings(wire, default_system_prompt="Speak like a pirate."), tmp_path) as server:
        post(server)

    assert wire.asked()[0]["messages"][0] == {"role": "system", "content": "Speak like a pirate."}


def test_health_names_the_server_that_is_away(wire: OllamaWire, tmp_path: Path) -> None:
    assert wire.run is not None
    with serve(settings(wire), tmp_path) as server:
        health = server.call(server.provider("ollama").health())
        wire.run(wire.stop())
        gone = server.call(server.provider("ollama").health())

    assert (health.status, gone.status) == ("ok", "down")
    assert wire.url in gone.detail


@pytest.mark.parametrize("stream", [True, False])
def test_what_only_the_server_finds_too_long_is_the_clients_to_shorten(
    wire: OllamaWire, tmp_path: Path, stream: bool
) -> None:
    with serve(settings(wire, num_ctx=4096), tmp_path) as server:
        wire.trained_context = 20  # of which the host knows nothing: it measures with what was there at the start
        response = post(server, "word " * 40, stream=stream)

    assert response.status_code == 413
    assert response.json()["code"] == "prompt_too_long"
    assert response.json()["detail"].startswith("The question is too long for the model.")


def test_a_model_spread_over_two_servers_gives_tools_to_both(tmp_path: Path) -> None:
    abilities = ["completion", "tools"]
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    body = {"model": "fast", "messages": [{"role": "user", "content": "hello"}], "tools": tools}
    with (
        served_wire(models=["gemma3:4b"], abilities=abilities) as near,
        served_wire(models=["gemma3:27b", "gemma3:4b"], abilities=abilities) as far,
        serve(
            {
                "ollama": {"base_url": near.url, "model": "gemma3:4b", "max_retries": 0},
                "workstation": {"use": "ollama", "base_url": far.url, "model": "gemma3:27b", "max_retries": 0},
                "models": {"fast": {"provider": ["ollama", "workstation"], "model": "gemma3:4b"}},
            },
            tmp_path,
        ) as server,
        httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.key}"}, timeout=20) as client,
    ):
        assert [client.post("/v1/chat/completions", json=body).status_code for _ in range(4)] == [200] * 4
        (listed,) = client.get("/v1/models").json()["data"]
    assert [len(wire.asked()) for wire in (near, far)] == [2, 2]
    assert "tools" in listed["supports"]
