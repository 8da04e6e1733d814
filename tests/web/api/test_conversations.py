"""Conversations over a real socket: ``session_id`` of ``POST /chat``, and ``/chat/sessions``."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

import orbit
from orbit.auth.keys import new_key
from orbit.errors import DatabaseUnavailable
from orbit.testing import Echo, serve


class Listener(Echo):
    """Repeats the question and keeps what it was given."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.seen: list[list[tuple[str, str]]] = []

    @orbit.hookimpl
    async def generate(self, messages: Any) -> Any:  # type: ignore[override]  # hooks take the arguments that they name
        self.seen.append([(message.role, message.content) for message in messages])
        if "fail" in messages[-1].content:
            raise orbit.ProviderError("as it was asked.")
        if "slow" in messages[-1].content:
            await asyncio.sleep(0.3)
        yield orbit.Chunk(f"Re: {messages[-1].content}", finish_reason="stop")


LISTENER = {"listener": Listener}
CONFIG: dict[str, Any] = {"listener": {}, "general": {"default_system_prompt": ""}}


def ask(server: Any, message: str, session: str | None = "s", **options: Any) -> Any:
    body = {"message": message, "session_id": session, "stream": options.pop("stream", False)}
    headers = {"X-API-Key": options.pop("key", server.key)}
    return httpx.post(f"{server.url}/chat", json=body, headers=headers, timeout=20)


def session(server: Any, name: str = "s", method: str = "GET", key: str = "") -> Any:
    return httpx.request(method, f"{server.url}/chat/sessions/{name}", headers={"X-API-Key": key or server.key})


def another_key(server: Any) -> str:
    secret, record = new_key("another")
    server.call(server.services.database.create_key(record))
    return secret


def asked(server: Any) -> list[list[str]]:
    """The texts of all messages of each prompt."""
    return [[text for _, text in messages] for messages in server.provider("listener").seen]


def test_a_session_remembers_what_was_said(tmp_path: Path) -> None:
    with serve(CONFIG, tmp_path, LISTENER) as server:
        first, second = ask(server, "one").json(), ask(server, "two").json()
        ask(server, "else", "another")
        ask(server, "alone", None)
        seen = server.provider("listener").seen
    assert seen[1] == [("user", "one"), ("assistant", "Re: one"), ("user", "two")]
    assert [len(messages) for messages in seen] == [1, 3, 1, 1]
    assert (first["session_id"], first["metadata"]["remembered"]) == ("s", True)
    assert second["session_id"] == "s"


def test_a_turn_without_a_session_touches_no_database(tmp_path: Path) -> None:
    with serve(CONFIG, tmp_path, LISTENER) as server:
        ask(server, "to know the key", None)

        async def away(*_: Any) -> Any:
            raise DatabaseUnavailable("the database is away")

        for name in ("add_turn", "conversation_turns", "forget_turns", "find_by_digest"):
            setattr(server.services.database, name, away)
        body = ask(server, "one", None).json()
        refused = ask(server, "one")
    assert (body["session_id"], body["metadata"]["remembered"]) == (None, False)
    assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")


def test_a_database_that_goes_away_during_the_answer_does_not_spoil_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(CONFIG, tmp_path, LISTENER) as server:

        async def away(*_: Any) -> Any:
            raise DatabaseUnavailable("the database is away")

        monkeypatch.setattr(server.services.database, "add_turn", away)
        body = ask(server, "one").json()
    assert (body["response"], body["metadata"]["remembered"]) == ("Re: one", False)


@pytest.mark.parametrize("stream", [True, False])
def test_the_server_makes_a_session_when_asked_for_a_new_one(tmp_path: Path, *, stream: bool) -> None:
    with serve(CONFIG, tmp_path, LISTENER) as server:
        answers = [ask(server, "one", "new", stream=stream) for _ in range(2)]
        ends = [json.loads(answer.text.strip().split("data: ")[-1]) if stream else answer.json() for answer in answers]
        made = [end["session_id"] for end in ends]
        ask(server, "two", made[0])
        prompts = asked(server)
    assert made[0] != made[1]
    assert all(len(name) >= 20 and name.isascii() for name in made)
    assert all(end["metadata"]["remembered"] for end in ends)
    assert prompts[2] == ["one", "Re: one", "two"]


def test_a_page_that_reloads_gets_the_turns_and_their_sources(tmp_path: Path) -> None:
    with serve({**CONFIG, "shelf": {"texts": ["blue"]}}, tmp_path, LISTENER) as server:
        answer = ask(server, "which colour?", "a/b ?ü").json()
        shown = session(server, "a%2Fb%20%3F%C3%BC")
    assert shown.status_code == 200
    assert shown.headers["cache-control"] == "no-store"
    body = shown.json()
    assert body["session_id"] == "a/b ?ü"
    question, reply = body["turns"]
    assert (question["role"], question["text"], question["sources"]) == ("user", "which colour?", [])
    assert (reply["role"], reply["text"], reply["sources"]) == ("assistant", answer["response"], answer["sources"])
    assert reply["sources"][0]["text"] == "blue"


def test_a_session_has_the_fields_that_the_page_of_the_api_shows(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "http-api.md").read_text("utf-8")
    shown = json.loads(page.partition("<!-- example: session -->")[2].split("```")[1].removeprefix("json"))
    with serve({**CONFIG, "shelf": {}}, tmp_path, LISTENER) as server:
        ask(server, "hello")
        real = session(server).json()
    assert shown.keys() == real.keys()
    for example, turn in zip(shown["turns"], real["turns"], strict=True):
        assert example.keys() == turn.keys()
        assert [source.keys() for source in example["sources"]] == [source.keys() for source in turn["sources"]]


def test_a_foreign_session_is_as_if_it_did_not_exist(tmp_path: Path) -> None:
    with serve(CONFIG, tmp_path, LISTENER) as server:
        other = another_key(server)
        ask(server, "my secret")
        never, foreign = session(server, "never", key=other), session(server, key=other)
        deleted = session(server, method="DELETE", key=other)
        theirs = ask(server, "hello", key=other).json()
        ask(server, "still mine?")
        prompts = asked(server)
        nobody = session(server, key="wrong")
    assert (never.status_code, never.json()["code"]) == (404, "unknown_session")
    alike = [{**response.json(), "request_id": ""} for response in (never, foreign, deleted)]
    assert alike[0] == alike[1] == alike[2]
    assert theirs["metadata"]["remembered"]
    assert prompts[1] == ["hello"]
    assert prompts[2] == ["my secret", "Re: my secret", "still mine?"]
    assert (nobody.status_code, nobody.json()["code"]) == (401, "unauthorized")


def test_a_deleted_session_is_forgotten(tmp_path: Path) -> None:
    with serve(CONFIG, tmp_path, LISTENER) as server:
        ask(server, "one")
        deleted, again = session(server, method="DELETE"), session(server, method="DELETE")
        shown = session(server)
        ask(server, "two")
        prompts = asked(server)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert [again.status_code, shown.status_code] == [404, 404]
    assert prompts[1] == ["two"]


def test_turns_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    with serve(CONFIG, tmp_path, LISTENER) as server, ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda number: ask(server, f"slow {number}"), range(5)))
        turns = session(server).json()["turns"]
    pairs = [(turns[at]["text"], turns[at + 1]["text"]) for at in range(0, len(turns), 2)]
    assert sorted(pairs) == [(f"slow {number}", f"Re: slow {number}") for number in range(5)]


def test_turns_that_were_blocked_failed_or_left_are_not_kept(tmp_path: Path) -> None:
    config = {**CONFIG, "guard": {"stages": ["input", "output"]}, "timeouts": {"ping": 0.1}}
    with serve(config, tmp_path, LISTENER) as server:
        ask(server, "one")
        blocked = ask(server, "forbidden").json()
        failed = ask(server, "fail")
        with (
            httpx.Client(headers={"X-API-Key": server.key}) as client,
            client.stream("POST", f"{server.url}/chat", json={"message": "slow", "session_id": "s"}) as response,
        ):
            assert next(response.iter_lines()) == ": ping"  # the client leaves before the answer
        ask(server, "two")
        prompts = asked(server)
    assert (blocked["metadata"]["blocked"], blocked["metadata"]["remembered"]) == (True, False)
    assert blocked["session_id"] == "s"
    assert failed.status_code == 502
    assert prompts[-1] == ["one", "Re: one", "two"]


def test_old_turns_and_surplus_turns_are_forgotten(tmp_path: Path) -> None:
    config = {**CONFIG, "sessions": {"ttl": 5, "max_turns": 2}}
    with serve(config, tmp_path, LISTENER) as server:
        for number in range(4):
            ask(server, str(number))
        turns = session(server).json()["turns"]

        async def forgotten() -> bool:
            for _ in range(400):
                if not await server.services.database.conversation_turns(key_id, "s", 0):
                    return True
                await asyncio.sleep(0.05)
            return False

        key_id = server.call(server.services.authenticator.authenticate(server.key)).key.id
        assert server.call(forgotten())  # not only hidden
        late = session(server)
    assert [turn["text"] for turn in turns] == ["2", "Re: 2", "3", "Re: 3"]
    assert late.status_code == 404


def test_only_so_much_of_a_session_goes_to_the_model(tmp_path: Path) -> None:
    with serve({**CONFIG, "sessions": {"max_chars": 25}}, tmp_path, LISTENER) as server:
        for message in ("first", "second", "x" * 50, "last"):
            ask(server, message)
        prompts = asked(server)
    assert prompts[2] == ["second", "Re: second", "x" * 50]  # the first does not fit beside it
    assert prompts[3] == ["x" * 50, "Re: " + "x" * 50, "last"]  # the newest stays, whatever its length


def test_a_long_session_fits_the_models_window_and_leaves_room_for_documents(tmp_path: Path) -> None:
    config = {"script": {"window": 200, "words": 30}, "shelf": {"texts": ["passage " * 20] * 2}}
    config["limits"] = {"max_answer_tokens": 40}
    with serve(config, tmp_path) as server:
        answers = [ask(server, "question " * 10).json() for _ in range(8)]
    last = answers[-1]["metadata"]
    assert last["dropped_turns"] > 0
    assert len(answers[-1]["sources"]) >= 1


def test_without_sessions_nothing_is_kept_and_what_was_is_forgotten(tmp_path: Path) -> None:
    with serve(CONFIG, tmp_path, LISTENER) as server:
        ask(server, "one")
        key = server.key
    with serve({**CONFIG, "sessions": {"enabled": False}, "diary": {}}, tmp_path, LISTENER) as server:
        body = ask(server, "two", key=key).json()
        shown = session(server, key=key)
        record = server.provider("diary").records[-1]
        prompts = asked(server)
    with serve(CONFIG, tmp_path, LISTENER) as server:
        again = session(server, key=key)
    assert prompts == [["two"]]
    assert (body["session_id"], body["metadata"]["remembered"]) == (None, False)
    assert record.session_id == "s"  # the log keeps it all the same
    assert [shown.status_code, again.status_code] == [404, 404]


def test_a_rotated_key_keeps_its_sessions_and_a_deleted_one_does_not(tmp_path: Path) -> None:
    with serve(CONFIG, tmp_path, LISTENER) as server:
        database = server.services.database
        ask(server, "one")
        key_id = server.call(server.services.authenticator.authenticate(server.key)).key.id
        secret, record = new_key("rotated")
        server.call(database.rotate_key(key_id, record.digest, record.hint, 0))
        kept = session(server, key=secret)
        server.call(database.delete_key(key_id))
        gone = server.call(database.conversation_turns(key_id, "s", 0))
    assert kept.json()["turns"][0]["text"] == "one"
    assert gone == []


def test_a_follow_up_is_answered_with_the_conversation_in_mind(tmp_path: Path) -> None:
    """The bundled embeddings and the embedded vector store; each follow-up alone finds something else."""
    places = {
        "library": "On weekdays the city library opens at nine. On Sunday the city library is closed all day.",
        "pool": "The swimming pool is open on Sunday from ten to six. Tickets cost four euros.",
        "museum": "The museum of history shows Roman coins. Guided tours begin at noon on Sunday.",
        "market": "The farmers' market takes place on Sunday morning on the square in front of the town hall.",
        "zoo": "On Monday and on Sunday the zoo feeds its sea lions at three.",
        "tram": "On Monday the tram runs every ten minutes.",
        "court": "And on Monday the court is in session.",
    }
    config = {"chroma": {}, "wordllama": {}, "listener": {}, "retrieval": {"max_documents": 2}}
    with serve(config, tmp_path, LISTENER, collection="town") as server:
        documents = [orbit.Document(name, text, source=name) for name, text in places.items()]
        server.call(server.services.host.index("town", documents, orbit.CallContext("test")))
        ask(server, "When is the city library open?")
        follow_up = ask(server, "And on Sunday?").json()
        further = ask(server, "And on Monday?").json()
        change = ask(server, "What do tickets for the swimming pool cost?").json()
        alone = ask(server, "And on Sunday?", None).json()
        alone_further = ask(server, "And on Monday?", None).json()
    assert "library" in [source["source"] for source in follow_up["sources"]]
    assert "library" in [source["source"] for source in further["sources"]]
    assert change["sources"][0]["source"] == "pool"
    assert "library" not in [source["source"] for source in alone["sources"]]
    assert "library" not in [source["source"] for source in alone_further["sources"]]


def test_a_question_replaces_the_last_turns(tmp_path: Path) -> None:
    with serve(CONFIG, tmp_path, LISTENER) as server:

        def again(message: str, replaces: Any) -> Any:
            body = {"message": message, "session_id": "s", "stream": False, "replaces": replaces}
            return httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}, timeout=20)

        for message in ("one", "two", "three"):
            ask(server, message)
        assert again("fail", 2).status_code == 502  # what failed replaces nothing
        assert [turn["text"] for turn in session(server).json()["turns"][::2]] == ["one", "two", "three"]
        again("second", 2)
        assert asked(server)[-1] == ["one", "Re: one", "second"]
        assert [turn["text"] for turn in session(server).json()["turns"][::2]] == ["one", "second"]
        again("first", 9)
        assert asked(server)[-1] == ["first"]
        assert [turn["text"] for turn in session(server).json()["turns"][::2]] == ["first"]
        wrong = again("x", -1)
        assert wrong.status_code == 400
        assert "replaces" in wrong.text
