"""Results of MCP tools as text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from orbit import ToolResult

if TYPE_CHECKING:
    import mcp_types


def result_of(result: mcp_types.CallToolResult) -> ToolResult:
    """Return what the model reads: the texts, and a line for each part that is none."""
    text = "\n".join(_texts(result))
    if not text and result.structured_content is not None:
        text = json.dumps(result.structured_content, ensure_ascii=False)
    return ToolResult(text or "(no output)", error=bool(result.is_error))


def _texts(result: mcp_types.CallToolResult) -> Iterator[str]:
    for block in result.content:
        if block.type == "text":
            yield block.text
        elif block.type in ("image", "audio"):
            yield f"[{block.mime_type}, {len(block.data) * 3 // 4} bytes, not shown]"
        elif block.type == "resource_link":
            yield f"[{block.name}: {block.uri}]"
        elif block.type == "resource":
            text = getattr(block.resource, "text", None)
            yield text if isinstance(text, str) else f"[{block.resource.uri}, not shown]"
