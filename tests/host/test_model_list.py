"""The models of a configuration, alone and with what their providers say."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import orbit
from orbit.host.model_list import ModelInfo, ModelProvider, asked_models, known_models, model_list, unlisted
from orbit.testing import host


class Able(orbit.Provider):
    """Says what its models can do."""

    @orbit.hookimpl
    async def models(self, context: orbit.CallContext) -> Sequence[orbit.Model]:
        return [orbit.Model("large", 8192, frozenset({"tools", "images"}))]

    @orbit.hookimpl
    async def generate(self, messages: Any) -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk("x", finish_reason="stop")


class Away(Able):
    """Cannot say."""

    @orbit.hookimpl
    async def models(self, context: orbit.CallContext) -> Sequence[orbit.Model]:
        raise orbit.ProviderError("it is away", kind="unavailable")


async def test_what_is_known_is_added(tmp_path: Path) -> None:
    models = {
        "default": "two",
        "one": {"provider": ["able", "away"], "model": "large", "fallback": "two"},
        "two": {"provider": "able", "model": "unlisted"},
    }
    config = {"able": {}, "away": {}, "models": models}
    states = {"able": orbit.Health("degraded")}
    async with host(config, tmp_path, {"able": Able, "away": Away}) as running:
        two, one = model_list(running)
        asked = await asked_models(running, orbit.CallContext("r"), states)
        known = await known_models(running, orbit.CallContext("r"))
    away = ModelProvider("away", "large")
    assert two == ModelInfo("two", default=True, providers=(ModelProvider("able", "unlisted"),))
    assert one == ModelInfo("one", default=False, providers=(ModelProvider("able", "large"), away), fallback=("two",))
    able = ModelProvider("able", "large", 8192, ("images", "tools"), states["able"])
    assert known[1].providers == (ModelProvider("able", "large", 8192, ("images", "tools")), away)
    unlisted = ModelProvider("able", "unlisted", health=states["able"])
    assert asked == [
        ModelInfo("two", default=True, providers=(unlisted,)),
        ModelInfo("one", default=False, providers=(able, away), fallback=("two",)),
    ]


async def test_models_that_their_providers_do_not_list_are_named(tmp_path: Path) -> None:
    models = {
        "default": "one",
        "one": {"provider": ["able", "away", "script"], "model": "Large"},
        "two": {"provider": ["able", "script"], "model": "medium"},
        "three": {"provider": "able"},
    }
    config = {"able": {}, "away": {}, "script": {}, "models": models}
    async with host(config, tmp_path, {"able": Able, "away": Away}) as running:
        told = await unlisted(running)
    assert told == (
        "`models` names models that their providers do not list, so that they may fail: 'medium' of able, which lists "
        "large."
    )
    del models["two"]
    async with host(config, tmp_path, {"able": Able, "away": Away}) as running:
        assert await unlisted(running) == ""
