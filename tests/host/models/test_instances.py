"""The models of the generating instances: what each says of itself, remembered for a minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import orbit
from orbit.host.models.instances import Models
from orbit.host.providers.registry import Registry
from orbit.testing import host

CONTEXT = orbit.CallContext("r")


class Plain(orbit.Provider):
    """Generates with one model, of which nothing is known."""

    def model(self, hook: str) -> str:
        return "plain-1"

    @orbit.hookimpl
    async def generate(self, messages: Any) -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk("x", finish_reason="stop")


class Lists(Plain):
    """Lists its models."""

    found: Any = (
        orbit.Model("small", supports=frozenset({"tools"})),
        orbit.Model("large", supports=frozenset({"images"})),
    )
    asked = 0
    going_on: asyncio.Event | None = None

    def model(self, hook: str) -> str:
        return "small"

    @orbit.hookimpl
    async def models(self, context: orbit.CallContext) -> Any:
        self.asked += 1
        if self.going_on is not None:
            await self.going_on.wait()
        if isinstance(self.found, Exception):
            raise self.found
        return list(self.found) if isinstance(self.found, tuple) else self.found


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    config: dict[str, Any] = {"general": {"inference_provider": "lists"}, "lists": {}, "plain": {}}
    async with host(config, tmp_path, {"lists": Lists, "plain": Plain}) as running:
        yield running.registry


def lists_of(registry: Registry) -> Lists:
    provider = registry["lists"]
    assert isinstance(provider, Lists)
    return provider


async def answered() -> None:
    """Wait for what is asked in the background."""
    await asyncio.wait([task for task in asyncio.all_tasks() if task.get_name() == "ask for models"])


async def test_an_instance_without_the_hook_has_one_model_that_reads_text(registry: Registry) -> None:
    models = Models(registry, 5)
    assert await models.of("plain", CONTEXT) == (orbit.Model("plain-1"),)
    assert await models.supports("plain", "", CONTEXT) == frozenset()


async def test_what_an_instance_says_is_remembered(registry: Registry) -> None:
    models = Models(registry, 5)
    asked = lists_of(registry).asked
    assert [await models.of("lists", CONTEXT) for _ in range(3)] == [Lists.found] * 3
    assert lists_of(registry).asked == asked + 1


async def test_an_empty_list_is_asked_for_again(registry: Registry) -> None:
    lists_of(registry).found = ()
    models = Models(registry, 5)
    assert await models.of("lists", CONTEXT) == ()
    lists_of(registry).found = Lists.found
    assert await models.of("lists", CONTEXT) == Lists.found


@pytest.mark.parametrize(("model", "supported"), [("", "tools"), ("small", "tools"), ("large", "images")])
async def test_a_model_is_found_by_its_name_or_as_the_configured_one(
    registry: Registry, model: str, supported: str
) -> None:
    assert await Models(registry, 5).supports("lists", model, CONTEXT) == frozenset({supported})


async def test_a_servers_other_spelling_is_the_same_model(registry: Registry) -> None:
    lists_of(registry).found = [orbit.Model(Lists.found[0].name + ":latest", supports=frozenset({"tools"}))]
    assert await Models(registry, 5).supports("lists", "small", CONTEXT) == frozenset({"tools"})


async def test_a_model_that_is_not_listed_is_as_able_as_the_configured_one(registry: Registry) -> None:
    models = Models(registry, 5)
    assert await models.supports("lists", "other", CONTEXT) == frozenset({"tools"})
    assert await models.find("lists", "other", CONTEXT) is None


async def test_an_instance_that_lists_nothing_supports_nothing(registry: Registry) -> None:
    lists_of(registry).found = ()
    assert await Models(registry, 5).supports("lists", "small", CONTEXT) == frozenset()


async def test_what_is_no_list_of_models_is_the_plugins_mistake(registry: Registry) -> None:
    lists_of(registry).found = ["small"]
    with pytest.raises(orbit.ProviderError, match="instead of a list of Models") as raised:
        await Models(registry, 5).of("lists", CONTEXT)
    assert (raised.value.provider, raised.value.operation) == ("lists", "models")


async def test_an_instance_that_hangs_holds_up_nobody_and_is_asked_in_the_background(registry: Registry) -> None:
    models = Models(registry, 5)
    lists = lists_of(registry)
    asked, going_on = lists.asked, asyncio.Event()
    lists.going_on = going_on
    assert [await models.find_soon("lists", "", CONTEXT) for _ in range(3)] == [None] * 3
    assert lists.asked == asked + 1
    going_on.set()
    await answered()
    assert await models.find_soon("lists", "large", CONTEXT) == Lists.found[1]
    again = Models(registry, 5)
    both = await asyncio.gather(*(again.find_soon("lists", name, CONTEXT) for name in ("small", "large")))
    assert (tuple(both), lists.asked) == (Lists.found, asked + 2)
    assert await models.find_soon("plain", "", CONTEXT) == orbit.Model("plain-1")


async def test_what_is_known_is_renewed_without_waiting(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    models = Models(registry, 5)
    lists = lists_of(registry)
    await models.of("lists", CONTEXT)
    monkeypatch.setattr("orbit.host.models.instances._FRESH_SECONDS", 0.0)
    lists.going_on = asyncio.Event()
    assert await models.find_soon("lists", "", CONTEXT) == Lists.found[0]
    lists.found = (orbit.Model("small"),)
    lists.going_on.set()
    await answered()
    assert await models.find_soon("lists", "", CONTEXT) == orbit.Model("small")
    await models.aclose()


async def test_a_failure_in_the_background_is_nobodys(registry: Registry) -> None:
    models = Models(registry, 5)
    lists_of(registry).found = orbit.ProviderError("it is away.", kind="unavailable")
    assert await models.find_soon("lists", "", CONTEXT) is None
    lists_of(registry).going_on = asyncio.Event()
    assert await models.find_soon("lists", "", CONTEXT) is None
    await models.aclose()  # does not wait for the answer
