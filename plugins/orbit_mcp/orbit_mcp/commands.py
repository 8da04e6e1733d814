"""``orbit mcp list`` and ``orbit mcp try``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import click

from orbit import Host, ProviderError, Tool
from orbit.sanitize import LINES, printable
from orbit_mcp.connection import Connection
from orbit_mcp.settings import McpSettings

_WIDTH: Final = 100
"""Most characters of a description."""


def add_commands(group: click.Group, settings: McpSettings, host: Host) -> None:
    """Add the commands to ``orbit mcp``, for the servers in ``settings``."""

    @group.command("list")
    def list_tools() -> None:
        """List the tools of each server with their arguments, and why some are not offered."""
        if not settings.servers:
            raise click.ClickException("no MCP servers are configured: name them under 'servers' of the section 'mcp'.")
        if not asyncio.run(_list(settings, host)):
            raise click.exceptions.Exit(1)

    @group.command("try")
    @click.argument("tool", metavar="TOOL")
    @click.option("--arguments", default="{}", metavar="JSON", help="The arguments, as a JSON object.")
    def try_tool(tool: str, arguments: str) -> None:
        """Call TOOL, by the name that models call it by, and print its result."""
        try:
            given = json.loads(arguments)
        except ValueError as error:
            raise click.BadParameter(f"this is not JSON: {error}", param_hint="--arguments") from error
        if not isinstance(given, dict):
            raise click.BadParameter('give an object, such as {"path": "."}', param_hint="--arguments")
        try:
            text, failed = asyncio.run(_try(settings, host, tool, given))
        except ProviderError as error:
            raise click.ClickException(error.message) from error
        click.echo(printable(text, keep=LINES))
        if failed:
            raise click.exceptions.Exit(1)


async def _list(settings: McpSettings, host: Host) -> bool:
    """Print the tools; return whether all servers answered. All are asked at once: some download what they need."""
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(_begun(settings, host, name)) for name in settings.servers]
        for connection in connections:
            await connection.tried.wait()
            click.echo(connection.name)
            if connection.reason:
                click.echo(f"  not available: {printable(connection.reason)}", err=True)
            for offered in connection.tools:
                if offered.tool is None:
                    click.echo(f"  {printable(offered.name)}: not offered, {offered.reason}")
                else:
                    click.echo(f"  {_call_of(offered.tool)}: {_first_line(offered.tool)}")
        return not any(connection.reason for connection in connections)


def _call_of(tool: Tool) -> str:
    """Return a tool's name and arguments, the optional ones with a question mark."""
    schema = tool.parameters or {}
    required = schema.get("required")
    needed = required if isinstance(required, list) else ()
    arguments = [f"{name}{'' if name in needed else '?'}" for name in schema.get("properties", ())]
    return f"{tool.name}({printable(', '.join(arguments))})"


def _first_line(tool: Tool) -> str:
    line = printable(next(iter(tool.description.splitlines()), ""))
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


async def _try(settings: McpSettings, host: Host, tool: str, arguments: dict[str, object]) -> tuple[str, bool]:
    names: list[str] = []
    for name in settings.servers:
        if not tool.startswith(f"{name}_"):
            continue
        async with _connected(settings, host, name) as connection:
            if (own := connection.own_name(tool)) is not None:
                result = await connection.call(own, arguments)
                return result.text, result.error
            if connection.reason:
                raise connection.unavailable()
            names += [offered.tool.name for offered in connection.tools if offered.tool is not None]
    known = f"Tools: {', '.join(names)}" if names else f"Names begin with: {', '.join(settings.servers) or 'none'}"
    raise ProviderError(f"there is no tool '{tool}'. {known}.")


@asynccontextmanager
async def _begun(settings: McpSettings, host: Host, name: str) -> AsyncGenerator[Connection, None]:
    """Begin to connect to one server, for the time of the context."""
    connection = Connection(name, settings.servers[name], host)
    connection.start()
    try:
        yield connection
    finally:
        await connection.stop()


@asynccontextmanager
async def _connected(settings: McpSettings, host: Host, name: str) -> AsyncGenerator[Connection, None]:
    """Connect to one server for the time of the context."""
    async with _begun(settings, host, name) as connection:
        await connection.tried.wait()
        yield connection
