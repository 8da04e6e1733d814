"""Asks the moderators about questions and answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from orbit.chat.journal import Journal
from orbit.chat.outcome import Refused
from orbit.chat.turn import Turn
from orbit.errors import PromptTooLong, ProviderError
from orbit.host.calls.calls import Outcome, fan_out, wrong_type
from orbit.host.providers.registry import Registry
from orbit.types import Message, ModerationStage, Verdict

ALLOWED = Verdict(allowed=True)


class Moderation:
    """The moderators of a host, each for the stages that it judges."""

    def __init__(self, registry: Registry, timeout: float, refusal: str) -> None:
        """Give each moderator ``timeout`` seconds; clients read ``refusal`` where a verdict has no message."""
        self.refusal = refusal
        self._timeout = timeout
        stages: tuple[ModerationStage, ...] = ("input", "output")
        self._moderators = {
            stage: {
                name: caller for name, caller in registry.callers("moderate").items() if registry.moderates(name, stage)
            }
            for stage in stages
        }
        self.judges_questions = bool(self._moderators["input"])
        self.judges_answers = bool(self._moderators["output"])

    def refusal_of(self, verdict: Verdict) -> Refused:
        """Return the ending of a turn whose question or answer ``verdict`` refuses."""
        return Refused(verdict.message or self.refusal, reason=verdict.reason)

    async def judge_question(self, turn: Turn, journal: Journal) -> Verdict:
        """Judge what the model is about to read: the question, and what the tools returned that it called."""
        question = Message("user", turn.question)
        verdict = await self.judge("input", (question,), turn, journal)
        results = [message.content for message in turn.later if message.role == "tool"]
        if verdict.allowed and any(results):
            asked = (question, *turn.later, Message("tool", "\n\n".join(results)))
            verdict = await self.judge("input", asked, turn, journal)
        return verdict

    async def judge_results(self, turn: Turn, results: Sequence[Message], journal: Journal) -> Verdict:
        """Judge what the host's tools returned, before the model reads it."""
        returned = "\n\n".join(message.content for message in results)
        if not returned or not self.judges_questions:
            return ALLOWED
        asked = (Message("user", turn.question), *turn.later, Message("tool", returned))
        return await self.judge("input", asked, turn, journal)

    async def judge(self, stage: ModerationStage, messages: Sequence[Message], turn: Turn, journal: Journal) -> Verdict:
        """Ask the moderators of a stage at the same time, and return the first refusal, else ALLOWED.

        Raises ProviderError, or PromptTooLong for a question that a moderator cannot read.
        """
        moderators = self._moderators[stage]
        if not moderators:
            return ALLOWED
        started = time.perf_counter()
        outcomes: list[Outcome[Any]] = await fan_out(
            "moderate",
            [
                (name, partial(caller, stage=stage, messages=messages, context=turn.context))
                for name, caller in moderators.items()
            ],
            self._timeout,
        )
        journal.took("moderate", started)
        for outcome in outcomes:  # a refusal counts even where another moderator failed
            if isinstance(outcome.value, Verdict) and not outcome.value.allowed:
                return outcome.value
        for outcome in outcomes:
            if isinstance(outcome.error, PromptTooLong) and stage == "output":  # no shorter question would mend it
                raise ProviderError(
                    f"the answer is too long for it: {outcome.error}", provider=outcome.provider, operation="moderate"
                ) from outcome.error
            if outcome.error is not None:
                raise outcome.error
            if not isinstance(outcome.value, Verdict):
                raise wrong_type(outcome.provider, "moderate", "a Verdict", outcome.value)
        return ALLOWED
