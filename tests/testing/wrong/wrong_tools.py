"""Wrong in `tools` and `call_tool`."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from wrong_kit import Right, Wrong, swallow

import orbit
from orbit import Tool, ToolCall, ToolResult, hookimpl

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}


class RightTools(Right):
    """Turns a text round."""

    listed: Any = (Tool("reverse", "Turns a text round.", TEXT), Tool("clock", "The time."))

    @hookimpl
    async def tools(self) -> Any:
        return self.listed

    @hookimpl
    async def call_tool(self, call: ToolCall, context: orbit.CallContext) -> Any:
        await self.work()
        return self.run(call)

    def run(self, call: ToolCall) -> Any:
        if call.name != "reverse":
            return ToolResult("Only texts can be turned round.", error=True)
        text = json.loads(call.arguments).get("text", "")
        return ToolResult(text[::-1]) if isinstance(text, str) else ToolResult("No text.", error=True)


class Hidden(RightTools):
    def offers(self, hook: str) -> bool:
        return False


class SaysName(RightTools):
    listed = "reverse"


class Spaced(RightTools):
    listed = (Tool("turn round", "Turns a text round."),)


class TwoOfAName(RightTools):
    listed = (RightTools.listed[0], RightTools.listed[0])


class Silent(RightTools):
    listed = (Tool("reverse"),)


class TakesText(RightTools):
    listed = (Tool("reverse", "Turns a text round.", {"type": "string"}),)


class NoJson(RightTools):
    listed = (Tool("reverse", "Turns a text round.", {"type": "object", "properties": {1, 2}}),)


class SaysText(RightTools):
    def run(self, call: ToolCall) -> Any:
        return "txet"


class Fails(RightTools):
    def run(self, call: ToolCall) -> Any:
        return ToolResult("It is broken.", error=True)


class KnowsAll(RightTools):
    def run(self, call: ToolCall) -> Any:
        return ToolResult("done")


class NeedsText(RightTools):
    def run(self, call: ToolCall) -> Any:
        arguments = json.loads(call.arguments)
        return super().run(call) if not arguments else ToolResult(arguments["text"][::-1])


class Shares(RightTools):
    busy = False

    @hookimpl
    async def call_tool(self, call: ToolCall, context: orbit.CallContext) -> Any:
        if self.busy:
            return ToolResult("Another call is running.", error=True)
        self.busy = True
        await asyncio.sleep(0)
        self.busy = False
        return self.run(call)


class Stubborn(RightTools):
    @hookimpl
    async def call_tool(self, call: ToolCall, context: orbit.CallContext) -> Any:
        await swallow()
        return self.run(call)


class Hasty(RightTools):
    @hookimpl
    async def call_tool(self, call: ToolCall, context: orbit.CallContext) -> Any:
        if context.remaining() == 0:
            raise ValueError("timeout must be positive")
        return self.run(call)


class Blocks(RightTools):
    @hookimpl
    async def call_tool(self, call: ToolCall, context: orbit.CallContext) -> Any:
        time.sleep(0.13)  # noqa: ASYNC251  # the fault
        return self.run(call)


class Detaches(RightTools):
    @hookimpl
    async def call_tool(self, call: ToolCall, context: orbit.CallContext) -> Any:
        self.task = asyncio.create_task(asyncio.sleep(2), name="report")
        return self.run(call)


class Pretends(RightTools):
    @hookimpl
    async def call_tool(self, call: ToolCall, context: orbit.CallContext) -> Any:
        return self.run(call)


WRONG = (
    Wrong("test_tools_are_offered", Hidden, "the host does not see it"),
    Wrong("test_tools_can_be_named", SaysName, "it returned a str"),
    Wrong("test_tools_can_be_named", Spaced, "a name is 'turn round'"),
    Wrong("test_tools_can_be_named", TwoOfAName, "two are called 'reverse'"),
    Wrong("test_tools_explain_themselves", Silent, "reverse has no description"),
    Wrong("test_tools_explain_themselves", TakesText, "begin them with"),
    Wrong("test_tools_explain_themselves", NoJson, "are no JSON"),
    Wrong("test_call_returns_a_result", SaysText, "it returned a str"),
    Wrong("test_call_returns_a_result", Fails, "reverse with {} failed: It is broken."),
    Wrong("test_call_knows_its_tools", KnowsAll, "error=True"),
    Wrong("test_call_takes_any_arguments", NeedsText, "the call raised KeyError"),
    Wrong("test_call_side_by_side", Shares, "a call got another result"),
    Wrong("test_call_can_be_cancelled", Stubborn, "the call went on for"),
    Wrong("test_call_keeps_deadlines", Hasty, "the call raised ValueError"),
    Wrong("test_call_leaves_the_loop_free", Blocks, "nothing else could run for"),
    Wrong("test_call_leaves_nothing_running", Detaches, "the task 'report' still ran"),
    Wrong("test_call_while_down", Pretends, "the call returned ToolResult"),
)
