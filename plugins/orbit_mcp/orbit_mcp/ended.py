"""Why a connection to an MCP server ended."""

from __future__ import annotations

import asyncio


class Ended:
    """Why a connection ended, in half a sentence; ``event`` is set once it has."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.reason = ""
        self.said = ""
        """The process's last line on standard error, or what it wrote in place of a message."""
        self.closing = False
        """Whether the client ends the connection, so that nothing that follows is a reason."""

    @property
    def over(self) -> bool:
        """Whether no answer can come any more."""
        return self.closing or self.event.is_set()

    def end(self, reason: str) -> None:
        """Note the first reason."""
        self.reason = self.reason or reason
        self.event.set()

    def broke(self, reason: str) -> None:
        """Note what the process did, unless the client is ending the connection."""
        if not self.closing:
            self.end(reason)
