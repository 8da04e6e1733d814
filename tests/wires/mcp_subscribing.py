"""An MCP server of the protocol's latest version, over standard input and output: `python mcp_subscribing.py`.

Its tool `rename` renames the tool `echo` and publishes that; `end` ends all subscriptions, so that the next change
reaches those only who subscribe again.
"""

from __future__ import annotations

from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged

names = ["echo", "rename", "end"]
bus = InMemorySubscriptionBus()
listening = ListenHandler(bus)


async def list_tools(*_: Any) -> types.ListToolsResult:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    return types.ListToolsResult(tools=[types.Tool(name=name, input_schema=schema) for name in names])


async def call_tool(_: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    if params.name not in names:
        text = f"there is no tool {params.name}"
    elif params.name == "rename":
        names[0] += "_again"
        await bus.publish(ToolsListChanged())
        text = "renamed"
    elif params.name == "end":
        listening.close()
        text = "ended"
    else:
        text = f"{params.name}: {(params.arguments or {}).get('text')}"
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=params.name not in names)


async def main() -> None:
    server: Server[Any] = Server(
        "subscribing", on_list_tools=list_tools, on_call_tool=call_tool, on_subscriptions_listen=listening
    )
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(main)
