"""Judging questions and answers: asking the moderators, and holding an answer back until they have passed it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from orbit.chat.sentences import SentenceBuffer
from orbit.chat.turn import Answer, Event, Journal, Turn, in_time
from orbit.errors import OrbitError, PromptTooLong, ProviderError
from orbit.host.calls import Outcome, fan_out, wrong_type
from orbit.host.registry import Registry
from orbit.types import Message, ModerationStage, Verdict

ALLOWED = Verdict(allowed=True)


class Moderation:
    """The moderators of a host, each for the stages that it judges."""

    def __init__(
        self, registry: Registry, timeout: float, refusal: str, failed: Callable[[str, OrbitError], None]
    ) -> None:
        """``timeout`` is in seconds, ``refusal`` what a client reads; ``failed`` is told consequences and errors."""
        self.refusal = refusal
        self._timeout = timeout
        self._failed = failed
        stages: tuple[ModerationStage, ...] = ("input", "output")
        self._moderators = {
            stage: {
                name: caller for name, caller in registry.callers("moderate").items() if registry.moderates(name, stage)
            }
            for stage in stages
        }
        self.judges_questions = bool(self._moderators["input"])
        self.judges_answers = bool(self._moderators["output"])

    async def judge(self, stage: ModerationStage, messages: Sequence[Message], turn: Turn, journal: Journal) -> Verdict:
        """What the moderators of a stage say: the first refusal, whoever it comes from.

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

    async def guard(
        self, events: AsyncGenerator[Event, None], turn: Turn, journal: Journal
    ) -> AsyncGenerator[Event, None]:
        """Let text out sentence by sentence, each only after the moderators of answers have passed it."""
        buffer = SentenceBuffer()
        passed = ""
        async with aclosing(events):
            async for event in events:
                if journal.fixed:
                    yield event
                    continue
                ready = buffer.add(event) if isinstance(event, str) else buffer.rest()
                if ready:
                    judged = (Message("user", turn.question), Message("assistant", passed + ready))
                    try:
                        verdict = await in_time(turn.context, self.judge("output", judged, turn, journal))
                    except OrbitError as error:
                        journal.status, journal.reason = error.code, str(error)
                        journal.text[:] = [passed]
                        self._failed("not answered", error)
                        raise
                    if not verdict.allowed:
                        journal.status, journal.reason = "blocked", verdict.reason
                        refusal = verdict.message or self.refusal
                        journal.text[:] = [passed, refusal]
                        yield refusal
                        yield Answer("content_filter", usage=journal.usage, provider=journal.provider, blocked=True)
                        return
                    passed += ready
                    yield ready
                if isinstance(event, Answer):
                    yield event
