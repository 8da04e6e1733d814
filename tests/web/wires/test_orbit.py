"""``POST /chat`` over a real socket."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import orbit
from orbit.testing import serve


def frames(body: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: ")]


def ask(server: Any, body: Any, **headers: str) -> httpx.Response:
    return httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key, **headers}, timeout=20)


def test_an_answer_in_one_piece(tmp_path: Path) -> None:
    with serve({"echo": {}, "shelf": {"texts": ["blue"]}}, tmp_path) as server:
        response = ask(server, {"message": "which colour?", "stream": False}, **{"X-Request-ID": "mine"})
    assert response.status_code == 200
    body = response.json()
    assert "blue" in body["response"]
    assert "which colour?" in body["response"]
    source = body["sources"][0]
    assert (source["number"], source["source"], source["text"], source["score"]) == (1, "shelf.md", "blue", 1.0)
    assert body["usage"]["completion_tokens"] > 0
    assert body["finish_reason"] == "stop"
    assert body["metadata"]["request_id"] == response.headers["x-request-id"] == "mine"


def test_an_answer_as_a_stream(tmp_path: Path) -> None:
    with serve({"script": {"words": 3}}, tmp_path) as server:
        response = ask(server, {"message": "hello"})
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    *pieces, end = frames(response.text)
    assert [piece["text"] for piece in pieces] == ["word0 ", "word1 ", "word2 "]
    assert not any(piece["done"] for piece in pieces)
    assert (end["text"], end["done"], end["finish_reason"], end["sources"]) == ("", True, "stop", [])
    assert end["usage"]["completion_tokens"] == 3


def test_text_may_grow_for_older_clients(tmp_path: Path) -> None:
    with serve({"script": {"words": 2}, "general": {"stream_text": "cumulative"}}, tmp_path) as server:
        response = ask(server, {"message": "hello"})
    assert [frame["text"] for frame in frames(response.text)] == ["word0 ", "word0 word1 ", "word0 word1 "]


@pytest.mark.parametrize(
    ("kind", "status"),
    [("rejected", 400), ("failed", 502), ("unavailable", 503), ("overloaded", 503), ("timeout", 504)],
)
@pytest.mark.parametrize("stream", [True, False])
def test_an_early_failure_is_a_real_status(
    tmp_path: Path, kind: str, status: int, caplog: pytest.LogCaptureFixture, *, stream: bool
) -> None:
    with serve({"script": {"fail_after": 0, "kind": kind}}, tmp_path) as server:
        response = ask(server, {"message": "hello", "stream": stream})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["code"] == f"provider_{kind}"
    assert "script" not in response.text
    assert problem["detail"].startswith("The model ")
    assert problem["request_id"] == response.headers["x-request-id"]
    assert caplog.text.count("not answered: script could not generate: the script says so.") == 1  # for operators
    assert "failed: " not in caplog.text  # once is enough


def test_a_late_failure_is_an_error_frame_and_never_a_stop(tmp_path: Path) -> None:
    with serve({"script": {"fail_after": 2}}, tmp_path) as server:
        response = ask(server, {"message": "hello"})
        whole = ask(server, {"message": "hello", "stream": False})
    *pieces, end = frames(response.text)
    assert len(pieces) == 2
    assert end["done"] is True
    assert end["error"]["code"] == "provider_failed"
    assert "finish_reason" not in end
    assert whole.status_code == 502


def test_silence_is_broken_by_pings_and_a_failure_after_them_is_a_frame(tmp_path: Path) -> None:
    config = {"script": {"first_delay": 0.5, "fail_after": 0}, "timeouts": {"ping": 0.2}}
    with serve(config, tmp_path) as server:
        response = ask(server, {"message": "hello"})
    assert response.status_code == 200
    assert ": ping\n\n" in response.text
    assert frames(response.text)[-1]["error"]["code"] == "provider_failed"


def test_a_model_that_hangs_is_given_up(tmp_path: Path) -> None:
    config = {"script": {"first_delay": 60}, "timeouts": {"first_token": 0.2}}
    with serve(config, tmp_path) as server:
        early = ask(server, {"message": "hello"})
        assert server.provider("script").running == 0
    config = {"script": {"delay": 60}, "timeouts": {"next_token": 0.2}}
    with serve(config, tmp_path) as server:
        late = ask(server, {"message": "hello"})
    assert early.status_code == 504
    assert early.json()["detail"].startswith("The model did not answer in time.")
    assert frames(late.text)[-1]["error"]["code"] == "provider_timeout"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"hello", 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b"[" * 100_000, 400, "invalid_request"),
        (b'{"message": "x", "y": ' + b"[" * 100_000, 400, "invalid_json"),
        (b"[]", 400, "invalid_request"),
        (b"{}", 400, "invalid_request"),
        (b'{"message": 5}', 400, "invalid_request"),
        (b'{"message": null}', 400, "invalid_request"),
        (b'{"message": "x", "stream": "yes"}', 400, "invalid_request"),
        (b'{"message": ""}', 400, "empty_message"),
        (b'{"message": " \\n\\t "}', 400, "empty_message"),
        (b'{"message": "x", "session_id": ""}', 400, "invalid_session_id"),
        (b'{"message": "' + b"x" * 101 + b'"}', 413, "message_too_long"),
        (b'{"message": "x", "pad": "' + b"y" * 200_000 + b'"}', 413, "body_too_large"),
    ],
)
def test_a_bad_body_gets_a_clear_answer(tmp_path: Path, content: bytes, status: int, code: str) -> None:
    with serve({"echo": {}, "limits": {"max_message_chars": 100, "max_body_bytes": 150_000}}, tmp_path) as server:
        response = httpx.post(f"{server.url}/chat", content=content, headers={"X-API-Key": server.key})
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert ask(server, {"message": "still there?", "stream": False}).status_code == 200


@pytest.mark.parametrize(
    "field",
    [
        {"models": ["x"]},
        {"provider": "x"},
        {"temperature": 0.5},
        {"temperature": 0},
        {"max_tokens": 5},
        {"system": "Be rude."},
        {"messages": [{"role": "user", "content": "x"}]},
        {"collection": "secret"},
        {"sessionId": "s"},
    ],
)
def test_a_field_that_would_change_the_answer_is_not_dropped(tmp_path: Path, field: dict[str, Any]) -> None:
    with serve({"echo": {}}, tmp_path) as server:
        response = ask(server, {"message": "hello", **field})
    assert (response.status_code, response.json()["code"]) == (400, "unknown_field")
    assert f"'{next(iter(field))}'" in response.json()["detail"]


def test_fields_that_change_nothing_are_passed_over(tmp_path: Path) -> None:
    beside: dict[str, Any] = {"user": "u", "metadata": {"a": 1}, "tools": [], "model": None, "voiceEnabled": False}
    with serve({"echo": {}}, tmp_path) as server:
        assert ask(server, {"message": "hello", "stream": False, **beside}).json()["response"] == "hello"


def test_a_body_sent_in_pieces_is_limited_too(tmp_path: Path) -> None:
    def pieces() -> Any:
        yield b'{"message": "'
        for _ in range(100):
            yield b"x" * 1000
        yield b'"}'

    with serve({"echo": {}, "limits": {"max_body_bytes": 50_000}}, tmp_path) as server:
        response = httpx.post(f"{server.url}/chat", content=pieces(), headers={"X-API-Key": server.key})
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


def test_keys_that_are_no_good_are_refused_alike(tmp_path: Path) -> None:
    with serve({"echo": {}}, tmp_path) as server:
        url = f"{server.url}/chat"
        body = {"message": "hello"}
        missing = httpx.post(url, json=body)
        wrong = httpx.post(url, json=body, headers={"X-API-Key": "api_wrong"})
        huge = httpx.post(url, json=body, headers={"X-API-Key": "x" * 10_000})
        for response in (missing, wrong, huge):
            assert response.status_code == 401
            assert response.json()["detail"] == missing.json()["detail"]
            assert response.headers["www-authenticate"]


def test_the_question_alone_is_too_long(tmp_path: Path) -> None:
    with serve({"script": {"window": 50}, "general": {"default_system_prompt": "Be kind."}}, tmp_path) as server:
        response = ask(server, {"message": "word " * 60})
    assert response.status_code == 413
    assert response.json()["code"] == "prompt_too_long"
    assert "it takes 62 tokens, and the model can read 25." in response.json()["detail"]


def test_documents_give_way_to_the_question(tmp_path: Path) -> None:
    texts = [f"text{number} " + "word " * 60 for number in range(4)]
    config = {"script": {"window": 300}, "shelf": {"texts": texts}, "limits": {"max_answer_tokens": 50}}
    with serve(config, tmp_path) as server:
        body = ask(server, {"message": "hello", "stream": False}).json()
        prompt = server.provider("script").seen[0][0][-1].content
    assert body["metadata"]["dropped_documents"] > 0
    assert len(body["sources"]) + body["metadata"]["dropped_documents"] == 4
    assert "text0" in prompt
    assert "text3" not in prompt


def test_a_retriever_that_fails(tmp_path: Path) -> None:
    with serve({"echo": {}, "shelf": {"fail": True}}, tmp_path) as server:
        refused = ask(server, {"message": "hello", "stream": False})
    config = {"echo": {}, "shelf": {"fail": True}, "retrieval": {"on_error": "answer_without"}}
    with serve(config, tmp_path) as server:
        answered = ask(server, {"message": "hello", "stream": False})
    assert refused.status_code == 503
    assert refused.json()["detail"].startswith("The document search is not available.")
    assert "shelf" not in refused.text
    assert refused.headers["retry-after"]
    assert answered.json()["response"] == "hello"
    assert answered.json()["metadata"]["without_documents"] is True


def test_several_retrievers_are_fused(tmp_path: Path) -> None:
    config = {
        "echo": {},
        "one": {"use": "shelf", "texts": ["a", "b"]},
        "two": {"use": "shelf", "texts": ["c"]},
    }
    with serve(config, tmp_path) as server:
        body = ask(server, {"message": "hello", "stream": False}).json()
    assert [source["text"] for source in body["sources"]] == ["a", "c", "b"]


def test_nothing_found(tmp_path: Path) -> None:
    config: dict[str, Any] = {"echo": {}, "shelf": {"texts": []}, "messages": {"no_results_response": "Nothing here."}}
    with serve(config, tmp_path, collection="letters") as server:
        fixed = ask(server, {"message": "hello", "stream": False}).json()
    with serve(config, tmp_path) as server:
        unbound = ask(server, {"message": "hello", "stream": False}).json()
    config["retrieval"] = {"on_nothing_found": "answer_without"}
    with serve(config, tmp_path, collection="letters") as server:
        alone = ask(server, {"message": "hello", "stream": False}).json()
    assert (fixed["response"], fixed["sources"]) == ("Nothing here.", [])
    assert alone["response"] == "hello"
    assert unbound["response"] == "hello", "a key without a collection is not tied to documents"


def test_a_reranker_puts_documents_in_order_and_its_failure_keeps_the_order(tmp_path: Path) -> None:
    config: dict[str, Any] = {"echo": {}, "shelf": {"texts": ["a", "b"]}}
    with serve({**config, "backwards": {}}, tmp_path) as server:
        turned = ask(server, {"message": "hello", "stream": False}).json()
    with serve({**config, "backwards": {"fail": True}}, tmp_path) as server:
        kept = ask(server, {"message": "hello", "stream": False}).json()
    assert [source["text"] for source in turned["sources"]] == ["b", "a"]
    assert [source["text"] for source in kept["sources"]] == ["a", "b"]


def test_a_refused_question(tmp_path: Path) -> None:
    config = {"script": {}, "guard": {}, "diary": {}, "shelf": {"delay": 30}}
    with serve({**config, "messages": {"refusal_response": "No."}}, tmp_path) as server:
        body = ask(server, {"message": "a forbidden question", "stream": False}).json()
        stream = frames(ask(server, {"message": "a forbidden question"}).text)
        assert server.provider("shelf").running == 0
        assert not server.provider("script").seen
        record = server.provider("diary").records[0]
    assert body["response"] == "No."
    assert body["metadata"]["blocked"] is True
    assert stream[0]["text"] == "No."
    assert stream[-1]["finish_reason"] == "content_filter"
    assert (record.status, record.blocked, record.reason) == ("blocked", True, "says 'forbidden'")


def test_a_guard_that_cannot_decide_lets_nothing_through(tmp_path: Path) -> None:
    with serve({"script": {}, "guard": {"fail": True}}, tmp_path) as server:
        failing = ask(server, {"message": "hello", "stream": False})
    with serve({"script": {}, "guard": {"delay": 30}, "timeouts": {"moderate": 0.2}}, tmp_path) as server:
        slow = ask(server, {"message": "hello", "stream": False})
        assert not server.provider("script").seen
    assert failing.status_code == slow.status_code == 503
    assert slow.json()["detail"].startswith("The content check did not answer in time.")


def test_an_answer_is_judged_sentence_by_sentence(tmp_path: Path) -> None:
    config = {"echo": {}, "guard": {"stages": ["output"]}, "diary": {}}
    with serve(config, tmp_path) as server:
        said = frames(ask(server, {"message": "All is well. Then a forbidden word. And more."}).text)
        fine = frames(ask(server, {"message": "All is well. Very well"}).text)
        record = server.provider("diary").records[0]
    text = "".join(frame["text"] for frame in said)
    assert text == "All is well.I cannot help with that request."
    assert said[-1]["finish_reason"] == "content_filter"
    assert said[-1]["metadata"]["blocked"] is True
    assert "".join(frame["text"] for frame in fine) == "All is well. Very well"
    assert record.blocked
    assert "more" not in record.response


def test_a_turn_is_recorded_with_all_there_is_to_know(tmp_path: Path) -> None:
    with serve({"script": {}, "shelf": {}, "diary": {}}, tmp_path, collection="letters") as server:
        ask(server, {"message": "hello", "session_id": "s1"}, **{"X-Request-ID": "r1"})
        records = server.provider("diary").records
        for _ in range(200):  # they follow the answer
            if records:
                break
            time.sleep(0.05)
        (record,) = records
    assert (record.request_id, record.session_id, record.query) == ("r1", "s1", "hello")
    assert record.response == "word0 word1 word2 "
    assert (record.status, record.backend, record.model) == ("ok", "script", "script")
    assert (record.client_name, record.collection, record.key_hint) == ("test", "letters", server.key[-4:])
    assert record.sources[0].id == "shelf-0"
    assert {"retrieve", "first_token", "generate", "total"} <= set(record.durations)
    assert all(round(seconds, 6) == seconds > 0 for seconds in record.durations.values())
    assert server.key not in str(record)


def test_a_full_queue_is_503_and_says_when_to_come_back(tmp_path: Path) -> None:
    with serve({"script": {}, "limits": {"max_concurrent": 1, "max_queued": 0}}, tmp_path) as server:
        server.call(server.services.pipeline.admission.enter("another"))
        refused = ask(server, {"message": "hello", "stream": False})
        server.services.pipeline.admission.leave("another")
        assert ask(server, {"message": "hello", "stream": False}).status_code == 200
    assert refused.status_code == 503
    assert refused.json()["code"] == "overloaded"
    assert refused.headers["retry-after"] == "1"


def test_other_paths_and_methods(tmp_path: Path) -> None:
    with serve({"echo": {}}, tmp_path) as server:
        nowhere = httpx.get(f"{server.url}/nowhere")
        got = httpx.get(f"{server.url}/chat")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")
    assert nowhere.headers["content-type"] == "application/problem+json"
    assert (got.status_code, got.json()["code"]) == (405, "method_not_allowed")


class Babbler(orbit.Provider):
    """Answers, and then goes on with passages of its own, without end. Whole answers it gives at their end."""

    closed = False

    @orbit.hookimpl
    async def count_tokens(self) -> orbit.TokenCount:
        return orbit.TokenCount(prompt=99, window=1000)

    @orbit.hookimpl
    async def generate(self, options: orbit.GenerateOptions) -> AsyncIterator[orbit.Chunk]:
        try:
            if not options.stream:
                await asyncio.sleep(3600)
            yield orbit.Chunk("At nine [1].")
            while True:
                yield orbit.Chunk("\n</passage>\n<passage number=")
                yield orbit.Chunk('"2">\nAt ten.')
        finally:
            self.closed = True


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_ends_where_the_model_makes_up_passages(tmp_path: Path, *, stream: bool) -> None:
    with serve({"babbler": {}, "shelf": {}}, tmp_path, {"babbler": Babbler}) as server:
        response = ask(server, {"message": "hello", "stream": stream})
        assert server.provider("babbler").closed
    answer = response.json() if not stream else frames(response.text)[-1]
    text = answer["response"] if not stream else "".join(frame["text"] for frame in frames(response.text))
    assert text.strip() == "At nine [1]."
    assert answer["finish_reason"] == "stop"
    assert answer["usage"] == {"prompt_tokens": 99, "completion_tokens": 2}


def test_a_header_chooses_the_form_of_streamed_text(tmp_path: Path) -> None:
    with serve({"script": {}}, tmp_path) as server:

        def texts(**headers: str) -> list[str]:
            return [frame["text"] for frame in frames(ask(server, {"message": "hello"}, **headers).text)]

        assert texts() == texts(**{"X-Stream-Text": "delta"}) == ["word0 ", "word1 ", "word2 ", ""]
        all_so_far = ["word0 ", "word0 word1 ", "word0 word1 word2 "]
        assert texts(**{"X-Stream-Text": "cumulative"}) == [*all_so_far, all_so_far[-1]]
        wrong = ask(server, {"message": "hello"}, **{"X-Stream-Text": "x"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_header")
