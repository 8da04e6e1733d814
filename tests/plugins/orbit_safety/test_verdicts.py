"""Mode and judge's answer -> verdict."""

from __future__ import annotations

import pytest
from judge_answers import ANSWERS
from orbit_safety.verdicts import is_safe
from safety_kit import Judge, Start, ask


@pytest.mark.parametrize(("answer", "strict", "fuzzy"), ANSWERS)
def test_reading_a_judge(answer: str, strict: bool, fuzzy: bool) -> None:
    assert is_safe(answer, "strict") is strict
    assert is_safe(answer, "fuzzy") is fuzzy


def test_strict_accepts_nothing_that_fuzzy_refuses() -> None:
    assert all(fuzzy or not strict for _, strict, fuzzy in ANSWERS)
    assert len(ANSWERS) >= 40


@pytest.mark.parametrize("mode", ["strict", "fuzzy"])
@pytest.mark.parametrize(("answer", "safe"), [("SAFE: true", True), ("SAFE: false", False), ("I'm sorry.", False)])
async def test_the_verdict_is_the_judges(judge: Judge, start: Start, mode: str, answer: str, safe: bool) -> None:
    provider = await start(mode=mode)
    judge.answers = [answer]

    verdict = await ask(provider, "a question")

    assert verdict.allowed is safe
    assert bool(verdict.reason) is not safe


async def test_disabled_asks_nobody(judge: Judge, start: Start) -> None:
    provider = await start(mode="disabled")
    judge.answers = ["SAFE: false"]

    assert (await ask(provider, "a question")).allowed
    assert not judge.asked
