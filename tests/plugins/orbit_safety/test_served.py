"""Moderated turns on a running ORBIT server, with chat, judge and reranker on an Ollama stand-in."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ollama_kit import served_wire
from ollama_wire import Fault, OllamaWire

from orbit.testing import RunningServer, serve


def reply(body: dict[str, Any]) -> str:
    """Judge, score or answer, as the system message asks for."""
    system, text = body["messages"][0]["content"], body["messages"][-1]["content"]
    if "safety judge" in system:
        return '"SAFE: false"' if "bomb" in text else '"SAFE: true"'
    if "judge search results" in system:
        passages = re.findall(r"<passage[^>]*>\n(.*?)\n</passage>", text)
        scores = [9 if "blue" in passage else 2 for passage in passages]
        return json.dumps(scores if len(scores) > 1 else scores[0])
    return "The sky is blue. A bomb is made of. Never mind." if "leak" in text else "The sky is blue. So it is."


@pytest.fixture
def wire() -> Iterator[OllamaWire]:
    with served_wire(models=["chat", "judge"], reply=reply) as server:
        yield server


def settings(wire: OllamaWire, **safety: Any) -> dict[str, Any]:
    ollama = {"base_url": wire.url, "start_timeout": 0, "max_retries": 0}
    return {
        "general": {"inference_provider": "ollama"},
        "ollama": {**ollama, "model": "chat"},
        "judge": {"use": "ollama", **ollama, "model": "judge"},
        "safety": {"mode": "strict", "provider": "judge", "max_retries": 0, **safety},
        "reranker": {"enabled": True, "top_n": 1},
        "shelf": {"texts": ["grass is green", "the sky is blue"]},
        "diary": {},
    }


def ask(server: RunningServer, message: str, *, stream: bool = False) -> httpx.Response:
    body = {"message": message, "stream": stream}
    return httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}, timeout=20)


def frames(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]


def answering(wire: OllamaWire) -> list[dict[str, Any]]:
    """Return the requests that asked for an answer to a client."""
    return [body for body in wire.asked() if "judge" not in body["messages"][0]["content"]]


@pytest.mark.parametrize(
    "safety",
    [
        {"mode": "strict", "provider": "judge"},
        {"mode": "fuzzy", "provider": "ollama"},
        {"mode": "fuzzy", "provider": "", "model": "judge"},
        {"mode": "disabled", "block_terms": ["bomb"]},
    ],
    ids=["strict with its own judge", "fuzzy", "fuzzy with another model", "block list alone"],
)
def test_allowed_and_refused(wire: OllamaWire, tmp_path: Path, safety: dict[str, Any]) -> None:
    with serve(settings(wire, **safety), tmp_path) as server:
        allowed = ask(server, "which colour has the sky?").json()
        before = len(answering(wire))
        refused = ask(server, "how to build a bomb?").json()
        streamed = frames(ask(server, "how to build a bomb?", stream=True))
        time.sleep(0.05)
        records = server.provider("diary").records

    assert allowed["response"] == "The sky is blue. So it is."
    assert [source["text"] for source in allowed["sources"]] == ["the sky is blue"]
    assert allowed["sources"][0]["score"] == 0.9
    assert not allowed["metadata"]["blocked"]
    assert refused["response"] == "I cannot help with that request."
    assert refused["metadata"]["blocked"]
    assert refused["sources"] == []
    assert streamed[0]["text"] == "I cannot help with that request."
    assert streamed[-1]["metadata"]["blocked"]
    assert len(answering(wire)) == before
    assert [record.blocked for record in records] == [False, True, True]
    assert all(record.reason for record in records[1:])


@pytest.mark.parametrize("stream", [True, False])
def test_the_openai_route_is_guarded_too(wire: OllamaWire, tmp_path: Path, *, stream: bool) -> None:
    def complete(message: str) -> httpx.Response:
        body = {"model": "chat", "messages": [{"role": "user", "content": message}], "stream": stream}
        headers = {"Authorization": f"Bearer {server.key}"}
        return httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=20)

    with serve(settings(wire, request_timeout=0.3), tmp_path) as server:
        refused = complete("how to build a bomb?")
        wire.faults.append(Fault("hang"))
        unjudged = complete("which colour has the sky?")
        assert not answering(wire)
        allowed = complete("which colour has the sky?")

    assert "I cannot help with that request." in refused.text
    assert "content_filter" in refused.text
    assert unjudged.status_code == 503
    assert "error" in unjudged.json()
    assert "blue" in allowed.text


def test_each_role_asks_its_own_model(wire: OllamaWire, tmp_path: Path) -> None:
    with serve(settings(wire), tmp_path) as server:
        ask(server, "which colour has the sky?")

    judging = [body["model"] for body in wire.asked() if "safety judge" in body["messages"][0]["content"]]
    others = [body["model"] for body in wire.asked() if "safety judge" not in body["messages"][0]["content"]]
    assert set(judging) == {"judge"}
    assert set(others) == {"chat"}
    assert [name for name, _ in wire.loads].count("chat:latest") == 1


def test_the_operators_refusal_message(wire: OllamaWire, tmp_path: Path) -> None:
    with serve(settings(wire, refusal_message="Not here."), tmp_path) as server:
        assert ask(server, "a bomb").json()["response"] == "Not here."


def test_an_allowed_question_waits_for_the_slower_not_for_both(wire: OllamaWire, tmp_path: Path) -> None:
    config = settings(wire)
    config["shelf"]["delay"] = 0.5
    del config["reranker"]
    with serve(config, tmp_path) as server:
        wire.delay = 0.2  # the judge takes 0.4 s for its two words
        ask(server, "which colour has the sky?")
        time.sleep(0.05)
        durations = server.provider("diary").records[0].durations

    assert durations["moderate"] > 0.3
    assert durations["retrieve"] > 0.4
    assert durations["total"] - durations["generate"] < durations["moderate"] + durations["retrieve"]


FAULTS = [Fault("status", status=500), Fault("status", status=503), Fault("die"), Fault("hang"), Fault("garbage")]


def test_a_judge_that_fails_lets_nothing_pass(wire: OllamaWire, tmp_path: Path) -> None:
    with serve(settings(wire, request_timeout=0.3), tmp_path) as server:
        for fault in FAULTS:
            for stream in (True, False):
                wire.faults.append(fault)
                response = ask(server, "which colour has the sky?", stream=stream)

                assert response.status_code == 503, fault
                problem = response.json()
                assert problem["detail"].startswith("The content check ")

    assert not answering(wire)


@pytest.mark.parametrize(("status", "passes"), [(401, False), (503, True)])
def test_clients_are_told_to_try_again_only_if_it_helps(
    wire: OllamaWire, tmp_path: Path, status: int, *, passes: bool
) -> None:
    with serve(settings(wire), tmp_path) as server:
        wire.faults.append(Fault("status", status=status))
        response = ask(server, "which colour has the sky?")

    assert response.status_code == 503
    assert ("retry-after" in response.headers) is passes
    assert ("Try again" in response.json()["detail"]) is passes


def test_a_judge_that_is_too_slow_may_be_passed_over(wire: OllamaWire, tmp_path: Path) -> None:
    with serve(settings(wire, request_timeout=0.2, allow_on_timeout=True), tmp_path) as server:
        wire.faults.append(Fault("hang"))
        response = ask(server, "which colour has the sky?")

    assert response.status_code == 200
    assert response.json()["response"] == "The sky is blue. So it is."


@pytest.mark.parametrize("stream", [True, False])
def test_answers_leave_sentence_by_sentence_after_they_passed(
    wire: OllamaWire, tmp_path: Path, *, stream: bool
) -> None:
    wire.delay = 0.01
    with serve(settings(wire, check_output=True), tmp_path) as server:
        response = ask(server, "leak", stream=stream)
        good = ask(server, "which colour has the sky?", stream=stream)

    assert "bomb" not in response.text
    if stream:
        received = frames(response)
        assert "".join(frame["text"] for frame in received) == "The sky is blue.I cannot help with that request."
        assert (received[-1]["finish_reason"], received[-1]["metadata"]["blocked"]) == ("content_filter", True)
        assert "".join(frame["text"] for frame in frames(good)) == "The sky is blue. So it is."
    else:
        assert response.json()["metadata"]["blocked"]
        assert good.json()["response"] == "The sky is blue. So it is."


def test_a_judge_that_fails_in_the_middle_ends_the_answer_with_an_error(wire: OllamaWire, tmp_path: Path) -> None:
    asked = []

    def judge_once(body: dict[str, Any]) -> str:
        if "safety judge" in body["messages"][0]["content"] and "answer to judge" in body["messages"][-1]["content"]:
            asked.append(body)
            if len(asked) == 2:
                time.sleep(0.6)  # the stand-in is held up, so the provider's time runs out
        return reply(body)

    wire.reply = judge_once
    with serve(settings(wire, check_output=True, request_timeout=0.3), tmp_path) as server:
        received = frames(ask(server, "which colour has the sky?", stream=True))

    assert "".join(frame.get("text", "") for frame in received) == "The sky is blue."
    assert "error" in received[-1]
    assert "finish_reason" not in received[-1]


def test_a_reranker_that_fails_keeps_the_retrieved_order(wire: OllamaWire, tmp_path: Path) -> None:
    config = settings(wire, mode="disabled", block_terms=["bomb"])
    config["reranker"] |= {"top_n": 2}
    with serve(config, tmp_path) as server:
        wire.faults += [Fault("status", status=500)]
        answer = ask(server, "which colour has the sky?").json()

    assert [source["text"] for source in answer["sources"]] == ["grass is green", "the sky is blue"]


def test_a_reranker_that_is_too_slow_keeps_the_retrieved_order(wire: OllamaWire, tmp_path: Path) -> None:
    config = settings(wire, mode="disabled", block_terms=["bomb"])
    config["reranker"] |= {"top_n": 2, "timeout": 0.2}
    with serve(config, tmp_path) as server:
        wire.faults += [Fault("hang")]
        answer = ask(server, "which colour has the sky?").json()

    assert [source["text"] for source in answer["sources"]] == ["grass is green", "the sky is blue"]
