"""Wrong in `moderate`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from wrong_kit import Right, Wrong, swallow

import orbit
from orbit import Message, Verdict, hookimpl


def judged(text: str) -> Verdict:
    return Verdict(allowed=False, reason="says secret") if "secret" in text else Verdict(allowed=True)


class RightModerator(Right):
    """Refuses what is secret, asked or answered."""

    def moderates(self, stage: str) -> bool:
        return True

    @hookimpl
    async def moderate(self, stage: str, messages: Sequence[Message], context: orbit.CallContext) -> Any:
        await self.work()
        return judged(messages[-1].content)


class JudgesNothing(RightModerator):
    def moderates(self, stage: str) -> bool:
        return False


class SaysTrue(RightModerator):
    @hookimpl
    async def moderate(self, messages: Sequence[Message]) -> Any:
        return True


class SaysYes(RightModerator):
    @hookimpl
    async def moderate(self, messages: Sequence[Message]) -> Any:
        return Verdict(allowed="yes")  # type: ignore[arg-type]  # the fault


class RefusesAnswers(RightModerator):
    @hookimpl
    async def moderate(self, stage: str) -> Any:
        return Verdict(allowed=stage == "input")


class AllowsAnswers(RightModerator):
    @hookimpl
    async def moderate(self, stage: str, messages: Sequence[Message]) -> Any:
        return judged(messages[-1].content) if stage == "input" else Verdict(allowed=True)


class HasNoReason(RightModerator):
    @hookimpl
    async def moderate(self, messages: Sequence[Message]) -> Any:
        return Verdict(allowed="secret" not in messages[-1].content)


class JudgesFirst(RightModerator):
    @hookimpl
    async def moderate(self, messages: Sequence[Message]) -> Any:
        return judged(messages[0].content)


class NeedsWords(RightModerator):
    @hookimpl
    async def moderate(self, messages: Sequence[Message]) -> Any:
        return Verdict(allowed=messages[-1].content.split()[0] != "secret")


class ReadsBeginnings(RightModerator):
    @hookimpl
    async def moderate(self, messages: Sequence[Message]) -> Any:
        return judged(messages[-1].content[:2000])


class Shares(RightModerator):
    @hookimpl
    async def moderate(self, messages: Sequence[Message]) -> Any:
        self.text = messages[-1].content
        await asyncio.sleep(0)
        return judged(self.text)


class Stubborn(RightModerator):
    @hookimpl
    async def moderate(self, messages: Sequence[Message]) -> Any:
        await swallow()
        return judged(messages[-1].content)


class Hasty(RightModerator):
    @hookimpl
    async def moderate(self, messages: Sequence[Message], context: orbit.CallContext) -> Any:
        if context.remaining() == 0:
            raise ValueError("timeout must be positive")
        return judged(messages[-1].content)


class Blocks(RightModerator):
    @hookimpl
    async def moderate(self, messages: Sequence[Message]) -> Any:
        time.sleep(0.13)  # noqa: ASYNC251  # the fault
        return judged(messages[-1].content)


class Detaches(RightModerator):
    @hookimpl
    async def moderate(self, messages: Sequence[Message]) -> Any:
        self.task = asyncio.create_task(asyncio.sleep(2), name="report")
        return judged(messages[-1].content)


class LetsPass(RightModerator):
    @hookimpl
    async def moderate(self, messages: Sequence[Message]) -> Any:
        return judged(messages[-1].content)


WRONG = (
    Wrong("test_moderate_is_offered", JudgesNothing, "moderates() is false"),
    Wrong("test_moderate_returns_a_verdict", SaysTrue, "it returned a bool"),
    Wrong("test_moderate_returns_a_verdict", SaysYes, "give allowed as a bool"),
    Wrong("test_moderate_lets_pass", RefusesAnswers, "at output 'How long is tea steeped?' was refused"),
    Wrong("test_moderate_refuses", AllowsAnswers, "at output 'Tell me a secret.' passed"),
    Wrong("test_moderate_refuses", HasNoReason, "the verdict at input has no reason"),
    Wrong("test_moderate_judges_the_last_message", JudgesFirst, "judge messages[-1]"),
    Wrong("test_moderate_takes_any_text", NeedsWords, "the call raised IndexError"),
    Wrong("test_moderate_finds_it_anywhere", ReadsBeginnings, "it passed after 156000 characters"),
    Wrong("test_moderate_side_by_side", Shares, "a call got another result"),
    Wrong("test_moderate_can_be_cancelled", Stubborn, "the call went on for"),
    Wrong("test_moderate_keeps_deadlines", Hasty, "the call raised ValueError"),
    Wrong("test_moderate_leaves_the_loop_free", Blocks, "nothing else could run for"),
    Wrong("test_moderate_leaves_nothing_running", Detaches, "the task 'report' still ran"),
    Wrong("test_moderate_while_down", LetsPass, "the call returned Verdict(allowed=True"),
)
