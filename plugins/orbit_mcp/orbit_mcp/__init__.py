"""Model Context Protocol for ORBIT: tools of MCP servers for its models, and ORBIT itself as an MCP server."""

from orbit_mcp.provider import McpProvider
from orbit_mcp.settings import McpSettings, ServerSettings

__all__ = ["McpProvider", "McpSettings", "ServerSettings"]
