"""The tools that the server called for an answer, as every protocol of ORBIT's own metadata lists them."""

from __future__ import annotations

import msgspec

from orbit.chat.outcome import Ending


class UsedTool(msgspec.Struct, frozen=True):
    """A tool that the server called, and whether that succeeded: `ok`, `error` or `refused`."""

    id: str
    name: str
    status: str
    seconds: float


def used_tools(ending: Ending) -> tuple[UsedTool, ...] | msgspec.UnsetType:
    """Return the tools that were called for an answer; unset if there were none."""
    if not ending.tool_uses:
        return msgspec.UNSET
    return tuple(UsedTool(use.id, use.name, use.status, use.seconds) for use in ending.tool_uses)
