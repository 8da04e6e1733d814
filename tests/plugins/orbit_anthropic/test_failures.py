"""Errors by type, retries, and the start of the provider."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic_kit import Start, ask, text
from anthropic_wire import AnthropicWire, Fault, Raw
from orbit_anthropic.errors import status_error

from orbit import CallContext, ConfigError, GenerateOptions, Message, OrbitError, PromptTooLong, ProviderError
from orbit.upstreams import Busy

ONCE: list[tuple[int, str, str, str]] = [
    (400, "messages: text content blocks must be non-empty", "failed", "refused the request"),
    (400, "Your credit balance is too low to access the API.", "failed", "requires payment"),
    (401, "invalid x-api-key", "failed", "rejected the API key"),
    (402, "billing", "failed", "requires payment"),
    (403, "Your API key does not have permission", "failed", "does not permit"),
    (404, "model: claude", "not_found", "does not have the model 'claude'"),
    (404, "Not Found", "failed", "does not know that address"),
    (500, "Internal server error", "failed", "failed: Internal"),
    (504, "Timed out", "timeout", "gave up waiting"),
    (302, "", "failed", "has moved"),
]
AGAIN: list[tuple[int, str, str]] = [
    (429, "This request would exceed your rate limit", "overloaded"),
    (502, "Bad gateway", "unavailable"),
    (503, "Service unavailable", "overloaded"),
    (529, "Overloaded", "overloaded"),
]


@pytest.mark.parametrize(("status", "message", "kind", "sentence"), ONCE)
async def test_what_would_happen_again_is_asked_once(
    wire: AnthropicWire, start: Start, context: CallContext, status: int, message: str, kind: str, sentence: str
) -> None:
    provider = await start(base_url=wire.url)
    wire.refuse = lambda _path, _body: (status, message)
    with pytest.raises(ProviderError, match=sentence) as raised:
        await ask(provider, context)
    assert (raised.value.kind, len(wire.asked())) == (kind, 1)


@pytest.mark.parametrize(("status", "message", "kind"), AGAIN)
async def test_what_passes_is_asked_again(
    wire: AnthropicWire, start: Start, context: CallContext, status: int, message: str, kind: str
) -> None:
    provider = await start(base_url=wire.url)
    wire.faults.extend([Fault("status", status=status, error=message)] * 2)
    assert text(await ask(provider, context)) == "one two three"
    wire.faults.extend([Fault("status", status=status, error=message)] * 3)
    with pytest.raises(ProviderError) as raised:
        await ask(provider, context)
    assert (raised.value.kind, raised.value.retried, len(wire.asked())) == (kind, True, 6)


async def test_a_long_wait_is_left_to_the_client(wire: AnthropicWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url)
    wire.faults.append(Fault("status", status=529, error="Overloaded", headers=(("Retry-After", "60"),)))
    with pytest.raises(Busy) as raised:
        await ask(provider, context)
    assert raised.value.retry_after == 60
    assert len(wire.asked()) == 1


async def test_another_server_takes_over(start: Start, context: CallContext) -> None:
    async with AnthropicWire() as one, AnthropicWire() as other:
        provider = await start(base_url=[one.url, other.url])
        one.refuse = lambda _path, _body: (529, "Overloaded")
        for _ in range(3):
            assert text(await ask(provider, context)) == "one two three"
        assert len(one.asked()) <= 1
        assert len(other.asked()) == 3


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "prompt is too long: 209761 tokens > 200000 maximum"),
        (400, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000"),
        (413, "Request exceeds the maximum size"),
    ],
)
async def test_a_prompt_that_is_too_long(
    wire: AnthropicWire, start: Start, context: CallContext, status: int, message: str
) -> None:
    provider = await start(base_url=wire.url)
    wire.refuse = lambda _path, _body: (status, message)
    with pytest.raises(PromptTooLong):
        await ask(provider, context)


@pytest.mark.parametrize(
    ("message", "options", "option"),
    [
        ("max_tokens: 100000 > 64000, which is the maximum allowed", {"max_tokens": 100_000}, "max_tokens"),
        ("stop_sequences: each must contain non-whitespace", {"stop": (" ",)}, "stop"),
        ("top_k: must be greater", {"top_k": 3}, "top_k"),
        ("output_config.format.schema: additionalProperties must be false", {"json_schema": {"x": 1}}, "json_schema"),
        ("assistant message prefill: the conversation must end with a user message", {}, "messages"),
        ("Output blocked by content filtering policy", {}, "messages"),
    ],
)
async def test_what_the_client_chose_is_named(
    wire: AnthropicWire, start: Start, context: CallContext, message: str, options: dict[str, Any], option: str
) -> None:
    provider = await start(base_url=wire.url)
    wire.refuse = lambda _path, _body: (400, message)
    with pytest.raises(ProviderError) as raised:
        await ask(provider, context, options=GenerateOptions(**options))
    assert (raised.value.kind, raised.value.option) == ("rejected", option)


@pytest.mark.parametrize(
    "answer",
    [
        Raw([b"<html>It works!</html>"], {"Content-Type": "text/html"}),
        Raw([b'{"hello": 1}'], {"Content-Type": "application/json"}),
    ],
    ids=["html", "json"],
)
async def test_another_kind_of_server(wire: AnthropicWire, start: Start, context: CallContext, answer: Raw) -> None:
    provider = await start(base_url=wire.url)
    wire.raw["/v1/messages"] = answer
    with pytest.raises(ProviderError, match="does not answer like Anthropic's Messages API"):
        await ask(provider, context)


async def test_silence_ends(wire: AnthropicWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url, silence_timeout=0.2)
    wire.faults.append(Fault("hang"))
    with pytest.raises(ProviderError) as raised:
        await ask(provider, context)
    assert raised.value.kind == "timeout"


@pytest.mark.parametrize(
    "body",
    [
        *(b"<html>", b"[1]", b'"Oh"', b'{"detail": "Oh"}', b'{"error": "Oh"}', b"\xff"),
        b'{"error": "Oh", "x": ' + b"9" * 5000 + b"}",
    ],
)
def test_errors_of_other_forms(body: bytes) -> None:
    error = status_error(500, {}, body, "claude", "http://server")
    assert str(error) == f"http://server failed: {'Oh' if b'Oh' in body else 'status 500 without an explanation'}"


@pytest.mark.parametrize("route", ["", "/v1", "/v1/messages", "/v1/models", "/"])
async def test_an_address_with_a_route(wire: AnthropicWire, start: Start, context: CallContext, route: str) -> None:
    assert text(await ask(await start(base_url=wire.url + route), context)) == "one two three"


async def test_a_model_that_does_not_exist(wire: AnthropicWire, start: Start) -> None:
    with pytest.raises(ConfigError, match=r"does not have the model 'clod'; it has: claude\. Set anthropic\.model"):
        await start(base_url=wire.url, model="clod")


async def test_a_model_that_is_not_listed_but_known(start: Start, context: CallContext) -> None:
    async with AnthropicWire(models=["claude", "alias"], listed={"data": [{"id": "claude"}]}) as wire:
        assert text(await ask(await start(base_url=wire.url, model="alias"), context)) == "one two three"


@pytest.mark.parametrize("switches", [{"lists_models": False}, {"list_status": 403}, {"listed": {"data": []}}])
async def test_a_server_without_a_list(
    start: Start, context: CallContext, switches: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with AnthropicWire(**switches) as wire:
        assert text(await ask(await start(base_url=wire.url), context)) == "one two three"
    assert "lists no models" in caplog.text


async def test_a_wrong_key_ends_the_start(start: Start) -> None:
    async with AnthropicWire(api_key="secret") as wire:
        with pytest.raises(ProviderError, match="rejected the API key"):
            await start(base_url=wire.url, api_key="wrong")


async def test_an_unlisted_error_is_one_of_orbits(wire: AnthropicWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url)
    await wire.stop()
    with pytest.raises(OrbitError) as raised:
        await ask(provider, context, (Message("user", "x"),))
    assert raised.value.code == "provider_unavailable"
