"""A judge, a reranker and a rewriter whose first provider hangs: one question waits for it, and none fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

import orbit
from orbit.chat.outcome import Answered
from orbit.chat.pipeline import Pipeline
from orbit.chat.turn import Turn
from orbit.host.models import upstreams
from orbit.testing import Script, host

CONTEXT = orbit.CallContext("r", collection="handbook")
EARLIER = (orbit.Message("user", "When does the library open?"), orbit.Message("assistant", "At nine."))
ROLES: dict[str, dict[str, Any]] = {
    "safety": {
        "safety": {"provider": "judge", "request_timeout": 0.5, "cache_size": 0},
        "says": {"text": "SAFE: true"},
    },
    "reranker": {"reranker": {"provider": "judge", "timeout": 0.5}, "says": {"text": "[1, 9]"}},
    "rewriter": {
        "retrieval": {"rewriter": "judge"},
        "timeouts": {"rewrite": 0.5},
        "says": {"text": "Where is the pool?"},
    },
}


class Says(orbit.Provider):
    """Says the same to everybody, and notes how often."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        text: str = ""
        model: str = "says"

    settings: Settings
    asked = 0

    @orbit.hookimpl
    async def generate(self) -> AsyncIterator[orbit.Chunk]:
        self.asked += 1
        yield orbit.Chunk(self.settings.text, finish_reason="stop")


class Finds(orbit.Provider):
    """Finds two passages for whatever it is asked."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.queries: list[str] = []

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query) -> Sequence[orbit.Document]:
        self.queries.append(query.text)
        return [orbit.Document(str(number), f"passage {number}", "a.md", score=0.9) for number in range(2)]


@pytest.mark.parametrize("role", ROLES)
async def test_one_question_waits_and_none_fails(tmp_path: Path, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstreams, "_FIRST_REST", 3600.0)
    config = {
        "script": {"words": 1},
        "hanging": {"use": "script", "first_delay": 3600},
        "finds": {},
        "general": {"inference_provider": "script"},
        "models": {
            "default": "fast",
            "fast": {"provider": "script"},
            "judge": {"provider": "hanging", "fallback": "other", "internal": True},
            "other": {"provider": "says", "internal": True},
        },
        **ROLES[role],
    }
    plugins: dict[str, type[orbit.Provider]] = {"says": Says, "finds": Finds}
    async with host(config, tmp_path, plugins) as running, Pipeline(running) as pipeline:
        for _ in range(3):
            turn = Turn("And the pool?", CONTEXT, history=EARLIER)
            *_, ending = [event async for event in pipeline.answer(turn)]
            assert isinstance(ending, Answered)
            if role == "reranker":
                assert [source.id for source in ending.sources] == ["1", "0"]
        hanging, says, finds = (running.registry[name] for name in ("hanging", "says", "finds"))
        assert isinstance(hanging, Script)
        assert isinstance(says, Says)
        assert isinstance(finds, Finds)
        assert len(hanging.seen) == 1
        assert says.asked >= 3
        if role == "rewriter":
            assert finds.queries.count("Where is the pool?") == 3
