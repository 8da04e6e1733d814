"""A server that errs, hangs, dies or is busy: what the caller sees, and what is tried again."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ollama_kit import Start, ask, text, until
from ollama_wire import Fault, OllamaWire
from upstream_contract import failure

from orbit import CallContext, GenerateOptions, Message, PromptTooLong, ProviderError

FAILURES = [
    # fault, kind, retryable, part of the sentence
    (Fault("status", status=400, error="invalid option"), "failed", False, "invalid option"),
    (Fault("status", status=401, error="unauthorized"), "failed", False, "headers"),
    (Fault("status", status=404, error="model 'llama3.2' not found"), "not_found", False, "ollama pull llama3.2"),
    (Fault("status", status=404, error="404 page"), "failed", False, "404 page"),
    (Fault("status", status=429, error="slow down"), "overloaded", True, "slow down"),
    (Fault("status", status=500, error="llama runner process has terminated"), "failed", True, "has terminated"),
    (Fault("status", status=502, error=""), "unavailable", True, "no model server"),
    (Fault("status", status=503, error="server busy, please try again."), "overloaded", True, "busy"),
    (Fault("status", status=504, error=""), "timeout", True, "gave up"),
    (Fault("status", status=529, error="site is overloaded"), "overloaded", True, "overloaded"),
    (Fault("status", status=402, error="no money"), "failed", False, "requires payment"),
    (Fault("die"), "unavailable", True, "closed the connection"),
    (Fault("hang"), "timeout", True, "in time"),
    (Fault("garbage"), "failed", False, "not Ollama's"),
    (Fault("hang", after=0), "timeout", True, "in time"),
    (Fault("error", after=0), "failed", True, "error was encountered"),
    (Fault("end", after=0), "unavailable", True, "closed the connection"),
]


def silence(fault: Fault) -> dict[str, float]:
    """How long to bear silence: briefly where the server falls silent, but longer than a busy machine takes."""
    seconds = 1.5 if fault.kind == "hang" else 60.0
    return {"first_token_timeout": seconds, "stall_timeout": seconds}


@pytest.mark.parametrize("fault", FAILURES, ids=lambda fault: f"{fault[0].kind}-{fault[0].status}-{fault[0].after}")
async def test_before_the_first_piece(
    wire: OllamaWire, start: Start, context: CallContext, fault: tuple[Fault, str, bool, str]
) -> None:
    how, kind, retryable, sentence = fault
    wire.faults.append(how)

    error, arrived = await failure(start, context, wire.url, max_retries=0, **silence(how))

    assert (error.kind, error.retryable, arrived) == (kind, retryable, "")
    assert sentence in error.message


@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        (Fault("error", after=2), "failed", "error was encountered"),
        (Fault("die", after=2), "unavailable", "closed the connection"),
        (Fault("end", after=2), "unavailable", "in the middle of the answer"),
        (Fault("hang", after=2), "timeout", "in time"),
        (Fault("garbage", after=2), "failed", "not Ollama's"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
async def test_in_the_middle_nothing_is_tried_again(
    wire: OllamaWire, start: Start, context: CallContext, fault: Fault, kind: str, sentence: str
) -> None:
    wire.faults.append(fault)
    wire.delay = 0.01

    error, arrived = await failure(start, context, wire.url, max_retries=5, **silence(fault))

    assert error.kind == kind
    assert arrived in ("one", "one two")  # a cut may take the last piece with it
    assert sentence in error.message
    assert len(wire.asked()) == 1


async def test_text_that_arrives_together_with_an_error_is_not_lost(
    wire: OllamaWire, start: Start, context: CallContext
) -> None:
    wire.faults.append(Fault("error", after=2))

    _, arrived = await failure(start, context, wire.url)

    assert arrived == "one two"


async def test_a_hang_is_not_tried_again(wire: OllamaWire, start: Start, context: CallContext) -> None:
    wire.faults.append(Fault("hang"))

    await failure(start, context, wire.url, max_retries=5, first_token_timeout=0.1)

    assert len(wire.asked()) == 1
    await until(lambda: wire.running == 0)


async def test_a_prompt_that_would_be_cut_is_refused(wire: OllamaWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url, num_ctx=128)

    with pytest.raises(PromptTooLong, match="longer than the context"):
        await ask(provider, context, (Message("user", "word " * 200),))


@pytest.mark.parametrize(
    "said",
    [
        "prompt too long; exceeded max context length by 5 tokens",
        "the prompt is too long: 9000, model maximum context length: 4096",
    ],
)
async def test_a_server_that_says_so_in_other_words(
    wire: OllamaWire, start: Start, context: CallContext, said: str
) -> None:
    wire.faults.append(Fault("status", status=400, error=said))
    provider = await start(base_url=wire.url)

    with pytest.raises(PromptTooLong, match="too long"):
        await ask(provider, context)


async def test_without_a_model_it_says_what_to_set(wire: OllamaWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url, model="")

    with pytest.raises(ProviderError, match=r"ollama\.model"):
        await ask(provider, context)


async def test_a_model_of_the_request_that_is_missing(wire: OllamaWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url)

    with pytest.raises(ProviderError, match="ollama pull judge:12b") as raised:
        await ask(provider, context, options=GenerateOptions(model="judge:12b"))

    assert raised.value.kind == "not_found"


async def test_a_server_without_the_model_sends_to_the_other(start: Start, context: CallContext) -> None:
    async with OllamaWire() as has, OllamaWire() as lacks:
        provider = await start(base_url=[has.url, lacks.url])
        lacks.models = []

        for _ in range(6):
            assert text(await ask(provider, context)) == "one two three"


async def test_a_long_pause_is_the_clients_to_wait(wire: OllamaWire, start: Start, context: CallContext) -> None:
    wire.refuse = lambda *_: (429, "slow down")
    provider = await start(base_url=wire.url, max_retries=2, retry_delay=100)

    with pytest.raises(ProviderError, match="slow down"):
        await ask(provider, context)
    assert len(wire.asked()) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (500, "model requires more system memory (5.6 GiB) than is available (3.1 GiB)"),
        (500, "llama runner process has terminated"),
        (429, "you (x) have reached your weekly usage limit, upgrade for higher limits"),
    ],
)
async def test_what_the_server_would_say_again_is_not_tried_again(
    wire: OllamaWire, start: Start, context: CallContext, status: int, error: str
) -> None:
    provider = await start(base_url=wire.url, max_retries=5)
    wire.refuse = lambda *_: (status, error)

    with pytest.raises(ProviderError, match=re.escape(error)):
        await ask(provider, context)
    assert len(wire.asked()) == 1


async def test_a_system_message_that_the_template_refuses(wire: OllamaWire, start: Start, context: CallContext) -> None:
    def refuse(path: str, body: dict[str, Any]) -> tuple[int, str] | None:
        system = any(message["role"] == "system" for message in body.get("messages", []))
        return (500, "template: System role not supported") if system else None

    wire.refuse = refuse
    provider = await start(base_url=wire.url, default_system_prompt="Be kind.")

    for _ in range(2):
        assert text(await ask(provider, context)) == "Be kind.\n\none two three"
    assert len(wire.asked()) == 3


async def test_a_schema_that_ollama_cannot_use_is_the_clients_to_mend(
    wire: OllamaWire, start: Start, context: CallContext
) -> None:
    wire.faults.append(Fault("status", status=400, error="invalid JSON schema in format"))
    provider = await start(base_url=wire.url)

    with pytest.raises(ProviderError) as raised:
        await ask(provider, context, options=GenerateOptions(json_schema={"type": "odd"}))
    assert (raised.value.kind, raised.value.client) == ("rejected", "The model cannot follow this JSON schema.")
