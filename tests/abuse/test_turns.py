"""Chat turns that would never end, end in nothing, or fail over what they search for."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

import orbit
from orbit.testing import serve


def ask(server: Any, message: str = "hello", *, stream: bool = False, key: str = "", **more: Any) -> httpx.Response:
    body = {"message": message, "stream": stream, **more}
    return httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": key or server.key}, timeout=30)


def last_frame(response: httpx.Response) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(response.text.strip().rpartition("data: ")[2])
    return frame


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_without_end_ends_where_it_may_be_no_longer(tmp_path: Path, *, stream: bool) -> None:
    config = {"script": {"words": -1}, "diary": {}, "limits": {"max_answer_chars": 1000}}
    with serve(config, tmp_path) as server:
        response = ask(server, stream=stream)
        script, diary = server.provider("script"), server.provider("diary")
    answer = last_frame(response) if stream else response.json()
    assert answer["finish_reason"] == "length"
    assert (script.running, script.closed) == (0, 1)
    assert len(diary.records[0].response) == 1000
    assert diary.records[0].status == "ok"


class Lump(orbit.Provider):
    """Gives a whole answer at once, as long as the question says."""

    @orbit.hookimpl
    async def generate(self, messages: Sequence[orbit.Message]) -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk("x" * int(messages[-1].content), finish_reason="stop")


@pytest.mark.parametrize(
    ("size", "reason"), [("999", "stop"), ("1000", "stop"), ("1001", "length"), ("9999", "length")]
)
def test_a_long_answer_in_one_piece_is_cut(tmp_path: Path, size: str, reason: str) -> None:
    with serve({"lump": {}, "limits": {"max_answer_chars": 1000}}, tmp_path, {"lump": Lump}) as server:
        answer = ask(server, size).json()
    assert (len(answer["response"]), answer["finish_reason"]) == (min(int(size), 1000), reason)


def test_a_turn_that_does_not_end_in_time_is_504_or_a_frame(tmp_path: Path) -> None:
    config = {"script": {"words": -1, "delay": 0.01}, "diary": {}, "timeouts": {"turn": 0.5}}
    with serve(config, tmp_path) as server:
        whole, streamed = ask(server), ask(server, stream=True)
        assert server.services.pipeline.admission.running == 0
        diary = server.provider("diary")
        contexts = [context for _, _, context in server.provider("script").seen]
    assert (whole.status_code, whole.json()["code"]) == (504, "turn_timeout")
    assert last_frame(streamed)["error"]["code"] == "turn_timeout"
    assert [record.status for record in diary.records] == ["turn_timeout", "turn_timeout"]
    assert "word0 word1" in diary.records[1].response
    assert all(context.deadline is not None for context in contexts)


class Mute(orbit.Provider):
    """Says nothing, or only white space, and ends as the question says."""

    @orbit.hookimpl
    async def generate(self, messages: Sequence[orbit.Message]) -> AsyncIterator[orbit.Chunk]:
        if "space" in messages[-1].content:
            yield orbit.Chunk("\n ")
        yield orbit.Chunk(finish_reason=messages[-1].content.split()[0])  # type: ignore[arg-type]  # one of them


@pytest.mark.parametrize("question", ["stop", "length", "stop after space"])
@pytest.mark.parametrize("stream", [True, False])
def test_an_empty_answer_is_a_failure_and_not_remembered(tmp_path: Path, question: str, *, stream: bool) -> None:
    with serve({"mute": {}, "diary": {}}, tmp_path, {"mute": Mute}) as server:
        response = ask(server, question, stream=stream, session_id="s")
        session = httpx.get(f"{server.url}/chat/sessions/s", headers={"X-API-Key": server.key})
        diary = server.provider("diary")
    record = diary.records[0]
    if stream and "space" in question:
        assert last_frame(response)["error"]["code"] == "provider_failed"
    else:
        assert (response.status_code, response.json()["code"]) == (502, "provider_failed")
    assert record.status == "provider_failed"
    assert record.reason.startswith("mute could not generate: the model ")
    assert session.status_code == 404


def test_what_the_models_own_filter_took_away_is_a_refusal(tmp_path: Path) -> None:
    with serve({"mute": {}, "diary": {}, "guard": {"stages": ["output"]}}, tmp_path, {"mute": Mute}) as server:
        answer = ask(server, "content_filter", session_id="s").json()
        diary = server.provider("diary")
    record = diary.records[0]
    assert answer["response"] == "I cannot help with that request."
    assert (answer["finish_reason"], answer["metadata"]["blocked"]) == ("content_filter", True)
    assert (record.status, answer["metadata"]["remembered"]) == ("blocked", False)


def test_an_answer_that_a_clients_stop_leaves_empty_is_one(tmp_path: Path) -> None:
    with serve({"script": {}}, tmp_path) as server:
        body = {"model": "orbit", "messages": [{"role": "user", "content": "hello"}], "stop": ["word0"]}
        headers = {"Authorization": f"Bearer {server.key}"}
        completion = httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=30).json()
    assert completion["choices"][0]["message"]["content"] == ""


class Embedder(orbit.Provider):
    """Refuses texts above 600 characters, as some servers do, and knows a passage for each text."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.searched: list[str] = []
        self.failing = ""

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query, limit: int) -> list[orbit.Document]:
        await asyncio.sleep(0)
        if len(query.text) > 600:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.refuse())
        if self.failing and self.failing in query.text:
            raise orbit.ProviderError("the server refused the text: status 400.")
        self.searched.append(query.text)
        return [orbit.Document("1", "a passage")]

    async def refuse(self) -> None:
        raise orbit.PromptTooLong("the input length exceeds the context length.")


def test_a_follow_up_is_answered_whatever_its_search_text(tmp_path: Path) -> None:
    config: dict[str, Any] = {"echo": {}, "embedder": {}, "diary": {}}
    with serve(config, tmp_path, {"embedder": Embedder}) as server:
        embedder = server.provider("embedder")
        first, second = "a" * 350, "b" * 350
        assert ask(server, first, session_id="s").status_code == 200
        follow_up = ask(server, second, session_id="s")
        embedder.failing = "\n"  # only the text with the question before it has a line feed
        refused = ask(server, "c" * 30, session_id="s")
        embedder.failing = "c"
        none = ask(server, "c" * 30, session_id="s")
    assert embedder.searched[:2] == [first, second]
    assert [follow_up.status_code, refused.status_code] == [200, 200]
    assert follow_up.json()["sources"]
    assert none.status_code == 503  # the question itself cannot be searched for


def test_a_question_too_long_to_embed_is_searched_for_by_its_beginning(tmp_path: Path) -> None:
    with serve({"echo": {}, "embedder": {}}, tmp_path, {"embedder": Embedder}) as server:
        question = "What is in this letter? " + "word " * 2000
        response = ask(server, question)
        searched = server.provider("embedder").searched
    assert response.status_code == 200
    assert len(searched) == 1
    assert 200 <= len(searched[0]) <= 600
    assert question.startswith(searched[0])


def test_a_reranker_and_a_guard_of_answers_that_can_read_no_more_are_no_fault_of_the_client(tmp_path: Path) -> None:
    config: dict[str, Any] = {"echo": {}, "shelf": {}, "narrow": {}, "diary": {}}
    with serve(config, tmp_path, {"narrow": Narrow}) as server:
        answer = ask(server)
    assert answer.status_code == 503
    assert answer.json()["code"] == "provider_failed"


class Narrow(orbit.Provider):
    """Reranks and judges with a model that can read nothing."""

    def moderates(self, stage: str) -> bool:
        return stage == "output"

    @orbit.hookimpl
    async def moderate(self, messages: Sequence[orbit.Message]) -> orbit.Verdict:
        raise orbit.PromptTooLong("too long.")

    @orbit.hookimpl
    async def rerank(self, documents: Sequence[orbit.Document]) -> Sequence[orbit.Document]:
        raise orbit.PromptTooLong("too long.")


class Mumbler(orbit.Provider):
    """Says one sentence, and then much without an end of a sentence, in one piece."""

    @orbit.hookimpl
    async def generate(self, messages: Sequence[orbit.Message]) -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk("A sentence. " + "mumble " * 1000)
        await asyncio.sleep(60)


def test_a_sentence_without_end_is_not_held_back_for_ever(tmp_path: Path) -> None:
    config: dict[str, Any] = {"mumbler": {}, "guard": {"stages": ["output"]}, "timeouts": {"next_token": 1}}
    with serve(config, tmp_path, {"mumbler": Mumbler}) as server:
        response = ask(server, stream=True)
    assert response.text.count("mumble ") == 1000
    assert last_frame(response)["error"]["code"] == "provider_timeout"
