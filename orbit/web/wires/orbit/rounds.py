"""The rounds of tools between a question and its answer, as clients send them back."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from orbit.types import Message, Part, ToolCall
from orbit.web.wires.checks import check_arguments
from orbit.web.wires.conversation import Collector


class ReturnedResult(msgspec.Struct, frozen=True):
    """What a tool of the client returned. `id` is that of its call."""

    id: str
    result: str


class ToolRound(msgspec.Struct, frozen=True):
    """An answer that called tools, its text as `response`, and what the tools returned."""

    tool_calls: Annotated[tuple[ToolCall, ...], Meta(min_length=1)]
    results: tuple[ReturnedResult, ...]
    response: str = ""


def later_of(question: str, parts: tuple[Part, ...], rounds: tuple[ToolRound, ...]) -> tuple[Message, ...]:
    """Return the messages that follow a question. Raises ParameterError that names the round at fault."""
    collector = Collector(fetches=False)
    collector.user(question, parts, "message")
    where = ""
    for number, one in enumerate(rounds):
        where = f"rounds[{number}]"
        calls = [
            ToolCall(call.id, call.name, check_arguments(call.arguments, f"{where}.tool_calls[{place}].arguments"))
            for place, call in enumerate(one.tool_calls)
        ]
        collector.answer(one.response, tuple(calls), where)
        for place, returned in enumerate(one.results):
            collector.result(returned.id, returned.result, (), f"{where}.results[{place}].id")
    return collector.conversation(where).later
