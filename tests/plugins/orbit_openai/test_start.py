"""Starting: what is asked of the servers, and what refuses the start."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import msgspec
import pytest
from openai_kit import ANYTHING, Start, ask, text
from openai_wire import OpenAIWire
from orbit_openai import OpenAIProvider, OpenAISettings

from orbit import CallContext, ConfigError, Message, ProviderError


async def test_a_missing_model_is_refused_with_those_there_are(wire: OpenAIWire, start: Start) -> None:
    with pytest.raises(ConfigError) as raised:
        await start(base_url=wire.url, model="lama")

    there = "it has: llama, embedder. Set openai.model to one of them."
    assert str(raised.value) == f"{wire.url} does not have the model 'lama'; {there}"


async def test_an_absent_server_is_refused_with_what_to_do(wire: OpenAIWire, start: Start) -> None:
    await wire.stop()

    with pytest.raises(ProviderError, match="Start the server, or set base_url"):
        await start(base_url=wire.url)


async def test_a_wrong_path_is_told_apart(wire: OpenAIWire, start: Start) -> None:
    with pytest.raises(ProviderError, match=r"Does base_url end in /v1\?"):
        await start(base_url=wire.url.removesuffix("/v1"))


async def test_a_server_that_comes_up_late_is_awaited(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    await wire.stop()
    starting = asyncio.ensure_future(start(base_url=wire.url, start_timeout=10))
    await asyncio.sleep(0.1)
    await wire.start()

    assert text(await ask(await starting, context)) == "one two three"


async def test_an_operator_may_start_without_a_server(
    wire: OpenAIWire, start: Start, context: CallContext, caplog: pytest.LogCaptureFixture
) -> None:
    await wire.stop()
    with caplog.at_level(logging.WARNING):
        provider = await start(base_url=wire.url, require_server=False)
    assert "cannot be reached" in caplog.text

    await wire.start()
    assert text(await ask(provider, context)) == "one two three"


async def test_a_gateway_without_a_list_of_models(start: Start, context: CallContext) -> None:
    async with OpenAIWire(lists_models=False) as wire:
        provider = await start(base_url=wire.url, require_server=False)

        assert text(await ask(provider, context)) == "one two three"
        assert (await provider.health()).status == "degraded"


async def test_one_of_two_servers_suffices(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=[wire.url, "http://127.0.0.1:9/v1"])

    for _ in range(4):
        assert text(await ask(provider, context)) == "one two three"


async def test_starting_twice(wire: OpenAIWire, context: CallContext) -> None:
    own = msgspec.convert({"base_url": wire.url, "model": "llama"}, OpenAISettings)
    provider = OpenAIProvider("openai", own, host=None)  # type: ignore[arg-type]  # it asks nothing of its host
    for _ in range(2):
        async with provider:
            assert text(await ask(provider, context)) == "one two three"
    with pytest.raises(ProviderError, match="not started"):
        await ask(provider, context)


@pytest.mark.parametrize(
    ("flavour", "own", "window"),
    [("vllm", {}, 1000), ("llama.cpp", {}, 1000), ("vllm", {"context_window": 500}, 500), ("openai", {}, sys.maxsize)],
)
async def test_the_window_is_what_the_server_tells(
    start: Start, flavour: Any, own: dict[str, Any], window: int
) -> None:
    async with OpenAIWire(flavour=flavour, window=1000) as wire:
        provider = await start(base_url=wire.url, **own)
        size = await provider.count_tokens((Message("user", "word " * 30),), ANYTHING)

    assert size.window == window
    assert 30 <= size.prompt <= 60


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "set `model`"),
        ({"model": "m", "base_url": []}, "base_url contains no server"),
        ({"model": "m", "base_url": "localhost:8000"}, "is not of the form http"),
    ],
)
def test_settings_without_sense_are_told(settings: dict[str, object], sentence: str) -> None:
    provider = OpenAIProvider("openai", msgspec.convert(settings, OpenAISettings), host=None)  # type: ignore[arg-type]  # not started
    assert any(sentence in problem for problem in provider.validate())
