"""Requests that a server refuses for their form: what is asked otherwise, and what is the client's to mend."""

from __future__ import annotations

from typing import Any

import pytest
from openai_kit import ANYTHING, QUESTION, Start, ask, text
from openai_wire import Fault, OpenAIWire

from orbit import CallContext, GenerateOptions, Message, ProviderError

TALK = (Message("system", "Be kind."), Message("user", "one two"))


def no_system(said: str, status: int = 400) -> Any:
    def refuse(path: str, body: dict[str, Any]) -> tuple[int, Any] | None:
        return (status, said) if any(message["role"] == "system" for message in body.get("messages", [])) else None

    return refuse


def alternating(path: str, body: dict[str, Any]) -> tuple[int, Any] | None:
    """A template of Mistral's first models."""
    roles = [message["role"] for message in body.get("messages", [])]
    if all(role == ("user", "assistant")[place % 2] for place, role in enumerate(roles)):
        return None
    return 400, "Conversation roles must alternate user/assistant/user/assistant/..."


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("System role not supported", 400),
        ("Jinja Exception: System role not supported", 500),
        ("Template error: invalid operation: System role not supported (in <string>:1)", 422),
        ("Only user and assistant roles are supported!", 400),
        ("Conversation roles must alternate user/assistant/user/assistant/...", 400),
        ("Unsupported value: 'messages[0].role' does not support 'system' with this model.", 400),
        ("Developer instruction is not enabled for models/gemma-3-27b-it", 400),
        ("This model doesn't support system messages. Try again without a system message", 400),
        ("System message must be at the beginning.", 400),
    ],
)
async def test_the_system_message_goes_into_the_first_question_if_the_template_takes_none(
    wire: OpenAIWire, start: Start, context: CallContext, said: str, status: int
) -> None:
    provider = await start(base_url=wire.url, max_retries=0)
    wire.refuse = no_system(said, status)

    for _ in range(2):
        assert text(await ask(provider, context, TALK)) == "Be kind.\n\none two"

    asked = [[message["role"] for message in body["messages"]] for body in wire.asked()]
    assert asked == [["system", "user"], ["user"], ["user"]]  # it is remembered


async def test_an_error_of_a_template_within_the_stream(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=wire.url, max_retries=0)
    wire.faults.append(Fault("error", after=0, error="Error rendering prompt: System role not supported"))

    assert text(await ask(provider, context, TALK)) == "Be kind.\n\none two"


@pytest.mark.parametrize(
    "messages",
    [
        (Message("user", "one"), Message("user", "two")),
        (Message("assistant", "one"), Message("user", "two")),
        (*TALK, Message("user", "three")),
    ],
)
async def test_roles_in_a_wrong_order_are_the_clients_to_mend(
    wire: OpenAIWire, start: Start, context: CallContext, messages: tuple[Message, ...]
) -> None:
    provider = await start(base_url=wire.url)
    wire.refuse = alternating

    with pytest.raises(ProviderError) as raised:
        await ask(provider, context, messages)

    assert (raised.value.kind, raised.value.retryable) == ("rejected", False)
    assert len(wire.asked()) == 1 + any(message.role == "system" for message in messages)
    assert text(await ask(provider, context, QUESTION)) == "one two three"


@pytest.mark.parametrize(
    ("options", "said", "kind"),
    [
        (GenerateOptions(json_schema={"type": "odd"}), "Invalid schema for response_format 'answer'", "rejected"),
        (GenerateOptions(json_schema={}), "Failed to compile grammar", "rejected"),
        (GenerateOptions(temperature=9), "temperature must be at most 2", "rejected"),
        (GenerateOptions(stop=("a",) * 9), "Expected an array with maximum length 4 for 'stop'", "rejected"),
        (GenerateOptions(temperature=1), "Invalid schema for response_format 'answer'", "failed"),
        (ANYTHING, "temperature must be at most 2", "failed"),
    ],
)
async def test_what_the_client_asked_for_and_the_server_cannot(
    wire: OpenAIWire, start: Start, context: CallContext, options: GenerateOptions, said: str, kind: str
) -> None:
    provider = await start(base_url=wire.url)
    wire.faults.append(Fault("status", status=400, error=said))

    with pytest.raises(ProviderError) as raised:
        await ask(provider, context, options=options)

    assert raised.value.kind == kind
    assert len(wire.asked()) == 1


@pytest.mark.parametrize("own", ["max_tokens", "max_completion_tokens"])
async def test_the_longest_answer_under_the_name_that_the_server_has_for_it(
    wire: OpenAIWire, start: Start, context: CallContext, own: str
) -> None:
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[own]
    said = f"Unsupported parameter: '{other}' is not supported with this model. Use '{own}' instead."
    wire.refuse = lambda _, body: (400, said) if other in body else None
    provider = await start(base_url=wire.url, max_tokens_field=other)

    for _ in range(2):
        assert text(await ask(provider, context, options=GenerateOptions(max_tokens=2))) == "one two"

    assert [(body.get(other), body.get(own)) for body in wire.asked()] == [(2, None), (None, 2), (None, 2)]


@pytest.mark.parametrize(
    "error",
    [
        "Unknown parameter: stream_options",
        {
            "detail": [
                {"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs not permitted"}
            ]
        },
    ],
)
async def test_a_server_that_does_not_know_stream_options(
    wire: OpenAIWire, start: Start, context: CallContext, error: Any
) -> None:
    wire.refuse = lambda _, body: (422, error) if "stream_options" in body else None
    provider = await start(base_url=wire.url)

    for _ in range(2):
        assert text(await ask(provider, context)) == "one two three"

    assert len(wire.asked()) == 3
