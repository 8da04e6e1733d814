"""The provider, which ORBIT calls."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from orbit import CallContext, Health, HealthStatus, Host, Provider, Tool, ToolCall, ToolResult, hookimpl
from orbit_mcp.connection import Connection
from orbit_mcp.serving import Serving
from orbit_mcp.settings import McpSettings, problems, remarks

if TYPE_CHECKING:
    import click


class McpProvider(Provider):
    """Offers the tools of MCP servers to models. A server that fails costs its own tools only."""

    ORBIT_API = 2
    Settings = McpSettings
    settings: McpSettings

    def __init__(self, name: str, settings: McpSettings, host: Host) -> None:
        super().__init__(name, settings, host)
        self._connections: dict[str, Connection] = {}
        self._serving: Serving | None = None

    def validate(self) -> Iterable[str]:
        """Yield mistakes in the settings."""
        return problems(self.settings)

    def remarks(self) -> Iterable[str]:
        """Yield servers that this machine cannot start."""
        return remarks(self.settings)

    def offers(self, hook: str) -> bool:
        """Return whether there are servers, for the hooks of tools, and whether ORBIT is one, for routes."""
        if hook == "register_routes":
            return self.settings.serve
        return hook not in ("tools", "call_tool") or bool(self.settings.servers)

    async def __aenter__(self) -> Self:
        self._connections = {
            name: Connection(name, settings, self.host) for name, settings in self.settings.servers.items()
        }
        for connection in self._connections.values():
            connection.start()
        try:
            if self.settings.serve:
                self._serving = Serving(self.settings)
                await self._serving.start()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.settings.wait):
                    for connection in self._connections.values():
                        await connection.tried.wait()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        serving, self._serving = self._serving, None
        if serving is not None:
            await serving.stop()
        connections, self._connections = self._connections, {}
        await asyncio.gather(*(connection.stop() for connection in connections.values()))

    @hookimpl
    async def tools(self) -> list[Tool]:
        """Return the tools of the connected servers."""
        return [
            offered.tool
            for connection in self._connections.values()
            for offered in connection.tools
            if offered.tool is not None
        ]

    @hookimpl
    async def call_tool(self, call: ToolCall, context: CallContext) -> ToolResult:
        """Call a tool of a server. Raises ProviderError."""
        del context  # the host's deadline cancels the call
        for connection in self._connections.values():
            if (own := connection.own_name(call.name)) is not None:
                return await connection.call(own, json.loads(call.arguments))
        for name, connection in self._connections.items():
            if connection.reason and call.name.startswith(f"{name}_"):
                raise connection.unavailable()
        return ToolResult(f"There is no tool {call.name[:100]!r}, or it may not be called.", error=True)

    async def health(self) -> Health:
        """Return the state of the servers."""
        broken = [f"{name}: {connection.reason}" for name, connection in self._connections.items() if connection.reason]
        if not broken:
            return Health()
        status: HealthStatus = "down" if len(broken) == len(self._connections) else "degraded"
        return Health(status, f"MCP servers that are not available: {'; '.join(broken)}"[:1000])

    def metrics(self) -> Mapping[str, float]:
        """Return the metrics of each server."""
        found: dict[str, float] = {}
        for name, connection in self._connections.items():
            found |= {
                f"{name}_up": float(not connection.reason),
                f"{name}_tools": sum(offered.tool is not None for offered in connection.tools),
                f"{name}_calls_total": connection.calls,
                f"{name}_errors_total": connection.errors,
                f"{name}_connections_total": connection.connected,
            }
        return found

    @hookimpl
    def register_routes(self) -> Sequence[Any]:
        """Serve ``/mcp``."""
        return [] if self._serving is None else [self._serving.route()]

    @hookimpl
    def register_commands(self, group: click.Group) -> None:
        """Add ``orbit mcp list`` and ``orbit mcp try``."""
        from orbit_mcp.commands import add_commands  # noqa: PLC0415  # only the commands pay for it

        add_commands(group, self.settings, self.host)
