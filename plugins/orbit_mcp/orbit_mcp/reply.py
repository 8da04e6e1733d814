"""What HTTP makes of the requests to an MCP server. The SDK passes on its own errors as if the server had sent them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Reply:
    """What became of a request."""

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        """The longest silence of the server; None: any."""
        self.abandoned = False
        """Whether nobody waits for the answer any more."""
        self.fault = ""
        """What went wrong, in half a sentence; empty if the server itself has answered."""
        self.lost = False
        """Whether the connection is of no more use."""


_reply: ContextVar[Reply] = ContextVar("orbit_mcp_reply")


@contextmanager
def replying(seconds: float | None = None) -> Iterator[Reply]:
    """Yield what becomes of the last request of the block. The SDK sends each in the context of its caller.

    ``seconds`` is the longest silence of the server. After the block, nobody waits for answers to its requests, but
    the SDK reads on, so the transport ends them.
    """
    reply = Reply(seconds)
    token = _reply.set(reply)
    try:
        yield reply
    finally:
        reply.abandoned = seconds is not None
        _reply.reset(token)


def current() -> Reply:
    """Return where to note what becomes of the present request."""
    return _reply.get(Reply())
