"""A server that errs, hangs, dies or is busy: what the caller sees, and what is tried again."""

from __future__ import annotations

import time
from typing import Any

import pytest
from openai_kit import Start, ask, text, until
from openai_wire import Fault, OpenAIWire
from upstream_contract import failure

from orbit import CallContext, GenerateOptions, Message, PromptTooLong, ProviderError


def status(code: int, error: Any = "it says so", **headers: str) -> Fault:
    return Fault("status", status=code, error=error, headers=tuple(headers.items()))


NO_MONEY = {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}
FAILURES = [
    # fault, kind, retryable, part of the sentence
    (status(400), "failed", False, "refused the request: it says so"),
    (status(401), "failed", False, "Set `api_key`"),
    (status(403), "failed", False, "does not permit"),
    (status(404, "The model `llama` does not exist"), "not_found", False, "does not have the model 'llama'"),
    (status(404, {"detail": "Not Found"}), "failed", False, "Does base_url end in /v1?"),
    (status(422, {"detail": [{"msg": "Field required"}]}), "failed", False, "Field required"),
    (status(429), "overloaded", True, "is busy: it says so"),
    (status(429, NO_MONEY), "failed", False, "requires payment"),
    (status(500), "failed", True, "failed: it says so"),
    (status(500, {"error": "said in a string"}), "failed", True, "said in a string"),
    (status(502, ""), "unavailable", True, "no model server"),
    (status(503, {"error": {"message": "Loading model", "code": 503}}), "overloaded", True, "Loading model"),
    (status(504, {"object": "error", "message": "too late", "code": 504}), "timeout", True, "too late"),
    (status(301, "", Location="https://elsewhere/v1"), "failed", False, "https://elsewhere/v1"),
    (Fault("die"), "unavailable", True, "closed the connection"),
    (Fault("hang"), "timeout", True, "in time"),
    (Fault("garbage"), "failed", False, "does not answer like OpenAI's API"),
    (Fault("hang", after=0), "timeout", True, "in time"),
    (Fault("error", after=0), "failed", True, "had an error"),
    (Fault("error", after=0, error={"object": "error", "message": "CUDA", "code": 500}), "failed", True, "CUDA"),
    (
        Fault("error", after=0, status=503, error={"error": {"message": "gone", "code": 503}}),
        "overloaded",
        True,
        "gone",
    ),
    (Fault("end", after=0), "unavailable", True, "closed the connection"),
]


def silence(fault: Fault) -> float:
    """How long to bear silence: briefly where the server falls silent, but longer than a busy machine takes."""
    return 1.5 if fault.kind == "hang" else 60.0


@pytest.mark.parametrize("fault", FAILURES, ids=lambda fault: f"{fault[0].kind}-{fault[0].status}-{fault[0].after}")
async def test_before_the_first_piece(
    wire: OpenAIWire, start: Start, context: CallContext, fault: tuple[Fault, str, bool, str]
) -> None:
    how, kind, retryable, sentence = fault
    wire.faults.append(how)

    error, arrived = await failure(start, context, wire.url, max_retries=0, silence_timeout=silence(how))

    assert (error.kind, error.retryable, arrived) == (kind, retryable, "")
    assert sentence in error.message
    assert wire.url in error.message


@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        (Fault("error", after=2), "failed", "had an error"),
        (Fault("die", after=2), "unavailable", "closed the connection"),
        (Fault("end", after=2), "unavailable", "in the middle of the answer"),
        (Fault("hang", after=2), "timeout", "in time"),
        (Fault("garbage", after=2), "failed", "does not answer like OpenAI's API"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
async def test_in_the_middle_nothing_is_tried_again(
    wire: OpenAIWire, start: Start, context: CallContext, fault: Fault, kind: str, sentence: str
) -> None:
    wire.faults.append(fault)
    wire.delay = 0.02

    error, arrived = await failure(start, context, wire.url, max_retries=5, silence_timeout=silence(fault))

    assert error.kind == kind
    assert arrived in ("one", "one two")  # a cut may take the last piece with it
    assert sentence in error.message
    assert len(wire.asked()) == 1


@pytest.mark.parametrize("flavour", ["openai", "vllm", "llama.cpp"])
async def test_what_the_model_cannot_read_is_the_clients_mistake(
    start: Start, context: CallContext, flavour: Any
) -> None:
    async with OpenAIWire(flavour=flavour, window=100) as wire:
        provider = await start(base_url=wire.url)
        with pytest.raises(PromptTooLong, match="100 tokens"):
            await ask(provider, context, (Message("user", "word " * 200),))
        assert len(wire.asked()) == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (400, "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."),
        (400, "Content Exists Risk"),
        (400, "Output data may contain inappropriate content."),
        (400, "Your request was rejected as a result of our safety system."),
        (400, "The prompt was blocked: PROHIBITED_CONTENT"),
        (400, "The guardrail intervened: the input contains a denied topic."),
        (400, "Your prompt was flagged as potentially violating our usage policy."),
        (403, "Your chosen model requires moderation and your input was flagged"),
    ],
)
async def test_a_prompt_that_a_filter_refuses_is_the_clients_to_change(
    wire: OpenAIWire, start: Start, context: CallContext, code: int, said: str
) -> None:
    wire.faults.append(status(code, said))
    with pytest.raises(ProviderError, match=r"refused|permit") as raised:
        await ask(await start(base_url=wire.url), context)
    assert (raised.value.kind, raised.value.option, len(wire.asked())) == ("rejected", "messages", 1)
    assert raised.value.client == "A content filter of the model's service refuses these messages."


async def test_a_server_that_says_so_in_other_words(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    wire.faults.append(status(400, "prompt too long; exceeded max context length by 5 tokens"))
    provider = await start(base_url=wire.url)

    with pytest.raises(PromptTooLong, match="too long"):
        await ask(provider, context)


async def test_a_server_that_asks_for_a_pause_gets_it(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    wire.faults += [status(429, "slow down", **{"Retry-After": "1"}), status(429, "slower", **{"retry-after-ms": "40"})]
    provider = await start(base_url=wire.url, max_retries=2)
    before = time.monotonic()

    assert text(await ask(provider, context)) == "one two three"
    assert time.monotonic() - before >= 1.04


async def test_a_pause_longer_than_the_deadline_is_not_waited_for(wire: OpenAIWire, start: Start) -> None:
    wire.faults += [status(429, "come back tomorrow", **{"Retry-After": "3600"})] * 2
    provider = await start(base_url=wire.url, max_retries=2)

    for deadline in (time.monotonic() + 10, None):
        with pytest.raises(ProviderError, match="come back tomorrow"):
            await ask(provider, CallContext("test", deadline=deadline))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "inf"}, 86_400),
        ({"Retry-After": "9" * 30}, 86_400),
        ({"retry-after-ms": "1e400"}, 86_400),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "-5"}, 1),
        ({"Retry-After": "Wed, 21 Oct 2099 07:28:00 -0000", "Date": "Wed, 21 Oct 2099 07:27:00 GMT"}, None),
        ({"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT", "Date": "Wed, 21 Oct 2099 07:27:00 GMT"}, 60),
        ({"Retry-After": "soon"}, None),
    ],
)
async def test_no_pause_is_longer_than_a_day(
    wire: OpenAIWire, start: Start, context: CallContext, headers: dict[str, str], seconds: int | None
) -> None:
    wire.faults.append(status(429, "slow down", **headers))
    provider = await start(base_url=wire.url, max_retries=0)
    with pytest.raises(ProviderError, match="slow down") as raised:
        await ask(provider, context)
    assert getattr(raised.value, "retry_after", None) == seconds


async def test_a_hang_is_not_tried_again(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    wire.faults.append(Fault("hang"))

    await failure(start, context, wire.url, max_retries=5, silence_timeout=0.3)

    assert len(wire.asked()) == 1
    await until(lambda: wire.running == 0)


async def test_the_key_is_in_no_error(start: Start, context: CallContext) -> None:
    async with OpenAIWire(api_key="secret-one") as wire:
        with pytest.raises(ProviderError, match="api_key") as raised:
            await start(base_url=wire.url, api_key="secret-two")
    assert "secret" not in str(raised.value)


async def test_a_server_without_the_model_sends_to_the_other(start: Start, context: CallContext) -> None:
    async with OpenAIWire() as has, OpenAIWire() as lacks:
        provider = await start(base_url=[has.url, lacks.url])
        lacks.models = []

        for _ in range(6):
            assert text(await ask(provider, context)) == "one two three"


async def test_a_model_that_is_nowhere(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url)

    with pytest.raises(ProviderError, match="does not have the model 'gone'") as raised:
        await ask(provider, context, options=GenerateOptions(model="gone"))

    assert raised.value.kind == "not_found"


async def test_a_server_that_has_retried_itself_is_asked_once(
    wire: OpenAIWire, start: Start, context: CallContext
) -> None:
    provider = await start(base_url=wire.url)
    wire.faults.extend([Fault("status", status=502, error="Oh", headers=(("x-should-retry", "false"),))] * 3)
    with pytest.raises(ProviderError) as raised:
        await ask(provider, context)
    assert (raised.value.kind, len(wire.asked())) == ("unavailable", 1)
