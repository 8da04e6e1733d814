"""Reads files in processes that can be killed: a deadline and a memory limit for each file."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec

from orbit.config.model import Ingest
from orbit.documents.reading.process import MOST_TEXT, Reply, Request, Start, receive, send
from orbit.documents.sections import UnreadableError
from orbit.host.documents.file_plugins import FilePlugins

NO_PLUGINS = FilePlugins()

logger = logging.getLogger("orbit.ingest")

_MOST_REPLY = 8 * MOST_TEXT
_PROGRAM = """import json, sys
sys.path[:] = json.loads(sys.argv[1])
from orbit.documents.reading.process import main
main()"""
"""The process imports what its parent would: plugins too."""


class Reading:
    """The reading processes of one ingestion: as many as ``ingest.readers`` allows, started when they are needed.

    Enter it (``async with``). Leaving it ends all processes, whatever they are doing.
    """

    def __init__(self, settings: Ingest, plugins: FilePlugins = NO_PLUGINS) -> None:
        self._settings = settings
        self._start = Start(settings, plugins)
        self.width = settings.readers or os.cpu_count() or 1
        """Files that are read at the same time."""
        self._free = asyncio.Semaphore(self.width)
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self._all:
            process.kill()
        loop = asyncio.get_running_loop()
        ends = [loop.run_in_executor(None, process.end) for process in self._all]
        await asyncio.shield(asyncio.gather(*ends))  # whoever cancels may do so again

    async def read(self, source: str, content: bytes, digest: str) -> Reply:
        """Return a file's passages and warnings. Raises UnreadableError with the reason if there are none."""
        async with self._free:
            process = self._idle.pop() if self._idle else _Process()
            self._all.add(process)
            try:
                reply = await self._ask(process, Request(source, content, digest))
            except BaseException:
                process.kill()
                raise
            if reply.spent:
                process.kill()
            else:
                self._idle.append(process)
        if reply.fault:
            logger.error("%s %s\n%s", source, reply.unreadable, reply.fault)
        if reply.unreadable:
            raise UnreadableError(reply.unreadable)
        return reply

    async def _ask(self, process: _Process, request: Request) -> Reply:
        seconds = self._settings.read_timeout
        try:
            await asyncio.to_thread(process.start, self._start)
        except (OSError, _EndedError) as error:
            reason = f"cannot be read: the process that reads did not start: {error}"
            raise UnreadableError(reason, passing=True) from error
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.to_thread(process.ask, request)
        except TimeoutError as error:
            raise UnreadableError(f"could not be read within {seconds:g} s (ingest.read_timeout)") from error
        except _EndedError as error:
            raise UnreadableError(f"ended the process that read it ({error})") from error


class _EndedError(Exception):
    """The process ended before it answered. The message is its exit code or signal, or what it said itself."""


class _Process:
    """A reading process. Its methods block, except ``kill``."""

    def __init__(self) -> None:
        self._popen: subprocess.Popen[bytes] | None = None
        self._killed = False

    def start(self, start: Start) -> None:
        """Start the process, unless it runs already. Raises OSError or _EndedError."""
        if self._popen is not None:
            return
        self._popen = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-c", _PROGRAM, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a group of its own: killed with all that it started, spared by Ctrl-C
        )
        if self._killed:
            self.kill()
        if problem := msgspec.msgpack.decode(self._exchange(start), type=str):
            self.kill()
            raise _EndedError(problem)

    def ask(self, request: Request) -> Reply:
        """Return the reply to a request. Raises _EndedError if the process ends first."""
        return msgspec.msgpack.decode(self._exchange(request), type=Reply)

    def kill(self) -> None:
        """End the process, with all that it started. Whoever waits for its reply then cleans up."""
        self._killed = True
        if self._popen is None or self._popen.returncode is not None:
            return
        if sys.platform == "win32":
            self._popen.kill()
        else:
            os.killpg(self._popen.pid, signal.SIGKILL)

    def end(self) -> str:
        """Wait for the end of the process and release its pipes. Return how it ended."""
        if self._popen is None:
            return "not started"
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        with suppress(OSError):  # a request that it did not take
            self._popen.stdin.close()
        self._popen.stdout.close()
        code = self._popen.wait()
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name

    def _exchange(self, message: Start | Request) -> bytes:
        assert self._popen is not None
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        try:
            send(self._popen.stdin, msgspec.msgpack.encode(message))
            reply = receive(self._popen.stdout, _MOST_REPLY)
        except (OSError, ValueError):
            reply = b""
        if not reply:
            self.kill()
            raise _EndedError(self.end())
        return reply
