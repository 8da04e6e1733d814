"""A transport to a server that is a process: its messages are limited, and it ends with the connection.

The SDK's own transport gathers a line of any length.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from orbit.sanitize import printable, without_secrets
from orbit_mcp.ended import Ended
from orbit_mcp.settings import ServerSettings, missing

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

logger = logging.getLogger("orbit.mcp")

_PATIENCE: Final = 2.0
"""Seconds for a process to end by itself, and again after SIGTERM."""
_PERIOD: Final = 0.02
_SAID: Final = 300
"""Characters of the last line on standard error that are kept."""


@asynccontextmanager
async def process_streams(name: str, settings: ServerSettings, ended: Ended) -> AsyncGenerator[TransportStreams, None]:
    """Start the process and yield the streams of its messages. Raises OSError with a sentence if it does not start."""
    import anyio  # noqa: PLC0415  # importing the plugin stays cheap
    from mcp.client.stdio import get_default_environment  # noqa: PLC0415  # the same

    try:
        process = await asyncio.create_subprocess_exec(
            settings.command,
            *settings.args,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**get_default_environment(), **settings.env},
            cwd=settings.cwd or None,
            limit=settings.max_bytes,
            start_new_session=sys.platform != "win32",
        )
    except OSError as error:
        raise OSError(_not_started(settings, error)) from error
    incoming, read = anyio.create_memory_object_stream[Any](0)
    write, outgoing = anyio.create_memory_object_stream[Any](0)
    tasks = [
        asyncio.create_task(_read(process, incoming, ended), name=f"read from {name}"),
        asyncio.create_task(_write(process, outgoing, ended), name=f"write to {name}"),
        asyncio.create_task(_listen(name, process, ended), name=f"read the errors of {name}"),
    ]
    try:
        yield read, write
    finally:
        ended.closing = True
        try:
            await _stop(process, ended)
        finally:
            _kill(process, "SIGKILL")
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for stream in (incoming, read, write, outgoing):
                stream.close()
            _release(process)


def _not_started(settings: ServerSettings, error: OSError) -> str:
    """Say what is missing. The event loops name no file, or different ones."""
    return missing(settings) or f"the program {settings.command!r} does not start: {error.strerror or error}"


async def _read(process: asyncio.subprocess.Process, incoming: Any, ended: Ended) -> None:
    """Pass the messages of the process on, until it closes its output or writes too much."""
    import anyio  # noqa: PLC0415  # importing the plugin stays cheap
    from mcp.shared.message import SessionMessage  # noqa: PLC0415  # the same
    from mcp_types import jsonrpc_message_adapter  # noqa: PLC0415  # the same

    assert process.stdout is not None
    garbage = 0
    try:
        while line := await process.stdout.readline():
            try:
                message = SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
            except ValueError:
                garbage += bool(line.strip())
                if garbage == 1:
                    ended.said = f"it writes what is no message: {_brief(line)}"
                if garbage > 100:  # noqa: PLR2004  # a server that logs to the wrong stream is tolerated
                    ended.broke("it writes lines that are no messages")
                    return
                continue
            await incoming.send(message)
        ended.broke("it ended")
    except ValueError:
        ended.broke("it sent a message that is larger than max_bytes")
    except (anyio.ClosedResourceError, anyio.BrokenResourceError):
        pass  # the connection is being closed
    finally:
        incoming.close()


async def _write(process: asyncio.subprocess.Process, outgoing: Any, ended: Ended) -> None:
    assert process.stdin is not None
    try:
        async for message in outgoing:
            data = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(data.encode() + b"\n")
            await process.stdin.drain()
    except OSError:
        ended.broke("it reads no more")


async def _listen(name: str, process: asyncio.subprocess.Process, ended: Ended) -> None:
    """Keep the last line of standard error, for people, and log all of them at DEBUG level."""
    assert process.stderr is not None
    with contextlib.suppress(ValueError):  # a line without end
        while line := await process.stderr.readline():
            if line.strip():
                ended.said = _brief(line)
                logger.debug("%s: %s", name, ended.said)
    while await process.stderr.read(65536):
        pass


def _brief(line: bytes) -> str:
    return without_secrets(printable(line[:_SAID].decode("utf-8", "replace").strip()))


async def _stop(process: asyncio.subprocess.Process, ended: Ended) -> None:
    """Close the input of the process, which tells it to end; then insist, at once if it has misbehaved."""
    if process.stdin is not None:
        process.stdin.close()
    for insist in ("SIGTERM", "SIGKILL"):
        if not ended.event.is_set() and await _gone(process):
            return
        _kill(process, insist)
        if await _gone(process):
            return


async def _gone(process: asyncio.subprocess.Process) -> bool:
    """Return whether the process ends within a time. ``wait()`` would also wait for those who have its pipes."""
    for _ in range(int(_PATIENCE / _PERIOD)):
        if process.returncode is not None:
            return True
        await asyncio.sleep(_PERIOD)
    return False


def _kill(process: asyncio.subprocess.Process, how: str) -> None:
    """Send a signal to the process and its children, if they are left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform != "win32":
            os.killpg(process.pid, getattr(signal, how))
        elif process.returncode is None:
            process.kill()


def _release(process: asyncio.subprocess.Process) -> None:
    """Close the pipes now, not when they are collected."""
    transport = getattr(process, "_transport", None)
    if transport is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            transport.close()
