"""What one reading of the configuration serves with. A reload replaces it between requests."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from litestar import Litestar
from litestar.types import ASGIApp

from orbit.web.services import Services


class LoadedApp:
    """Services, the application on them, and the requests that run there.

    Entering it holds it open for a request. ``stack`` closes the services.
    """

    litestar: Litestar
    """Litestar with the routes."""
    entry: ASGIApp
    """The whole application: the middleware around Litestar."""

    def __init__(self, services: Services, stack: AsyncExitStack) -> None:
        self.services = services
        self.stack = stack
        self._running = 0
        self._retired = False
        self._idle = asyncio.Event()

    def __enter__(self) -> None:
        self._running += 1

    def __exit__(self, *_: object) -> None:
        self._running -= 1
        if self._retired and not self._running:
            self._idle.set()

    async def begin(self) -> None:
        """Open what may change something; the former application serves no new requests from here on."""
        await self.stack.enter_async_context(self.services.conversations)

    async def retire(self) -> None:
        """Wait for the running requests, then close the services."""
        self._retired = True
        if self._running:
            await self._idle.wait()
        await self.close()

    def hurry(self) -> None:
        """Wait for no request any more."""
        self._idle.set()

    async def close(self) -> None:
        """Close the services at once."""
        await self.stack.aclose()
