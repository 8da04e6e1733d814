"""What a conversation remembers, and what it does not."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from actor_kit import PLUGINS, document, raises, returns, turn

import orbit
from orbit.chat.history.conversations import Conversations, UnknownConversation, history_of
from orbit.chat.outcome import Answered, Ending
from orbit.chat.pipeline import Pipeline
from orbit.chat.turn import TurnTimeout
from orbit.config.model import SessionsSettings
from orbit.database.conversations import ConversationTurn
from orbit.database.keys import UnknownKey
from orbit.errors import DatabaseUnavailable
from orbit.testing import host


class Drawer:
    """A database in memory, of conversations only."""

    def __init__(self) -> None:
        self.turns: list[ConversationTurn] = []
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None
        self.hangs = False

    async def conversation_turns(self, key_id: str, session_id: str, since: float) -> list[ConversationTurn]:
        if self.hangs:
            await asyncio.sleep(60)
        self.calls.append(("read", key_id, session_id, since))
        return self.turns

    async def add_turn(self, key_id: str, session_id: str, kept: ConversationTurn, limit: int, replaces: int) -> None:
        self.calls.append(("add", key_id, session_id, limit))
        if self.error:
            raise self.error
        del self.turns[len(self.turns) - replaces :]
        self.turns.append(kept)

    async def delete_conversation(self, key_id: str, session_id: str) -> bool:
        self.calls.append(("delete", key_id, session_id))
        return bool(self.turns)

    async def forget_turns(self, before: float) -> None:
        self.calls.append(("forget", before))
        if self.error:
            raise self.error


class Room:
    """Conversations on a real pipeline and a database in memory."""

    def __init__(self, running: Any, pipeline: Pipeline) -> None:
        self.drawer: Any = Drawer()
        self.judge = running.registry["judge"]
        self.model = running.registry["model"]
        self.finder = running.registry["finder"]
        self.pipeline = pipeline

    def conversations(self, **settings: Any) -> Conversations:
        return Conversations(self.drawer, SessionsSettings(**settings), self.pipeline)

    async def ask(self, question: str = "When?", session_id: str | None = "s", **settings: Any) -> Ending:
        asked = turn(question, session_id=session_id, key_id="k")
        *_, ending = [event async for event in self.conversations(**settings).answer(asked)]
        assert isinstance(ending, Ending)
        return ending


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    config: dict[str, Any] = {"model": {}, "judge": {}, "finder": {}}
    async with host(config, tmp_path, PLUGINS) as running, Pipeline(running) as pipeline:
        yield Room(running, pipeline)


async def test_an_answered_turn_is_kept_and_read_before_the_next_question(room: Room) -> None:
    before = time.time()
    first = await room.ask("When?", max_turns=7, ttl=100)
    assert isinstance(first, Answered)
    assert first.remembered
    kept = room.drawer.turns[0]
    assert (kept.question, kept.answer, kept.sources) == ("When?", "An answer.", ())
    assert before <= kept.at <= time.time()
    assert room.drawer.calls[1] == ("add", "k", "s", 7)
    read = room.drawer.calls[0]
    assert read[:3] == ("read", "k", "s")
    assert before - 100 <= read[3] <= time.time() - 100
    await room.ask("And then?")
    messages = room.model.made("generate")[1][0]
    assert [message.content for message in messages][-3:] == ["When?", "An answer.", "And then?"]


@pytest.mark.parametrize(("session_id", "enabled"), [(None, True), ("s", False)])
async def test_without_a_conversation_nothing_is_kept(room: Room, session_id: str | None, *, enabled: bool) -> None:
    assert not (await room.ask(session_id=session_id, enabled=enabled)).remembered
    assert room.drawer.calls == []


async def test_an_answer_in_pieces_is_kept_whole_and_an_old_one_is_not_read(room: Room) -> None:
    async def pieces() -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk("At ")
        yield orbit.Chunk("nine.")

    room.model.acts["generate"] = pieces
    await room.ask("first " * 20)
    await room.ask("second")
    assert [item.answer for item in room.drawer.turns] == ["At nine.", "At nine."]
    await room.ask("third", max_chars=20)
    assert "first" not in str(room.model.made("generate")[-1][0])


async def test_the_sources_of_an_answer_are_kept_with_it(room: Room) -> None:
    room.finder.acts["retrieve"] = returns([document(1)])
    asked = turn(session_id="s", key_id="k", collection="c")
    *_, ending = [event async for event in room.conversations().answer(asked)]
    assert isinstance(ending, Answered)
    assert [source.id for source in ending.sources] == ["1"]
    assert room.drawer.turns[0].sources == ending.sources


async def test_a_refused_turn_is_not_kept(room: Room) -> None:
    room.judge.acts["moderate"] = returns(orbit.Verdict(allowed=False))
    assert not (await room.ask()).remembered
    assert room.drawer.turns == []


async def test_a_question_without_words_is_kept_with_words_in_their_place(room: Room) -> None:
    assert (await room.ask(" ")).remembered
    assert room.drawer.turns[0].question == "[image]"


async def test_a_database_that_hangs_ends_the_turn_at_its_deadline(room: Room) -> None:
    room.drawer.hangs = True
    asked = turn("When?", session_id="s", key_id="k", deadline=time.monotonic() + 0.1)
    with pytest.raises(TurnTimeout):
        await anext(room.conversations().answer(asked))


async def test_an_answer_without_text_is_not_kept(room: Room) -> None:
    async def blank() -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk(" \n", finish_reason="stop")

    room.model.acts["generate"] = blank
    asked = turn(session_id="s", options=orbit.GenerateOptions(stop=("x",)))
    *_, ending = [event async for event in room.conversations().answer(asked)]
    assert isinstance(ending, Answered)
    assert not ending.remembered
    assert room.drawer.turns == []


@pytest.mark.parametrize(("error", "warns"), [(UnknownKey(), False), (DatabaseUnavailable("it is away."), True)])
async def test_a_turn_that_cannot_be_kept_is_still_answered(
    room: Room, caplog: pytest.LogCaptureFixture, error: Exception, *, warns: bool
) -> None:
    room.drawer.error = error
    assert not (await room.ask()).remembered
    assert ("a turn of a session is not remembered: it is away." in caplog.messages) is warns


async def test_a_conversation_may_be_read_and_deleted(room: Room) -> None:
    conversations = room.conversations()
    for unknown in (conversations.turns("k", "s"), conversations.delete("k", "s")):
        with pytest.raises(UnknownConversation):
            await unknown
    assert UnknownConversation.client
    assert str(UnknownConversation()) == "there is no such session, or its time is over (sessions.ttl)."
    await room.ask()
    assert [item.question for item in await conversations.turns("k", "s")] == ["When?"]
    assert room.drawer.calls[-1][:3] == ("read", "k", "s")
    await conversations.delete("k", "s")
    assert room.drawer.calls[-1] == ("delete", "k", "s")
    with pytest.raises(UnknownConversation):
        await room.conversations(enabled=False).turns("k", "s")


@pytest.mark.parametrize(("enabled", "ttl"), [(True, 100), (False, 0)])
async def test_old_turns_are_forgotten_from_the_start(room: Room, *, enabled: bool, ttl: float) -> None:
    before = time.time()
    async with room.conversations(enabled=enabled, ttl=100) as conversations:
        await asyncio.sleep(0.01)
        assert conversations._sweeper.done() is not enabled
    ((call, limit),) = room.drawer.calls
    assert call == "forget"
    assert before - ttl <= limit <= time.time() - ttl


async def test_a_database_that_is_away_does_not_end_the_sweep(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    room.drawer.error = DatabaseUnavailable("it is away.")
    async with room.conversations(ttl=0.01, enabled=False):
        for _ in range(500):
            if len(room.drawer.calls) > 1:
                break
            await asyncio.sleep(0.01)
    assert len(room.drawer.calls) > 1
    assert "turns of sessions whose time is over are not forgotten yet: it is away." in caplog.messages


async def test_what_the_model_raises_is_raised(room: Room) -> None:
    room.judge.acts["moderate"] = raises(KeyError())
    with pytest.raises(orbit.ProviderError):
        await room.ask()
    assert room.drawer.turns == []


def turns(*lengths: int) -> list[ConversationTurn]:
    return [ConversationTurn("q" * length, f"{number}", 0.0) for number, length in enumerate(lengths)]


@pytest.mark.parametrize(
    ("lengths", "limit", "kept"),
    [
        ((9, 9, 9), 30, "012"),
        ((9, 9, 9), 29, "12"),
        ((9, 9, 9), 20, "12"),
        ((9, 9, 9), 19, "2"),
        ((99,), 5, "0"),
        ((), 5, ""),
    ],
)
def test_the_newest_turns_fit_first(lengths: tuple[int, ...], limit: int, kept: str) -> None:
    messages = history_of(turns(*lengths), limit)
    assert [message.role for message in messages] == ["user", "assistant"] * len(kept)
    assert "".join(message.content for message in messages[1::2]) == kept
    assert all(message.content.startswith("q") for message in messages[::2])


def test_turns_without_an_answer_are_passed_over() -> None:
    blank = ConversationTurn("q" * 99, " ", 0.0)
    assert [message.content for message in history_of([*turns(9), blank], 20)] == ["q" * 9, "0"]
