"""What a turn needs of its model beyond text, and what a client reads if the model does not support it."""

from __future__ import annotations

from typing import Any

import pytest
from actor_kit import turn

from orbit import File, GenerateOptions, Image, Message, Text, Tool, ToolCall, ToolChoice
from orbit.chat.models.needs import Unsupported, needs_of

PICTURE = Image(b"x", "image/png")
PAPER = File(b"x", "application/pdf", "a.pdf")
TOOLS = (Tool("clock"),)
CALLED = Message("assistant", "", tool_calls=(ToolCall("1", "clock", "{}"),))
TOLD = Message("tool", "nine", tool_call_id="1")


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({}, set()),
        ({"history": (Message("user", "a"), Message("assistant", "b"))}, set()),
        ({"parts": (Text("look"), PICTURE)}, {"images"}),
        ({"parts": (PAPER,)}, {"files"}),
        ({"history": (Message("user", "look", (PICTURE, PAPER)),)}, {"images", "files"}),
        ({"later": (Message("tool", "x", (PICTURE,), tool_call_id="1"),)}, {"tools", "images"}),
        ({"options": GenerateOptions(tools=TOOLS)}, {"tools"}),
        ({"options": GenerateOptions(tools=TOOLS, tool_choice=ToolChoice("auto"))}, {"tools"}),
        ({"options": GenerateOptions(tools=TOOLS, tool_choice=ToolChoice("none"))}, set()),
        ({"history": (CALLED,)}, {"tools"}),
        ({"later": (TOLD,)}, {"tools"}),
        ({"options": GenerateOptions(reasoning_effort="low")}, {"reasoning"}),
        ({"options": GenerateOptions(logprobs=0)}, {"logprobs"}),
        ({"later": (Message("assistant", "At"),)}, {"continue"}),
        ({"later": (Message("assistant", "At"), Message("user", "go on"))}, set()),
    ],
)
def test_a_turn_needs_what_is_in_it(fields: dict[str, Any], needs: set[str]) -> None:
    assert needs_of(turn(**fields)) == needs


def test_the_refusal_names_the_models_that_can() -> None:
    error = Unsupported("images", "small", ["large", "vision"])
    assert error.client == "The model 'small' does not support images. Models that do: large, vision."
    assert error.option == "messages"


def test_the_refusal_says_if_none_can() -> None:
    assert str(Unsupported("tools", "small", [])) == (
        "The model 'small' does not support tools. No model of this server does."
    )
