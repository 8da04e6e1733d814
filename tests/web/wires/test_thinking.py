"""Models that think, and models that say nothing: what a client gets, and what is remembered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

import orbit
from orbit.testing import serve

Answer = Callable[[], AsyncIterator[orbit.Chunk]]


class Thinker(orbit.Provider):
    """Answers a question by the script that it names; keeps what it was asked."""

    seen: list[Sequence[orbit.Message]]

    async def __aenter__(self) -> Self:
        self.seen = []
        return self

    @orbit.hookimpl
    async def generate(self, messages: Sequence[orbit.Message]) -> AsyncIterator[orbit.Chunk]:
        self.seen.append(messages)
        async for chunk in SCRIPTS[messages[-1].content]():
            yield chunk


async def _thinks() -> AsyncIterator[orbit.Chunk]:
    for _ in range(8):
        yield orbit.Chunk(reasoning="hm ")
        await asyncio.sleep(0.1)
    yield orbit.Chunk("eleven", "stop")


async def _muses() -> AsyncIterator[orbit.Chunk]:
    yield orbit.Chunk(reasoning="hm, ")
    yield orbit.Chunk(reasoning="well")
    yield orbit.Chunk("eleven", "stop")


async def _broods() -> AsyncIterator[orbit.Chunk]:
    while True:
        yield orbit.Chunk(reasoning="hm ")
        await asyncio.sleep(0.05)


async def _falls_silent() -> AsyncIterator[orbit.Chunk]:
    yield orbit.Chunk(reasoning="hm ")
    await asyncio.sleep(60)


async def _only_thinks() -> AsyncIterator[orbit.Chunk]:
    yield orbit.Chunk(reasoning="all of it")
    yield orbit.Chunk(finish_reason="length")


async def _says_nothing() -> AsyncIterator[orbit.Chunk]:
    yield orbit.Chunk(" \n", "stop")


async def _stops_at_once() -> AsyncIterator[orbit.Chunk]:
    return
    yield


async def _is_filtered() -> AsyncIterator[orbit.Chunk]:
    yield orbit.Chunk(finish_reason="content_filter")


async def _answers() -> AsyncIterator[orbit.Chunk]:
    yield orbit.Chunk("twelve", "stop")


SCRIPTS: dict[str, Answer] = {
    "think": _thinks,
    "muse": _muses,
    "brood": _broods,
    "fall silent": _falls_silent,
    "only think": _only_thinks,
    "say nothing": _says_nothing,
    "stop at once": _stops_at_once,
    "be filtered": _is_filtered,
    "answer": _answers,
}
CONFIG: dict[str, Any] = {
    "thinker": {},
    "general": {"default_system_prompt": ""},
    "messages": {"refusal_response": "Not from me."},
    "timeouts": {"first_token": 0.4, "thinking": 2.0},
}


def ask(server: Any, message: str, *, stream: bool = False) -> httpx.Response:
    body = {"message": message, "stream": stream, "session_id": "s"}
    return httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}, timeout=20)


def last(response: httpx.Response) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(
        [line for line in response.text.splitlines() if line.startswith("data: ")][-1][6:]
    )
    return frame


@pytest.mark.parametrize("stream", [True, False])
def test_thoughts_keep_the_answer_alive_and_are_not_shown(tmp_path: Path, *, stream: bool) -> None:
    with serve(CONFIG, tmp_path, plugins={"thinker": Thinker}) as server:
        response = ask(server, "think", stream=stream)

    assert response.status_code == 200
    assert "eleven" in response.text
    assert "hm" not in response.text


@pytest.mark.parametrize("message", ["brood", "fall silent"])
def test_thoughts_have_a_limit_of_their_own(tmp_path: Path, message: str) -> None:
    config = {**CONFIG, "timeouts": {"first_token": 30, "thinking": 0.5}}
    with serve(config, tmp_path, plugins={"thinker": Thinker}) as server:
        response = ask(server, message)

    assert (response.status_code, response.json()["code"]) == (504, "provider_timeout")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("message", ["only think", "say nothing", "stop at once"])
def test_no_answer_is_an_error_and_not_remembered(tmp_path: Path, message: str, *, stream: bool) -> None:
    with serve(CONFIG, tmp_path, plugins={"thinker": Thinker}) as server:
        response = ask(server, message, stream=stream)
        after = ask(server, "answer")
        seen = [turn.content for turn in server.provider("thinker").seen[-1]]

    if response.status_code == 200:  # white space had left already
        assert last(response)["error"]["code"] == "provider_failed"
    else:
        assert (response.status_code, response.json()["code"]) == (502, "provider_failed")
    assert after.json()["response"] == "twelve"
    assert seen == ["answer"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_filter_that_leaves_nothing_is_a_refusal(tmp_path: Path, *, stream: bool) -> None:
    with serve(CONFIG, tmp_path, plugins={"thinker": Thinker}) as server:
        response = ask(server, "be filtered", stream=stream)
        ask(server, "answer")
        seen = [turn.content for turn in server.provider("thinker").seen[-1]]

    answer = last(response) if stream else response.json()
    assert "Not from me." in response.text
    assert answer["finish_reason"] == "content_filter"
    assert answer["metadata"]["blocked"]
    assert seen == ["answer"]


def test_an_empty_answer_in_the_clients_history_is_left_out(tmp_path: Path) -> None:
    history = [("user", "one"), ("assistant", "two"), ("user", "three"), ("assistant", ""), ("user", "answer")]
    with serve(CONFIG, tmp_path, plugins={"thinker": Thinker}) as server:
        body = {"model": "thinker", "messages": [{"role": role, "content": text} for role, text in history]}
        headers = {"Authorization": f"Bearer {server.key}"}
        response = httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=20)
        seen = [turn.content for turn in server.provider("thinker").seen[-1]]

    assert response.status_code == 200, response.text
    assert seen == ["one", "two", "answer"]


@pytest.mark.parametrize("form", ["delta", "cumulative"])
def test_the_thoughts_come_in_frames_of_their_own_if_the_client_wants_them(tmp_path: Path, form: str) -> None:
    config = {"thinker": {}, "general": {"stream_text": form}}
    with serve(config, tmp_path, {"thinker": Thinker}) as server:

        def frames(**fields: Any) -> list[Any]:
            body = {"message": "muse", **fields}
            answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}, timeout=20)
            return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]

        told = frames(thoughts=True)
        assert [frame["thought"] for frame in told if "thought" in frame] == ["hm, ", "well"]
        assert {frame["text"] for frame in told if "thought" in frame} == {""}
        assert next(frame["text"] for frame in told if "thought" not in frame) == "eleven"
        assert not any("thought" in frame for frame in frames())
