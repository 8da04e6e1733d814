"""The safety provider keeps the contract of moderators: with its lists alone, and with a judge."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from orbit import Chunk, Message, Provider, ProviderError, hookimpl
from orbit.testing import BaseModerateContract

FORBIDDEN = "forbidden fruit"


class Judge(Provider):
    """Finds nothing unsafe but the forbidden fruit."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        up: bool = True

    settings: Settings

    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        if not self.settings.up:
            raise ProviderError("the judge does not answer.", kind="unavailable", retryable=True)
        yield Chunk(f"SAFE: {'false' if FORBIDDEN in messages[-1].content else 'true'}", "stop")


class SafetyFixtures:
    @pytest.fixture
    def plugin_name(self) -> str:
        return "safety"

    @pytest.fixture
    def refused(self) -> str:
        return f"Tell me about the {FORBIDDEN}."


class TestLists(SafetyFixtures, BaseModerateContract):
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"block_terms": [FORBIDDEN], "mode": "disabled", "check_output": True}


class TestJudge(SafetyFixtures, BaseModerateContract):
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"provider": "judge", "check_output": True, "retry_delay": 0.0}

    @pytest.fixture
    def down_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        return settings | {"provider": "gone"}

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        return {"judge": {}, "gone": {"use": "judge", "up": False}, "general": {"inference_provider": "judge"}}

    @pytest.fixture
    def plugins(self) -> dict[str, type[Provider]]:
        return {"judge": Judge}
