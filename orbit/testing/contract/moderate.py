"""The contract of ``moderate``."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from orbit import CallContext, Message, Verdict
from orbit.testing.contract import calls
from orbit.testing.contract.promise import Promise, kind
from orbit.testing.contract.provider import BaseProviderContract
from orbit.testing.contract.samples import HUGE, UNICODE
from orbit.testing.contract.subject import CONTEXT, Subject
from orbit.types import ModerationStage


class BaseModerateContract(BaseProviderContract):
    """The contract of providers that moderate questions or answers."""

    @pytest.fixture
    def allowed(self) -> str:
        """Return a text that the provider allows at every stage it judges."""
        return "How long is tea steeped?"

    @pytest.fixture
    def refused(self) -> str | None:
        """Return a text that the provider refuses at every stage it judges, or None if no such text exists."""
        return None

    async def test_moderate_is_offered(self, promise: Promise, subject: Subject) -> None:
        """The provider implements `moderate`, and judges questions, answers or both."""
        calls.offered(promise, subject, "moderate")
        if not _stages(subject):
            promise.broken("moderates() is false for `input` and `output`", "return True for the stages it judges")

    async def test_moderate_returns_a_verdict(self, promise: Promise, subject: Subject, allowed: str) -> None:
        """`moderate` returns an orbit.Verdict, its reason and message being text."""
        for stage in _stages(subject):
            verdict = await calls.answered(promise, partial(_judge, subject, allowed, stage))
            if not isinstance(verdict, Verdict):
                promise.broken(f"it returned {kind(verdict)}", "return orbit.Verdict(allowed=...)")
            decided: Any = verdict.allowed
            if type(decided) is not bool or not _is_text(verdict.reason, verdict.message):
                promise.broken(f"it returned {verdict}", "give allowed as a bool, reason and message as text")

    async def test_moderate_lets_pass(self, promise: Promise, subject: Subject, allowed: str) -> None:
        """An allowed text passes at every stage."""
        for stage in _stages(subject):
            verdict = await calls.answered(promise, partial(_judge, subject, allowed, stage))
            if not verdict.allowed:
                promise.broken(
                    f"at {stage} {allowed!r} was refused: {verdict.reason}", "mend the judgement, or the fixture"
                )

    async def test_moderate_refuses(self, promise: Promise, subject: Subject, refused: str | None) -> None:
        """A forbidden text is refused at every stage, with a reason for the operator."""
        text = _needed(promise, refused)
        for stage in _stages(subject):
            verdict = await calls.answered(promise, partial(_judge, subject, text, stage))
            if verdict.allowed:
                promise.broken(f"at {stage} {text!r} passed", "mend the judgement, or the fixture")
            if not verdict.reason:
                promise.broken(f"the verdict at {stage} has no reason", 'give Verdict(allowed=False, reason="...")')

    async def test_moderate_judges_the_last_message(
        self, promise: Promise, subject: Subject, allowed: str, refused: str | None
    ) -> None:
        """`moderate` judges the last message, whatever comes before it."""
        text = _needed(promise, refused)
        for stage in _stages(subject):
            before = [Message("user", allowed), Message("assistant", "Two minutes.")]
            verdict = await calls.answered(
                promise,
                partial(
                    subject.call,
                    "moderate",
                    stage=stage,
                    messages=[*before[: 2 if stage == "input" else 1], Message(_role(stage), text)],
                ),
            )
            if verdict.allowed:
                promise.broken(f"{text!r} passed after {allowed!r}", "judge messages[-1]")

    async def test_moderate_takes_any_text(self, promise: Promise, subject: Subject) -> None:
        """`moderate` judges any text, or raises ProviderError: an empty one, a huge one, odd characters."""
        for text in ("", " ", UNICODE, "\0", HUGE):
            await calls.attempted(promise, partial(_judge, subject, text))

    async def test_moderate_finds_it_anywhere(self, promise: Promise, subject: Subject, refused: str | None) -> None:
        """A forbidden text inside a huge one does not pass: `moderate` refuses it or raises ProviderError."""
        text = f"{HUGE} {_needed(promise, refused)}"
        verdict = await calls.attempted(promise, lambda: _judge(subject, text))
        if verdict is not None and verdict.allowed:
            promise.broken(f"it passed after {len(HUGE)} characters", "judge all of a text, in parts if need be")

    async def test_moderate_side_by_side(
        self, promise: Promise, subject: Subject, allowed: str, refused: str | None
    ) -> None:
        """Concurrent calls do not affect each other."""
        texts = [allowed, refused or f"{allowed} And coffee?"] * 4
        invokes = [partial(_judge, subject, text) for text in texts]
        await calls.side_by_side(promise, invokes, lambda one, other: one.allowed == other.allowed)

    async def test_moderate_can_be_cancelled(
        self, promise: Promise, subject: Subject, allowed: str, patience: float
    ) -> None:
        """A cancelled call ends at once, at any moment."""
        await calls.cancelled(promise, lambda: _judge(subject, allowed), patience)

    async def test_moderate_keeps_deadlines(
        self, promise: Promise, subject: Subject, allowed: str, patience: float
    ) -> None:
        """A call past its deadline ends: cancelled, or with a ProviderError."""
        await calls.ended_in_time(promise, lambda context: _judge(subject, allowed, context=context), patience)

    async def test_moderate_leaves_the_loop_free(self, promise: Promise, subject: Subject) -> None:
        """`moderate` does not block the event loop, whatever the length of a text."""
        await calls.shared_loop(promise, lambda: _judge(subject, HUGE))

    async def test_moderate_leaves_nothing_running(
        self, promise: Promise, subject: Subject, allowed: str, patience: float
    ) -> None:
        """Nothing keeps running after the call."""
        await calls.left_alone(promise, lambda: _judge(subject, allowed), patience)

    async def test_moderate_while_down(self, promise: Promise, down: Subject, allowed: str) -> None:
        """While its service is down, `moderate` raises a retryable ProviderError and lets nothing pass."""
        await calls.told_of_the_outage(promise, lambda: _judge(down, allowed))


def _stages(subject: Subject) -> list[ModerationStage]:
    stages: tuple[ModerationStage, ...] = ("input", "output")
    return [stage for stage in stages if subject.provider.moderates(stage)]


def _role(stage: ModerationStage) -> Any:
    return "user" if stage == "input" else "assistant"


def _judge(subject: Subject, text: str, stage: ModerationStage | None = None, context: CallContext = CONTEXT) -> Any:
    """Have a text judged as the host does: an answer follows its question."""
    judged = _stages(subject)[0] if stage is None else stage
    question = [] if judged == "input" else [Message("user", "Tell me something.")]
    return subject.call("moderate", context, stage=judged, messages=[*question, Message(_role(judged), text)])


def _needed(promise: Promise, refused: str | None) -> str:
    if refused is None:
        promise.untold("since the fixture refused is None")
    return refused


def _is_text(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)
