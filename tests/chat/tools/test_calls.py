"""Clients get tool calls that they can use: whole ones, of tools that they allowed."""

from __future__ import annotations

import pytest

from orbit import FinishReason, GenerateOptions, ProviderError, Tool, ToolCall, ToolChoice
from orbit.chat.tools.calls import allowed, ended

TOOLS = (Tool("clock"),)
CALLS = (ToolCall("1", "clock", "{}"), ToolCall("2", "clock", '{"zone": "UTC"}'))


def test_calls_of_offered_tools_pass_in_order() -> None:
    assert allowed(CALLS, GenerateOptions(tools=TOOLS), "p") == CALLS
    assert allowed(CALLS, GenerateOptions(tools=TOOLS, parallel_tool_calls=True), "p") == CALLS


def test_a_client_that_wants_one_at_a_time_gets_the_first() -> None:
    assert allowed(CALLS, GenerateOptions(tools=TOOLS, parallel_tool_calls=False), "p") == CALLS[:1]


@pytest.mark.parametrize("options", [GenerateOptions(), GenerateOptions(tools=TOOLS, tool_choice=ToolChoice("none"))])
def test_calls_that_nobody_asked_for_are_left_out(options: GenerateOptions) -> None:
    assert allowed(CALLS, options, "p") == ()


@pytest.mark.parametrize(
    "call",
    [
        ToolCall("", "clock", "{}"),
        ToolCall("1", "", "{}"),
        ToolCall("1", "clock", ""),
        ToolCall("1", "clock", "{"),
        ToolCall("1", "clock", "[1]"),
        ToolCall("1", "clock", '"{}"'),
        ToolCall("1", "clock", "[" * 100_000),
    ],
)
def test_a_call_that_no_client_can_use_is_the_models_failure(call: ToolCall) -> None:
    with pytest.raises(ProviderError) as raised:
        allowed((*CALLS, call), GenerateOptions(tools=TOOLS), "p")
    error = raised.value
    assert (error.provider, error.operation, error.retryable) == ("p", "generate", True)
    assert error.client == "The model called a tool with arguments that are not valid JSON. Try again."


@pytest.mark.parametrize(
    ("reason", "calls", "told"),
    [
        ("stop", CALLS, "tool_calls"),
        ("tool_calls", CALLS, "tool_calls"),
        ("length", CALLS, "length"),
        ("stop", (), "stop"),
        ("tool_calls", (), "stop"),
        ("content_filter", (), "content_filter"),
    ],
)
def test_the_finish_reason_fits_the_calls(
    reason: FinishReason, calls: tuple[ToolCall, ...], told: FinishReason
) -> None:
    assert ended(reason, calls) == told
