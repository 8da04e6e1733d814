"""Refuses what matches a pattern: questions, answers, or both."""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import msgspec

import orbit

Stage = Literal["input", "output"]


class PatternsSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The keys of a section `patterns:`."""

    refuse: Annotated[dict[str, str], msgspec.Meta(description="Reason -> regular expression; case does not matter.")]
    stages: Annotated[
        tuple[Stage, ...], msgspec.Meta(description="What is judged: questions (input), answers (output).")
    ] = ("input",)
    message: Annotated[str, msgspec.Meta(description="What the client is told; empty: the server's own text.")] = ""


class Patterns(orbit.Provider):
    """Moderation without a model."""

    Settings = PatternsSettings
    settings: PatternsSettings

    def validate(self) -> Iterable[str]:
        """Tell of expressions that are none; `orbit check` shows it."""
        for reason, pattern in self.settings.refuse.items():
            try:
                re.compile(pattern)
            except re.error as error:
                yield f"refuse.{reason}: '{pattern}' is no regular expression: {error}."

    def moderates(self, stage: str) -> bool:
        """Judge only what is configured: answers are held back sentence by sentence while they are judged."""
        return stage in self.settings.stages

    @orbit.hookimpl
    async def moderate(self, messages: Sequence[orbit.Message]) -> orbit.Verdict:
        """Look for each pattern in the last message."""
        for reason, pattern in self.settings.refuse.items():
            if re.search(pattern, messages[-1].content, re.IGNORECASE):
                return orbit.Verdict(allowed=False, reason=reason, message=self.settings.message)
        return orbit.Verdict(allowed=True)
