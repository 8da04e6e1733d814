"""Stored responses: what is kept of an answer, what a later request goes on with, and whose they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from actor_kit import PLUGINS, document, raises, returns, turn

import orbit
from orbit import Chunk, Message, ProviderError, Thought, ToolCall
from orbit.chat.history import responses
from orbit.chat.history.responses import Responses, StoredResponse, UnknownResponse
from orbit.chat.outcome import Answered, Ending, Event, Refused
from orbit.chat.pipeline import Pipeline
from orbit.chat.turn import Keeping, Turn, TurnTimeout
from orbit.config.model import SessionsSettings
from orbit.database.conversations import ConversationTurn
from orbit.database.keys import UnknownKey
from orbit.errors import DatabaseUnavailable
from orbit.testing import host

KEY = "k"


class Drawer:
    """A database in memory, of conversations only."""

    def __init__(self) -> None:
        self.turns: dict[tuple[str, str], list[ConversationTurn]] = {}
        self.since: list[float] = []
        self.added: list[tuple[int, int]] = []
        self.error: Exception | None = None

    async def conversation_turns(self, key_id: str, session_id: str, since: float) -> list[ConversationTurn]:
        self.since.append(since)
        return [kept for kept in self.turns.get((key_id, session_id), []) if kept.at >= since]

    async def add_turn(
        self, key_id: str, session_id: str, kept: ConversationTurn, keep: int, replaces: int = 0
    ) -> None:
        if self.error:
            raise self.error
        self.added.append((keep, replaces))
        self.turns.setdefault((key_id, session_id), []).append(kept)

    async def delete_conversation(self, key_id: str, session_id: str) -> bool:
        return self.turns.pop((key_id, session_id), None) is not None


class Room:
    """Responses on a real pipeline and a database in memory."""

    def __init__(self, running: Any, pipeline: Pipeline) -> None:
        self.drawer = Drawer()
        self.judge = running.registry["judge"]
        self.model = running.registry["model"]
        self.finder = running.registry["finder"]
        self.pipeline = pipeline

    def responses(self, **settings: Any) -> Responses:
        database: Any = self.drawer
        return Responses(database, SessionsSettings(**settings), self.pipeline)

    async def ask(self, name: str, question: str = "When?", previous: str = "", **fields: Any) -> Ending:
        first = fields.pop("first", "")
        keeping = Keeping(
            f"resp_{name}",
            f"resp_{previous}" if previous else "",
            first,
            (Message("user", question),),
            lambda parts, ending: msgspec.json.encode([parts, ending.remembered]),
        )
        asked = turn(question, key_id=KEY, keeping=keeping, **fields)
        *texts, ending = [event async for event in self.responses().answer(asked)]
        self.text = "".join(map(str, texts))
        assert isinstance(ending, Ending)
        return ending

    def says(self, *chunks: Chunk) -> None:
        async def act() -> AsyncIterator[Chunk]:
            for chunk in chunks:
                yield chunk

        self.model.acts["generate"] = act

    def put(self, name: str, *messages: Message, previous: str = "", at: float | None = None) -> None:
        """Keep a response as an earlier request would have."""
        stored = StoredResponse(f"resp_{previous}" if previous else "", "resp_1", messages, msgspec.Raw(b"{}"))
        kept = ConversationTurn("", "", at or time.time(), (), msgspec.json.encode(stored).decode())
        self.drawer.turns[KEY, f"resp_{name}"] = [kept]

    def chain(self, *parts: tuple[Message, ...]) -> None:
        """Keep responses 1, 2, 3 ... that go on with each other."""
        for number, messages in enumerate(parts, 1):
            self.put(str(number), *messages, previous=str(number - 1) if number > 1 else "")

    async def contents(self, name: str, **settings: Any) -> list[str]:
        _, messages = await self.responses(**settings).history(KEY, f"resp_{name}")
        return [message.content for message in messages]


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    config: dict[str, Any] = {"model": {}, "judge": {}, "finder": {}}
    async with host(config, tmp_path, PLUGINS) as running, Pipeline(running) as pipeline:
        yield Room(running, pipeline)


def exchange(question: str, answer: str) -> tuple[Message, ...]:
    return Message("user", question), Message("assistant", answer)


async def test_an_answer_is_stored_before_its_ending_and_read_again(room: Room) -> None:
    before = time.time()
    ending = await room.ask("2", previous="1", first="resp_1")
    assert (ending.remembered, room.text) == (True, "An answer.")
    stored = await room.responses(ttl=100).get(KEY, "resp_2")
    assert (stored.previous, stored.first, bytes(stored.body)) == ("resp_1", "resp_1", b'[["An answer."],true]')
    assert stored.messages == exchange("When?", "An answer.")
    (kept,) = room.drawer.turns[KEY, "resp_2"]
    assert (kept.question, kept.answer, kept.sources) == ("When?", "An answer.", ())
    assert before <= kept.at <= time.time()
    assert room.drawer.added == [(1, 0)]
    assert before - 100 <= room.drawer.since[-1] <= time.time() - 100


async def test_the_sources_of_an_answer_are_kept_with_it(room: Room) -> None:
    room.finder.acts["retrieve"] = returns([document(1)])
    await room.ask("1", collection="c")
    (kept,) = room.drawer.turns[KEY, "resp_1"]
    assert [source.id for source in kept.sources] == ["1"]


async def test_calls_are_kept_with_the_thoughts_that_are_signed(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    call = ToolCall("1", "clock", "{}")
    signed, loose = Thought("hm", "s"), Thought("oh")

    async def answer(_: Turn) -> AsyncIterator[Event]:
        yield loose
        yield Answered(tool_calls=(call,), thoughts=(signed, loose))

    monkeypatch.setattr(room.pipeline, "answer", answer)
    await room.ask("1")
    assert (await room.responses().get(KEY, "resp_1")).messages[-1] == Message(
        "assistant", "", tool_calls=(call,), thoughts=(signed,)
    )


async def test_thoughts_of_an_answer_without_calls_are_not_kept(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_: Turn) -> AsyncIterator[Event]:
        yield "At "
        yield "nine."
        yield Answered(text=" Please check.", thoughts=(Thought("hm", "s"),))

    monkeypatch.setattr(room.pipeline, "answer", answer)
    await room.ask("1")
    assert (await room.responses().get(KEY, "resp_1")).messages == exchange("When?", "At nine. Please check.")


async def test_of_a_refused_question_nothing_goes_on(room: Room) -> None:
    room.judge.acts["moderate"] = returns(orbit.Verdict(allowed=False, message="Be kind."))
    ending = await room.ask("1")
    assert isinstance(ending, Refused)
    assert ending.remembered
    assert (await room.responses().get(KEY, "resp_1")).messages == ()
    (kept,) = room.drawer.turns[KEY, "resp_1"]
    assert (kept.question, kept.answer) == ("", "")


async def test_of_an_empty_answer_nothing_goes_on(room: Room) -> None:
    room.says(Chunk(finish_reason="stop"))
    await room.ask("1", options=orbit.GenerateOptions(stop=("x",)))
    assert (await room.responses().get(KEY, "resp_1")).messages == ()


async def test_an_answer_that_fails_is_not_stored(room: Room) -> None:
    room.judge.acts["moderate"] = raises(ProviderError("away."))
    with pytest.raises(ProviderError):
        await room.ask("1")
    assert room.drawer.turns == {}


@pytest.mark.parametrize(
    ("error", "said"),
    [(DatabaseUnavailable("away"), "a response is not stored: away"), (UnknownKey(), None)],
)
async def test_a_database_that_fails_spoils_no_answer(
    room: Room, caplog: pytest.LogCaptureFixture, error: Exception, said: str | None
) -> None:
    room.drawer.error = error
    ending = await room.ask("1")
    assert (ending.remembered, room.text) == (False, "An answer.")
    assert caplog.messages == ([said] if said else [])


async def test_a_database_that_hangs_has_the_turns_deadline(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    async def hang(*_: Any) -> None:
        await asyncio.Event().wait()

    drawer: Any = room.drawer
    drawer.add_turn = hang
    ending = await room.ask("1", deadline=time.monotonic() + 0.5)
    assert not ending.remembered
    assert caplog.messages == [f"a response is not stored: {TurnTimeout()}"]


async def test_a_response_that_is_too_large_is_not_stored(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await room.ask("1")
    size = len(room.drawer.turns[KEY, "resp_1"][0].detail)
    monkeypatch.setattr(responses, "_LARGEST", size)
    assert (await room.ask("2")).remembered
    monkeypatch.setattr(responses, "_LARGEST", size - 1)
    assert not (await room.ask("3")).remembered
    assert caplog.messages == [f"a response is not stored: with its images and files it has {size} bytes"]


async def test_a_response_belongs_to_its_key(room: Room) -> None:
    room.put("1")
    with pytest.raises(UnknownResponse, match="There is no response 'resp_1': it was not stored, was deleted, or has"):
        await room.responses().get("another", "resp_1")
    with pytest.raises(UnknownResponse):
        await room.responses().delete("another", "resp_1")
    assert (await room.responses().get(KEY, "resp_1")).first == "resp_1"


async def test_a_deleted_response_is_unknown(room: Room) -> None:
    room.chain(exchange("a", "1"), exchange("b", "2"))
    await room.responses().delete(KEY, "resp_1")
    for again in (room.responses().get, room.responses().delete):
        with pytest.raises(UnknownResponse):
            await again(KEY, "resp_1")
    assert await room.contents("2") == ["b", "2"]  # the conversation begins after it


async def test_an_old_response_is_unknown(room: Room) -> None:
    room.put("1", at=time.time() - 101)
    with pytest.raises(UnknownResponse):
        await room.responses(ttl=100).get(KEY, "resp_1")
    assert await room.responses(ttl=110).get(KEY, "resp_1")


async def test_a_conversation_of_another_kind_is_no_response(room: Room) -> None:
    room.put("1")
    room.drawer.turns[KEY, "session"] = room.drawer.turns[KEY, "resp_1"]
    room.drawer.turns[KEY, "resp_2"] = [ConversationTurn("a", "b", time.time())]
    for name in ("session", "resp_2"):
        with pytest.raises(UnknownResponse):
            await room.responses().get(KEY, name)
    with pytest.raises(UnknownResponse):
        await room.responses().delete(KEY, "session")
    assert (KEY, "session") in room.drawer.turns


async def test_where_no_conversations_are_kept_none_is_known(room: Room) -> None:
    room.put("1")
    assert not room.responses(enabled=False).enabled
    with pytest.raises(UnknownResponse):
        await room.responses(enabled=False).get(KEY, "resp_1")


def test_the_name_in_an_error_has_an_end() -> None:
    assert str(UnknownResponse("x" * 200)).startswith(f"There is no response '{'x' * 100}': ")


async def test_a_history_is_the_whole_chain_oldest_first(room: Room) -> None:
    room.chain(exchange("a", "1"), exchange("b", "2"), exchange("c", "3"))
    last, messages = await room.responses().history(KEY, "resp_3")
    assert last.previous == "resp_2"
    assert messages == (*exchange("a", "1"), *exchange("b", "2"), *exchange("c", "3"))
    assert await room.contents("2") == ["a", "1", "b", "2"]  # a branch


async def test_a_history_has_no_more_questions_than_sessions_have(room: Room) -> None:
    room.chain(*(exchange(str(number), "yes") for number in range(5)))
    assert await room.contents("5", max_turns=2) == ["3", "yes", "4", "yes"]
    assert await room.contents("5", max_turns=1) == ["4", "yes"]


async def test_a_history_stops_where_it_has_more_characters_than_sessions_have(room: Room) -> None:
    room.chain(*(exchange(f"{number:5}", "12345") for number in range(4)))
    assert len(await room.contents("4", max_chars=20)) == 6  # 20 characters are no more than 20
    assert len(await room.contents("4", max_chars=19)) == 4
    assert len(await room.contents("4", max_chars=1)) == 2  # the last question always


async def test_results_of_tools_keep_the_question_that_they_belong_to(room: Room) -> None:
    call = Message("assistant", "", tool_calls=(ToolCall("1", "clock", "{}"),))
    room.chain(
        exchange("old", "answer"),
        (Message("user", "a" * 50), call),
        (Message("tool", "nine", tool_call_id="1"), Message("assistant", "At nine.")),
    )
    assert await room.contents("3", max_chars=1) == ["a" * 50, "", "nine", "At nine."]


async def test_a_history_begins_with_a_question_or_instructions(room: Room) -> None:
    room.put("2", Message("tool", "nine", tool_call_id="1"), *exchange("b", "2"), previous="gone")
    assert await room.contents("2") == ["b", "2"]
    room.put("3", Message("system", "Be kind."), *exchange("c", "3"))
    assert await room.contents("3") == ["Be kind.", "c", "3"]
    room.put("4", Message("assistant", "lost"))
    assert await room.contents("4") == []


async def test_a_chain_without_end_is_read_to_its_thousandth_response(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert responses._LONGEST_CHAIN == 1000
    monkeypatch.setattr(responses, "_LONGEST_CHAIN", 3)
    room.put("1", *exchange("a", "1"), previous="1")  # it goes on with itself
    assert await room.contents("1", max_turns=100) == ["a", "1"] * 3
