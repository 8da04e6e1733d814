"""The contract of ``tools`` and ``call_tool``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import pytest

from orbit import CallContext, Tool, ToolCall, ToolResult
from orbit.testing.contract import calls
from orbit.testing.contract.promise import Promise, kind
from orbit.testing.contract.provider import BaseProviderContract
from orbit.testing.contract.samples import HUGE, UNICODE
from orbit.testing.contract.subject import CONTEXT, Subject

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ODD: Final[Sequence[dict[str, Any]]] = (
    {},
    {"no such argument": None},
    {"text": HUGE, UNICODE: [UNICODE]},
    {"text": [[]], "number": "many", "path": "../../../etc/passwd\0"},
)


class BaseToolsContract(BaseProviderContract):
    """The contract of providers of tools."""

    @pytest.fixture
    def tool_call(self) -> ToolCall | None:
        """Return a call that succeeds; None calls the first tool without arguments."""
        return None

    def test_tools_are_offered(self, promise: Promise, subject: Subject) -> None:
        """The provider implements `tools` and `call_tool` and, with these settings, offers them."""
        calls.offered(promise, subject, "tools")
        calls.offered(promise, subject, "call_tool")

    async def test_tools_can_be_named(self, promise: Promise, subject: Subject) -> None:
        """`tools` returns at least one orbit.Tool, each with a name of its own that models can write."""
        seen: set[str] = set()
        for tool in await _tools(promise, subject):
            if not _NAME.fullmatch(tool.name):
                promise.broken(f"a name is {tool.name!r}", "use 1 to 64 letters, digits, `_` and `-`")
            if tool.name in seen:
                promise.broken(f"two are called {tool.name!r}", "give each its own name")
            seen.add(tool.name)

    async def test_tools_explain_themselves(self, promise: Promise, subject: Subject) -> None:
        """Each tool has a description, and as `parameters` None or a JSON schema of the type `object`."""
        for tool in await _tools(promise, subject):
            if not tool.description.strip():
                promise.broken(f"{tool.name} has no description", "say when the model should call it")
            schema: Any = tool.parameters
            if schema is None:
                continue
            if not isinstance(schema, dict) or schema.get("type") != "object":
                promise.broken(f"the parameters of {tool.name} are {schema!r}", 'begin them with {"type": "object"}')
            try:
                json.dumps(schema)
            except (TypeError, ValueError) as error:
                promise.broken(f"the parameters of {tool.name} are no JSON ({error})", "use JSON types only")

    async def test_call_returns_a_result(self, promise: Promise, subject: Subject, tool_call: ToolCall | None) -> None:
        """`call_tool` returns an orbit.ToolResult with text; a call that is right has no error."""
        call = await _call(promise, subject, tool_call)
        result = await calls.answered(promise, partial(_run, subject, call))
        _is_result(promise, result)
        if result.error:
            promise.broken(
                f"{call.name} with {call.arguments} failed: {result.text[:200]}",
                "mend that, or give arguments in the fixture `tool_call`",
            )

    async def test_call_knows_its_tools(self, promise: Promise, subject: Subject) -> None:
        """A call of a tool that does not exist gives a result with `error`, or ProviderError."""
        result = await calls.attempted(promise, partial(_run, subject, ToolCall("call_1", "no_such_tool", "{}")))
        if result is not None and not (isinstance(result, ToolResult) and result.error):
            promise.broken(f"it returned {result!r}", 'return orbit.ToolResult("there is no such tool", error=True)')

    async def test_call_takes_any_arguments(self, promise: Promise, subject: Subject) -> None:
        """`call_tool` takes any JSON object as arguments: it returns an orbit.ToolResult or raises ProviderError."""
        for tool in await _tools(promise, subject):
            for arguments in _ODD:
                call = ToolCall("call_1", tool.name, json.dumps(arguments))
                result = await calls.attempted(promise, partial(_run, subject, call))
                if result is not None:
                    _is_result(promise, result)

    async def test_call_side_by_side(self, promise: Promise, subject: Subject, tool_call: ToolCall | None) -> None:
        """Concurrent calls do not affect each other."""
        call = await _call(promise, subject, tool_call)
        pairs = await calls.side_by_side(promise, [partial(_run, subject, call)] * 8, _same_outcome)
        for _, result in pairs:
            if result is not None:
                _is_result(promise, result)

    async def test_call_can_be_cancelled(
        self, promise: Promise, subject: Subject, tool_call: ToolCall | None, patience: float
    ) -> None:
        """A cancelled call ends at once, at any moment."""
        call = await _call(promise, subject, tool_call)
        await calls.cancelled(promise, partial(_run, subject, call), patience)

    async def test_call_keeps_deadlines(
        self, promise: Promise, subject: Subject, tool_call: ToolCall | None, patience: float
    ) -> None:
        """A call past its deadline ends: cancelled, or with a ProviderError."""
        call = await _call(promise, subject, tool_call)
        await calls.ended_in_time(promise, lambda context: _run(subject, call, context), patience)

    async def test_call_leaves_the_loop_free(
        self, promise: Promise, subject: Subject, tool_call: ToolCall | None
    ) -> None:
        """Neither `tools` nor `call_tool` blocks the event loop."""
        call = await _call(promise, subject, tool_call)
        await calls.shared_loop(promise, lambda: subject.call("tools"))
        await calls.shared_loop(promise, partial(_run, subject, call))

    async def test_call_leaves_nothing_running(
        self, promise: Promise, subject: Subject, tool_call: ToolCall | None, patience: float
    ) -> None:
        """Nothing keeps running after the call."""
        call = await _call(promise, subject, tool_call)
        await calls.left_alone(promise, partial(_run, subject, call), patience)

    async def test_call_while_down(self, promise: Promise, down: Subject, tool_call: ToolCall | None) -> None:
        """While its service is down, `call_tool` raises a retryable ProviderError, and `tools` returns or raises."""
        listed = await calls.attempted(promise, lambda: down.call("tools"))
        call = tool_call or ToolCall("call_1", listed[0].name if listed else "unknown", "{}")
        await calls.told_of_the_outage(promise, partial(_run, down, call))


def _run(subject: Subject, call: ToolCall, context: CallContext = CONTEXT) -> Any:
    return subject.call("call_tool", context, call=call)


async def _tools(promise: Promise, subject: Subject) -> list[Tool]:
    found: Any = await calls.answered(promise, lambda: subject.call("tools"))
    if not isinstance(found, list | tuple):
        promise.broken(f"it returned {kind(found)}", "return a list of orbit.Tool")
    for tool in found:
        if not isinstance(tool, Tool):
            promise.broken(f"the list has {kind(tool)}", "return a list of orbit.Tool")
    if not found:
        promise.broken("it returned none", "give settings with which there are tools")
    return list(found)


async def _call(promise: Promise, subject: Subject, call: ToolCall | None) -> ToolCall:
    return call or ToolCall("call_1", (await _tools(promise, subject))[0].name, "{}")


def _is_result(promise: Promise, result: Any) -> None:
    if not isinstance(result, ToolResult):
        promise.broken(f"it returned {kind(result)}", "return orbit.ToolResult(text)")
    text, error = _values(result)
    if not isinstance(text, str) or not isinstance(error, bool):
        promise.broken(f"it returned {result!r}", "give text, and error as a bool")


def _values(result: Any) -> tuple[Any, Any]:
    return result.text, result.error


def _same_outcome(one: Any, other: Any) -> bool:
    """Return whether two results tell of the same outcome. Their texts may differ, like the time of day."""
    return getattr(one, "error", None) == getattr(other, "error", None)
