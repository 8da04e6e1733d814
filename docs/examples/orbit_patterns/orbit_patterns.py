"""Refuses questions or answers that match a pattern."""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import msgspec

import orbit

Stage = Literal["input", "output"]


class PatternsSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The keys of a section `patterns:`."""

    refuse: Annotated[dict[str, str], msgspec.Meta(description="Reason -> regular expression, ignoring case.")]
    stages: Annotated[
        tuple[Stage, ...], msgspec.Meta(description="What to judge: questions (input), answers (output).")
    ] = ("input",)
    message: Annotated[str, msgspec.Meta(description="Reply to the client; empty: the server's own text.")] = ""


class Patterns(orbit.Provider):
    """Moderation without a model."""

    Settings = PatternsSettings
    settings: PatternsSettings

    def validate(self) -> Iterable[str]:
        """Yield invalid expressions; `orbit check` shows them."""
        for reason, pattern in self.settings.refuse.items():
            try:
                re.compile(pattern)
            except re.error as error:
                yield f"refuse.{reason}: '{pattern}' is not a valid regular expression: {error}."

    def moderates(self, stage: str) -> bool:
        """Judge only the configured stages: judging answers holds them back, sentence by sentence."""
        return stage in self.settings.stages

    @orbit.hookimpl
    async def moderate(self, messages: Sequence[orbit.Message]) -> orbit.Verdict:
        """Look for each pattern in the last message."""
        for reason, pattern in self.settings.refuse.items():
            if re.search(pattern, messages[-1].content, re.IGNORECASE):
                return orbit.Verdict(allowed=False, reason=reason, message=self.settings.message)
        return orbit.Verdict(allowed=True)
