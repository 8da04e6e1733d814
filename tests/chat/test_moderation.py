"""The moderators of a stage judge together; the first refusal counts, whatever the others do."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from actor_kit import PLUGINS, Actor, Judge, raises, returns, turn

import orbit
from orbit.chat.journal import Journal
from orbit.chat.moderation import ALLOWED, Moderation
from orbit.chat.outcome import Refused
from orbit.errors import PromptTooLong, ProviderError
from orbit.testing import host

ASKED = (orbit.Message("user", "When?"), orbit.Message("assistant", "At nine."))


class Two:
    """Two judges and what asks them."""

    def __init__(self, running: Any) -> None:
        self.first: Actor = running.registry["judge"]
        self.second: Actor = running.registry["other"]
        self.moderation = Moderation(running.registry, 5, "No.")
        self.journal = Journal(turn())

    async def judge(self, stage: Any = "input") -> orbit.Verdict:
        return await self.moderation.judge(stage, ASKED, turn(), self.journal)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    async with host({"model": {}, "judge": {}, "other": {"use": "judge"}}, tmp_path, PLUGINS) as running:
        yield Two(running)


async def test_every_moderator_judges_the_whole_text(two: Two) -> None:
    assert await two.judge("output") == ALLOWED
    assert two.first.made("output") == two.second.made("output") == [(["When?", "At nine."],)]
    assert "moderate" in two.journal.durations


@pytest.mark.parametrize("failure", [returns(orbit.Verdict(allowed=True)), raises(RuntimeError()), returns("yes")])
async def test_a_refusal_counts_whatever_another_moderator_does(two: Two, failure: Any) -> None:
    refusal = orbit.Verdict(allowed=False, reason="rude", message="Be kind.")
    two.first.acts["moderate"], two.second.acts["moderate"] = failure, returns(refusal)
    assert await two.judge() == refusal


async def test_a_moderator_that_fails_allows_nothing(two: Two) -> None:
    two.second.acts["moderate"] = raises(ProviderError("away.", kind="unavailable"))
    with pytest.raises(ProviderError) as raised:
        await two.judge()
    assert (raised.value.provider, raised.value.operation, raised.value.kind) == ("other", "moderate", "unavailable")


async def test_what_is_no_verdict_is_the_plugins_mistake(two: Two) -> None:
    two.second.acts["moderate"] = returns(1)
    with pytest.raises(ProviderError, match="other could not moderate: the hook returned int instead of a Verdict"):
        await two.judge()


async def test_only_a_question_that_is_too_long_is_the_clients(two: Two) -> None:
    two.first.acts["moderate"] = raises(PromptTooLong("4096 tokens."))
    with pytest.raises(PromptTooLong):
        await two.judge("input")
    with pytest.raises(ProviderError, match="judge could not moderate: the answer is too long for it: 4096 tokens"):
        await two.judge("output")


async def test_moderators_judge_only_their_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "stages", ("output",))
    async with host({"model": {}, "judge": {}}, tmp_path, PLUGINS) as running:
        moderation, journal = Moderation(running.registry, 5, "No."), Journal(turn())
        assert (moderation.judges_questions, moderation.judges_answers) == (False, True)
        assert await moderation.judge("input", ASKED, turn(), journal) is ALLOWED
        judge: Any = running.registry["judge"]
        assert (judge.calls, journal.durations) == ([], {})
    monkeypatch.setattr(Judge, "stages", ("input",))
    async with host({"model": {}, "judge": {}}, tmp_path, PLUGINS) as running:
        moderation = Moderation(running.registry, 5, "No.")
        assert (moderation.judges_questions, moderation.judges_answers) == (True, False)


async def test_a_slow_moderator_fails_the_turn(tmp_path: Path) -> None:
    async def sleep(_: str) -> orbit.Verdict:
        import asyncio

        await asyncio.sleep(60)
        return ALLOWED

    async with host({"model": {}, "judge": {}}, tmp_path, PLUGINS) as running:
        judge: Any = running.registry["judge"]
        judge.acts["moderate"] = sleep
        with pytest.raises(ProviderError, match=r"no answer within 0\.02 s"):
            await Moderation(running.registry, 0.02, "No.").judge("input", ASKED, turn(), Journal(turn()))


async def test_a_refusal_has_the_moderators_message_or_the_operators(two: Two) -> None:
    assert two.moderation.refusal_of(orbit.Verdict(allowed=False, reason="rude")) == Refused("No.", reason="rude")
    assert two.moderation.refusal_of(orbit.Verdict(allowed=False, reason="rude", message="Be kind.")) == Refused(
        "Be kind.", reason="rude"
    )
    assert two.moderation.refusal_of(orbit.Verdict(allowed=False)).finish_reason == "content_filter"


RESULTS = (orbit.Message("tool", "nine", tool_call_id="1"), orbit.Message("tool", "rain", tool_call_id="2"))


async def test_a_question_is_judged_alone_and_then_with_what_tools_returned(two: Two) -> None:
    assert await two.moderation.judge_question(turn(), two.journal) == ALLOWED
    assert two.first.made("input") == [(["When?"],)]
    empty = (orbit.Message("assistant", "said"), orbit.Message("tool", "", tool_call_id="1"))
    assert await two.moderation.judge_question(turn(later=empty), two.journal) == ALLOWED
    assert two.first.made("input")[1:] == [(["When?"],)]
    later = (orbit.Message("assistant", "calls"), *RESULTS)
    assert await two.moderation.judge_question(turn(later=later), two.journal) == ALLOWED
    whole = (["When?", "calls", "nine", "rain", "nine\n\nrain"],)
    assert two.second.made("input")[2:] == [(["When?"],), whole]
    assert two.second.roles[2:] == [["user"], ["user", "assistant", "tool", "tool", "tool"]]
    assert "moderate" in two.journal.durations


async def test_results_of_a_refused_question_are_not_judged(two: Two) -> None:
    refusal = orbit.Verdict(allowed=False, reason="rude")
    two.first.acts["moderate"] = returns(refusal)
    assert await two.moderation.judge_question(turn(later=RESULTS), two.journal) == refusal
    assert len(two.first.made("input")) == 1


async def test_results_may_be_refused(two: Two) -> None:
    async def judge(text: str) -> orbit.Verdict:
        return orbit.Verdict("rain" not in text, "wet")

    two.first.acts["moderate"] = judge
    assert (await two.moderation.judge_question(turn(later=RESULTS), two.journal)).reason == "wet"
    assert (await two.moderation.judge_results(turn(), RESULTS, two.journal)).reason == "wet"


async def test_what_the_hosts_tools_returned_is_judged_after_the_turn_so_far(two: Two) -> None:
    asked = turn(later=(orbit.Message("assistant", "calls"),))
    assert await two.moderation.judge_results(asked, RESULTS, two.journal) == ALLOWED
    assert two.first.made("input") == [(["When?", "calls", "nine\n\nrain"],)]
    assert await two.moderation.judge_results(asked, (orbit.Message("tool", ""),), two.journal) is ALLOWED
    assert len(two.first.made("input")) == 1


async def test_results_need_a_judge_of_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "stages", ("output",))
    async with host({"model": {}, "judge": {}}, tmp_path, PLUGINS) as running:
        journal = Journal(turn())
        assert await Moderation(running.registry, 5, "No.").judge_results(turn(), RESULTS, journal) is ALLOWED
        assert journal.durations == {}


async def test_moderators_know_who_asks(two: Two) -> None:
    asked = turn(key_id="k")
    await two.moderation.judge("input", ASKED, asked, two.journal)
    assert two.first.contexts == two.second.contexts == [asked.context]
