"""The stand-in MCP server as a process."""

import sys
from pathlib import Path
from typing import Any

SERVER = str(Path(__file__).parents[1] / "wires" / "mcp_server.py")


def process(*mode: str, **settings: Any) -> dict[str, Any]:
    """The settings of the stand-in, which starts in a moment."""
    return {"command": sys.executable, "args": ["-S", SERVER, *mode], **settings}
