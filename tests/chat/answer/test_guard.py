"""An answer is released sentence by sentence, each judged with all that went before it."""

import time
from typing import Any

import pytest
from actor_kit import turn

from orbit import Message, Verdict
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

    async def judge(self, stage: str, messages: tuple[Message, ...], asked: Any, journal: Journal) -> Verdict:
        assert (stage, messages[0], asked.question) == ("output", Message("user", "When?"), "When?")
        assert isinstance(journal, Journal)
        assert messages[1].role == "assistant"
        self.asked.append(messages[1].content)
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
