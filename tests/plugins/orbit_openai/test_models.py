"""Lists of models as servers give them, and what the absence of one means."""

from __future__ import annotations

from typing import Any

import pytest
from openai_kit import ANYTHING, Start, ask, text
from openai_wire import OpenAIWire

from orbit import CallContext, ConfigError, Message, ProviderError


@pytest.mark.parametrize(
    ("listed", "model"),
    [
        ({"data": [{"id": "models/gemini-flash"}]}, "gemini-flash"),
        ({"data": [{"id": "llama3.2:latest"}]}, "llama3.2"),
        ({"data": [{"id": "gemini-flash"}]}, "models/gemini-flash"),
        ({"data": [{"id": "*"}]}, "anything"),
        ({"data": [{"id": "openai/*"}, {"id": "other"}]}, "openai/gpt"),
        ([{"id": "bare"}], "bare"),
        (["text"], "text"),
        ({"models": [{"name": "named"}]}, "named"),
        ({"data": [{"id": "long-name", "aliases": ["short"]}]}, "short"),
        ({"data": [{"id": "deepseek/r1"}]}, "deepseek/r1:free"),
        ({"data": [{"id": "odd", "context_length": "4096", "meta": []}, 7, None, {}]}, "odd"),
    ],
)
async def test_a_model_is_found_whatever_the_list_looks_like(
    start: Start, context: CallContext, listed: Any, model: str
) -> None:
    async with OpenAIWire(listed=listed, models=[model]) as wire:
        provider = await start(base_url=wire.url, model=model, embed_model="")
        assert text(await ask(provider, context)) == "one two three"
        assert wire.asked()[0]["model"] == model


async def test_a_model_is_asked_for_as_the_server_writes_it(start: Start, context: CallContext) -> None:
    async with OpenAIWire(models=["Qwen/Qwen3-8B", "E5"], flavour="vllm", window=500) as wire:
        provider = await start(base_url=wire.url, model="qwen/qwen3-8b", embed_model="e5")
        await ask(provider, context)
        await provider.embed(["cats"], "query", context)
        assert [request.body["model"] for request in wire.requests] == ["Qwen/Qwen3-8B", "E5"]
        assert (await provider.count_tokens((Message("user", "hi"),), ANYTHING)).window == 500


@pytest.mark.parametrize(
    "switches",
    [
        {"lists_models": False},
        {"list_status": 403},
        {"list_status": 405},
        {"list_status": 501},
        {"listed": {"data": []}},
        {"listed": []},
        {"listed": {"object": "list", "data": None}},
        {"listed": {"msg": "hello"}},
        {"listed": "hello"},
    ],
)
async def test_a_list_that_does_not_help_does_not_stop_the_start(
    start: Start, context: CallContext, switches: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with OpenAIWire(**switches) as wire:
        provider = await start(base_url=wire.url)
        assert text(await ask(provider, context)) == "one two three"
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "lists no models" in warning


async def test_a_wrong_address_is_told_apart_from_a_gateway_without_a_list(wire: OpenAIWire, start: Start) -> None:
    for model in ("llama", ""):
        with pytest.raises(ProviderError, match=r"Does base_url end in /v1\?"):
            await start(base_url=wire.url.removesuffix("/v1"), model=model)


async def test_a_list_that_helps_still_finds_a_mistake(start: Start) -> None:
    async with OpenAIWire(listed=[{"id": "llama"}, "other"]) as wire:
        with pytest.raises(ConfigError, match="it has: llama, other"):
            await start(base_url=wire.url, model="lama")
