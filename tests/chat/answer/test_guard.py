"""An answer is released sentence by sentence, each judged with all that went before it."""

import time
from typing import Any

import pytest
from actor_kit import turn

from orbit import Message, ToolCall, Verdict
from orbit.chat.answer.guard import AnswerGuard
from orbit.chat.journal import Journal
from orbit.chat.moderation import ALLOWED
from orbit.chat.outcome import EndsEarly, Refused
from orbit.chat.ticker import Ticker
from orbit.chat.turn import TurnTimeout


class Moderators:
    """Refuse texts with "bad" in them; keep what they were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.calls: list[tuple[ToolCall, ...]] = []

    async def judge(self, stage: str, messages: tuple[Message, ...], asked: Any, journal: Journal) -> Verdict:
        assert (stage, messages[0], asked.question) == ("output", Message("user", "When?"), "When?")
        assert isinstance(journal, Journal)
        assert messages[1].role == "assistant"
        self.asked.append(messages[1].content)
        self.calls.append(messages[1].tool_calls)
        return ALLOWED if "bad" not in messages[1].content else Verdict(allowed=False, reason="bad word")

    def refusal_of(self, verdict: Verdict) -> Refused:
        return Refused("No.", reason=verdict.reason)


def made(**fields: Any) -> tuple[AnswerGuard, Moderators]:
    moderators: Any = Moderators()
    asked = turn(**fields)
    return AnswerGuard(moderators, asked, Journal(asked), Ticker()), moderators


async def test_each_sentence_is_judged_with_all_before_it() -> None:
    guard, moderators = made()
    assert [await guard.add(piece) for piece in ("One. T", "wo. Thr", "ee")] == ["One.", " Two.", ""]
    assert await guard.rest(" fo") == " Three fo"
    assert moderators.asked == ["One.", "One. Two.", "One. Two. Three fo"]


async def test_a_refused_sentence_ends_the_turn() -> None:
    guard, _ = made()
    assert await guard.add("One. b") == "One."
    with pytest.raises(EndsEarly) as raised:
        await guard.add("ad. Two")
    assert raised.value.ending == Refused("No.", reason="bad word")


async def test_the_rest_is_judged_too() -> None:
    guard, _ = made()
    assert await guard.add("a b") == ""
    with pytest.raises(EndsEarly):
        await guard.rest("ad")


async def test_blank_text_needs_no_judge() -> None:
    guard, moderators = made()
    assert await guard.add("\n\n") == "\n\n"
    assert await guard.rest("") == ""
    assert moderators.asked == []
    assert await guard.rest("One.") == "One."
    assert moderators.asked == ["\n\nOne."]


async def test_judging_ends_at_the_turns_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    guard, moderators = made(deadline=time.monotonic() + 0.02)

    async def hang(*_: Any) -> Verdict:
        await asyncio.sleep(60)
        return ALLOWED

    monkeypatch.setattr(moderators, "judge", hang)
    with pytest.raises(TurnTimeout):
        await guard.rest("One.")


async def test_a_check_sees_each_sentence_alone_and_before_the_moderators() -> None:
    seen: list[str] = []

    def check(text: str) -> None:
        seen.append(text)
        if "42" in text:
            raise EndsEarly(Refused("Not in the passages."))

    moderators: Any = Moderators()
    guard = AnswerGuard(moderators, turn(), Journal(turn()), Ticker(), check)
    assert await guard.add("One. Two") == "One."
    with pytest.raises(EndsEarly):
        await guard.rest(" is 42")
    assert seen == ["One.", " Two is 42"]
    assert moderators.asked == ["One."]


async def test_an_answer_after_tools_is_judged_with_the_rounds_before_it() -> None:
    moderators: Any = Moderators()
    journal = Journal(turn())
    journal.text += ["Let me ", "see.", "\n\n"]
    guard = AnswerGuard(moderators, turn(), journal, Ticker())
    assert await guard.rest("Nine.") == "Nine."
    assert moderators.asked == ["Let me see.\n\nNine."]


async def test_calls_of_tools_are_judged_after_the_text() -> None:
    guard, moderators = made()
    calls = (ToolCall("1", "clock", '{"town": "Bonn"}'), ToolCall("2", "look", "{}"))
    await guard.calls(calls)
    assert await guard.add("One. ") == "One."
    await guard.calls(calls[1:])
    assert moderators.asked == ['clock {"town": "Bonn"}\nlook {}', "One.", "One.\nlook {}"]
    assert moderators.calls == [calls, (), calls[1:]]
    with pytest.raises(EndsEarly):
        await guard.calls((ToolCall("3", "look", "bad"),))
