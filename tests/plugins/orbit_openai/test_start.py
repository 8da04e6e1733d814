"""Starting: what is asked of the servers, and what refuses the start."""

from __future__ import annotations

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


async def test_a_gateway_without_a_list_of_models(start: Start, context: CallContext) -> None:
    async with OpenAIWire(lists_models=False) as wire:
        provider = await start(base_url=wire.url, require_server=False)

        assert text(await ask(provider, context)) == "one two three"
        assert (await provider.health()).status == "degraded"


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
