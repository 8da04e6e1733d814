"""What the server remembers between the rounds of a client's tools, for whom, and for how long."""

from __future__ import annotations

import pytest
from actor_kit import document, turn

from orbit import Message, ToolCall
from orbit.chat.tools.rounds import Rounds
from orbit.chat.turn import Turn

DOCUMENTS = (document(1), document(2))
HIDDEN = (Message("assistant", "", tool_calls=(ToolCall("own", "clock", "{}"),)), Message("tool", "nine"))


def called(*ids: str) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(name, "look", "{}") for name in ids)


def brings(*ids: str, key_id: str = "k") -> Turn:
    """A round that brings the results of these calls."""
    results = [Message("tool", "seen", tool_call_id=name) for name in ids]
    return turn(key_id=key_id, later=(Message("assistant", "", tool_calls=called(*ids)), *results))


def test_a_round_goes_on_with_the_passages_of_its_question() -> None:
    memory = Rounds()
    calls = called("a", "b")
    assert memory.kept(brings(), calls, DOCUMENTS) == calls
    for name in "ab":
        assert memory.documents(brings(name)) == [*DOCUMENTS]
    assert memory.documents(brings("unknown", "b")) == [*DOCUMENTS]
    assert memory.documents(brings("unknown")) is None
    assert memory.documents(turn(key_id="k")) is None


def test_what_one_key_was_answered_from_no_other_reads() -> None:
    memory = Rounds()
    memory.kept(brings(), called("a"), DOCUMENTS, HIDDEN)
    other = brings("a", key_id="other")
    assert memory.documents(other) is None
    assert memory.restored(other) is other


def test_hidden_messages_come_before_the_answer_that_called() -> None:
    memory = Rounds()
    memory.kept(brings(), called("a", "b"), (), HIDDEN)
    asked = brings("unknown", "b")
    assert memory.restored(asked).later == (*HIDDEN, *asked.later)
    assert memory.documents(asked) is None


def test_a_turn_without_hidden_messages_stays_as_it_is() -> None:
    memory = Rounds()
    memory.kept(brings(), called("a"), DOCUMENTS)
    for asked in (turn(key_id="k"), brings("a"), brings("unknown")):
        assert memory.restored(asked) is asked


def test_nothing_is_remembered_of_calls_without_passages() -> None:
    memory = Rounds()
    assert memory.kept(brings(), called("a"), ()) == called("a")
    assert not memory._kept


def test_it_is_forgotten_after_a_quarter_of_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("orbit.chat.tools.rounds.time.monotonic", lambda: now)
    memory = Rounds()
    memory.kept(brings(), called("a"), DOCUMENTS)
    now += 899
    assert memory.documents(brings("a")) == [*DOCUMENTS]
    now += 1
    assert memory.documents(brings("a")) is None


def test_the_oldest_of_a_thousand_answers_is_forgotten() -> None:
    memory = Rounds()
    for number in range(1000):
        memory.kept(brings(), called(f"{number}"), DOCUMENTS)
    memory.kept(brings(), called("0"), DOCUMENTS)  # the same id again: it is the newest now
    assert memory.documents(brings("1")) == [*DOCUMENTS]
    memory.kept(brings(), called("new"), DOCUMENTS)
    assert memory.documents(brings("1")) is None
    assert memory.documents(brings("0")) == memory.documents(brings("2")) == memory.documents(brings("new"))
    assert memory.documents(brings("0")) == [*DOCUMENTS]
