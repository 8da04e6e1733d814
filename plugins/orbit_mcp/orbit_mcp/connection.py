"""The connection to one MCP server: kept up, made again with growing pauses, and never in the way of others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from orbit import Host, ProviderError, ToolResult
from orbit.sanitize import printable, without_secrets
from orbit_mcp.asking import SHARE, elicitation, sampling
from orbit_mcp.ended import Ended
from orbit_mcp.naming import Offered, offered
from orbit_mcp.reply import Reply, replying
from orbit_mcp.results import result_of
from orbit_mcp.settings import ServerSettings
from orbit_mcp.stdio import process_streams

if TYPE_CHECKING:
    import mcp

logger = logging.getLogger("orbit.mcp")

_FIRST_PAUSE: Final = 1.0
"""Seconds before the second attempt. Each further one doubles them."""
_LONGEST_PAUSE: Final = 60.0
_STEADY: Final = 60.0
"""Seconds of a connection after which its end begins a new count of attempts."""
_SILENT_CALLS: Final = 3
"""Calls in a row without an answer after which the server is started again."""
_PAGES: Final = 20
"""Most pages of a list of tools."""
_MOST_TOOLS: Final = 500
_AWAY: Final = "The server of this tool is not available at the moment."


class Connection:
    """One server. ``start`` connects in the background; ``stop`` closes everything. ``tools`` are in memory."""

    def __init__(self, name: str, settings: ServerSettings, host: Host) -> None:
        self.name = name
        self.tools: Sequence[Offered] = ()
        self.reason = "it has not started yet"
        """Why it is not connected, in half a sentence; empty if it is."""
        self.tried = asyncio.Event()
        """Set after the first attempt, whatever came of it."""
        self.calls = 0
        self.errors = 0
        self.connected = 0
        """How often a connection was made."""
        self._settings = settings
        self._host = host
        self._client: mcp.Client | None = None
        self._ended = Ended()
        self._changed = asyncio.Event()
        self._silent = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._keep(), name=f"mcp server {self.name}")

    async def stop(self) -> None:
        """Close the connection and end the process."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def own_name(self, tool: str) -> str | None:
        """Return the server's own name for a tool that models call by ``tool``; None if it offers no such tool."""
        return next((item.name for item in self.tools if item.tool is not None and item.tool.name == tool), None)

    async def call(self, tool: str, arguments: dict[str, Any]) -> ToolResult:
        """Call a tool by the server's own name for it. Raises ProviderError."""
        client, ended = self._client, self._ended
        if client is None:
            raise self.unavailable()
        self.calls += 1
        with replying(self._settings.timeout) as reply:
            limit = asyncio.timeout(self._settings.timeout)
            try:  # a timeout of our own: a server may answer with the code that the SDK has for its own
                async with limit:
                    result = await client.call_tool(tool, arguments, read_timeout_seconds=math.inf)
            except Exception as error:
                self.errors += 1
                if limit.expired():
                    raise self._silence() from error
                self._silent = 0
                return self._failed(error, reply, ended)
        self._silent = 0
        answer = result_of(result)
        self.errors += answer.error
        return answer

    def _failed(self, error: Exception, reply: Reply, ended: Ended) -> ToolResult:
        """Return what the server says of a call that failed. Raises ProviderError if it says nothing to the model."""
        from mcp import MCPError  # noqa: PLC0415  # importing the plugin stays cheap
        from mcp_types import PARSE_ERROR  # noqa: PLC0415  # the same

        if isinstance(error, ProviderError):
            raise error
        if reply.lost:
            ended.end(reply.fault)
        if ended.over or reply.fault:
            raise self.unavailable(ended.reason or reply.fault or "the connection is closing") from error
        if isinstance(error, MCPError) and error.code != PARSE_ERROR:
            return ToolResult(f"The call failed: {printable(error.message)[:1000]}", error=True)
        if isinstance(error, MCPError) or _is_wrong(error):
            raise ProviderError(
                f"the MCP server '{self.name}' answered what is no result of a tool: {_reason(error)}.",
                client="The server of this tool gave an answer that cannot be used.",
            ) from error
        ended.end(_reason(error))
        raise self.unavailable(ended.reason) from error

    def unavailable(self, reason: str = "") -> ProviderError:
        """Return the error of a call while there is no connection, by default for the present ``reason``."""
        sentence = f"the MCP server '{self.name}' is not available: {reason or self.reason}."
        return ProviderError(sentence, client=_AWAY, kind="unavailable", retryable=True)

    def _silence(self) -> ProviderError:
        """Count a call without an answer; after some in a row, end the connection."""
        self._silent += 1
        if self._silent >= _SILENT_CALLS:
            self._ended.end(f"it gave no answer to {self._silent} calls in a row")
        seconds = f"{self._settings.timeout:g} s (servers.{self.name}.timeout)"
        sentence = f"the MCP server '{self.name}' gave no answer within {seconds}."
        return ProviderError(sentence, kind="timeout", retryable=True, retried=True)

    async def _keep(self) -> None:
        """Connect, and connect again, until the task is cancelled."""
        attempts = 0
        while True:
            began = time.monotonic()
            self._ended = Ended()
            try:
                await self._connect()
            except asyncio.CancelledError:
                self._lost("it is stopping")
                raise
            except BaseException as error:  # noqa: BLE001  # libraries raise groups of what a server makes them raise
                self._ended.end(_reason(error))
            told = f" ({self._ended.said})" if self._ended.said else ""
            self._lost(f"{self._ended.reason}{told}")
            attempts = 0 if self.connected and time.monotonic() - began > _STEADY else attempts + 1
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts - 1, 10)) if attempts else _FIRST_PAUSE
            logger.warning("the MCP server %s: %s; next attempt in %g s", self.name, self.reason, pause)
            self.tried.set()
            await asyncio.sleep(pause)

    def _lost(self, reason: str) -> None:
        self.reason, self._client, self.tools = reason, None, ()

    async def _connect(self) -> None:
        """Connect, list the tools, and stay until the connection ends. Raises whatever the SDK raises."""
        import mcp  # noqa: PLC0415  # importing the plugin stays cheap

        from orbit_mcp.http import http_streams  # noqa: PLC0415  # the same

        settings, ended = self._settings, self._ended
        streams = process_streams(self.name, settings, ended) if settings.command else http_streams(settings, ended)
        async with AsyncExitStack() as stack:
            client = mcp.Client(
                streams,
                read_timeout_seconds=settings.start_timeout,
                message_handler=self._hear,
                sampling_callback=sampling(self.name, self._host, SHARE * settings.timeout)
                if settings.sampling
                else None,
                elicitation_callback=elicitation(settings.elicitation) if settings.elicitation else None,
                client_info=mcp.Implementation(name="orbit", version="2"),
                cache=None,
            )
            watching = asyncio.create_task(ended.event.wait())
            stack.callback(watching.cancel)
            async with _interrupted_by(watching), asyncio.timeout(settings.start_timeout), _plain_faults():
                await stack.enter_async_context(client)
                self._offer(await self._listed(client))
            stack.push_async_callback(self._leave, asyncio.create_task(self._subscribe(client)))
            self.reason, self._client, self._silent = "", client, 0
            self.connected += 1
            self.tried.set()
            logger.info(
                "the MCP server %s offers %d tools", self.name, sum(item.tool is not None for item in self.tools)
            )
            try:
                await self._stay(client, watching)
            finally:
                ended.closing = True

    async def _stay(self, client: mcp.Client, watching: asyncio.Task[Any]) -> None:
        """Read the list of tools again whenever it changes, until the connection ends.

        There is a pause between two readings: a server may say without end that its tools have changed.
        """
        while not watching.done():
            changing = asyncio.create_task(self._changed.wait())
            try:
                await asyncio.wait([watching, changing], return_when=asyncio.FIRST_COMPLETED)
            finally:
                changing.cancel()
            if self._changed.is_set() and not watching.done():
                self._changed.clear()
                async with asyncio.timeout(self._settings.start_timeout), _plain_faults():
                    found = await self._listed(client)
                if found != self.tools:
                    logger.info("the MCP server %s changed its tools", self.name)
                    self._offer(found)
                await asyncio.wait([watching], timeout=_FIRST_PAUSE)

    def _offer(self, found: Sequence[Offered]) -> None:
        """Offer these tools, and tell the operator of those that cannot be offered as the server lists them."""
        self.tools = found
        for item in found:
            if item.mistake:
                logger.warning(
                    "the MCP server %s: the tool %r is not offered: it %s", self.name, item.name[:100], item.reason
                )

    async def _listed(self, client: mcp.Client) -> list[Offered]:
        """Return the server's tools, of all pages."""
        found: list[Any] = []
        cursor: str | None = None
        for _ in range(_PAGES):
            page = await client.list_tools(cursor=cursor)
            found += page.tools
            cursor = page.next_cursor
            if not cursor or len(found) > _MOST_TOOLS:
                break
        if cursor or len(found) > _MOST_TOOLS:
            limits = f"{_MOST_TOOLS} tools or {_PAGES} pages"
            logger.warning("the MCP server %s lists more than %s; the rest is left out", self.name, limits)
        return offered(self.name, self._settings, found[:_MOST_TOOLS])

    async def _subscribe(self, client: mcp.Client) -> None:
        """Hear of changes from servers of the protocol's later versions, which send them on request only.

        A subscription that ends, as servers may end one at any time, is made again. What changed before one began is
        not told, so the list is read once more.
        """
        from mcp import MCPError  # noqa: PLC0415  # importing the plugin stays cheap
        from mcp.client.subscriptions import ListenNotSupportedError  # noqa: PLC0415  # the same
        from mcp_types import METHOD_NOT_FOUND  # noqa: PLC0415  # the same

        capability = client.server_capabilities.tools
        if capability is None or not capability.list_changed:
            return
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                async with client.listen(tools_list_changed=True) as events:
                    self._changed.set()
                    async for _ in events:
                        self._changed.set()
            except ListenNotSupportedError:
                return
            except Exception as error:  # noqa: BLE001  # whatever ended it, it is made again
                if isinstance(error, MCPError) and error.code == METHOD_NOT_FOUND:
                    return
                logger.debug("%s: the subscription to its tools broke off: %s", self.name, error)
            await asyncio.sleep(pause)
            pause = _FIRST_PAUSE if time.monotonic() - began > _STEADY else min(_LONGEST_PAUSE, pause * 2)

    async def _leave(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.wait([task])

    async def _hear(self, message: Any) -> None:
        if getattr(message, "method", "") == "notifications/tools/list_changed":
            self._changed.set()


@contextlib.asynccontextmanager
async def _plain_faults() -> AsyncGenerator[None, None]:
    """Say what went wrong over HTTP, for which the SDK has a general sentence. Raises ConnectionError."""
    with replying() as reply:
        try:
            yield
        except Exception as error:
            if reply.fault:
                raise ConnectionError(reply.fault) from error
            raise


@contextlib.asynccontextmanager
async def _interrupted_by(event: asyncio.Task[Any]) -> AsyncGenerator[None, None]:
    """Cancel the body when ``event`` is done: a server that has ended answers no handshake. Raises ConnectionError."""
    task = asyncio.current_task()
    assert task is not None
    interrupted = False

    def interrupt(_: asyncio.Task[Any]) -> None:
        nonlocal interrupted
        if not event.cancelled():
            interrupted = True
            task.cancel()

    event.add_done_callback(interrupt)
    try:
        yield
    except asyncio.CancelledError:
        if interrupted and task.uncancel() == 0:
            raise ConnectionError("it ended while it was starting") from None
        raise
    finally:
        event.remove_done_callback(interrupt)


def _is_wrong(error: BaseException) -> bool:
    """Return whether an answer came that is not of the protocol; the connection can go on."""
    return type(error).__module__.startswith(("pydantic", "jsonschema")) or isinstance(error, RuntimeError | ValueError)


def _reason(error: BaseException) -> str:
    """Return an error as half a sentence, without secrets."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError):
        return "it did not start in time (start_timeout)"
    mistakes: list[dict[str, Any]] = getattr(error, "errors", list)() if _is_wrong(error) else []
    if mistakes:  # pydantic's text has several lines and an address
        where = ".".join(map(str, mistakes[0]["loc"]))
        return f"it sent what breaks the protocol: {printable(where)[:100]}: {mistakes[0]['msg']}"
    text = without_secrets(printable(" ".join(str(error).split())))[:300].rstrip(".")
    return text or type(error).__name__
