"""A turn in one process, from the bytes of its request to those of its response, with a model that answers at once.

    .venv/bin/python bench/turn.py [--route chat|openai] [--stream] [--instructions]

Prints processor time, the least of ten rounds, for ORBIT and for an ASGI application that answers the same and does
nothing else. ``--instructions`` counts instructions under valgrind instead (Debian: ``apt install valgrind``). They
show changes of a hundredth, which no time shows. Compare them on an idle machine: what ORBIT gathers for some
milliseconds gathers less on a busy one, which raises the count by more than a tenth.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import load
import msgspec
import uvicorn
import uvloop
from orbit_server import make_orbit
from uvicorn.lifespan.on import LifespanOn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

import orbit
from orbit.serving.http_protocol import LimitedProtocol

PIECES = [f" token{number}" for number in range(64)]
COUNTED = 1000
"""Turns whose instructions are counted."""


class AtOnce(orbit.Provider):
    """Answers after one turn of the event loop."""

    @orbit.hookimpl
    async def generate(
        self,
        messages: Sequence[orbit.Message],
        options: orbit.GenerateOptions,
    ) -> AsyncIterator[orbit.Chunk]:
        """Yield the pieces of an answer, or all of them as one."""
        await asyncio.sleep(0)
        for piece in PIECES if options.stream else ["".join(PIECES)]:
            yield orbit.Chunk(piece)


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """Answer the same without ORBIT."""
    del scope
    stream = msgspec.json.decode((await receive())["body"])["stream"]
    await asyncio.sleep(0)
    pieces = [msgspec.json.encode({"text": piece}) for piece in (PIECES if stream else ["".join(PIECES)])]
    length = [] if stream else [(b"content-length", str(len(pieces[0])).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    for number, piece in enumerate(pieces, 1):
        await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})


class Wire(asyncio.Transport):
    """The transport of a connection. ``whole`` says whether the last byte of a response has been written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = b""

    def write(self, data: Any) -> None:
        """Take bytes of a response."""
        self.written += data

    def is_closing(self) -> bool:
        """Return False: it stays open."""
        return False

    def resume_reading(self) -> None:
        """Do nothing: requests come one after the other."""

    @property
    def whole(self) -> bool:
        head, found, body = self.written.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        return bool(found) and (len(body) == int(length[1]) if length else body.endswith(b"0\r\n\r\n"))


async def measure(options: argparse.Namespace, app: Any, protocol: type[HttpToolsProtocol], key: str) -> float:
    """Return the processor seconds of a turn; with ``--turns``, run so many and return 0."""
    config = uvicorn.Config(app, log_config=None, proxy_headers=False, access_log=False)
    config.load()
    lifespan = LifespanOn(config)
    if app is not bare:
        await lifespan.startup()
    if options.route == "openai":
        talk: Any = {"model": "orbit", "messages": [{"role": "user", "content": "How are you?"}]}
        path, headers = "/v1/chat/completions", {"Authorization": f"Bearer {key}"}
    else:
        talk, path, headers = {"message": "How are you?"}, "/chat", {"X-API-Key": key}
    request = load.post(1, path, msgspec.json.encode({**talk, "stream": options.stream}), headers)
    connection, wire = protocol(config, ServerState(), lifespan.state, asyncio.get_running_loop()), Wire()
    connection.connection_made(wire)

    async def turns(number: int) -> None:
        for _ in range(number):
            connection.data_received(request)
            while not wire.whole:  # noqa: ASYNC110  # no event tells when the response has left
                await asyncio.sleep(0)
            assert wire.written.startswith(b"HTTP/1.1 200"), wire.written
            wire.written = b""

    await turns(200)  # warm up
    gc.collect()
    if options.turns is not None:
        await turns(options.turns)
        os._exit(0)  # stopping would count, too
    rounds = []
    for _ in range(10):
        before = time.process_time()
        await turns(COUNTED)
        rounds.append((time.process_time() - before) / COUNTED)
    if app is not bare:
        await lifespan.shutdown()
    return min(rounds)


def instructions(side: str) -> float:
    """Return the instructions of a turn: what more turns need more."""
    counts = []
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, *sys.argv]
    for turns in (0, COUNTED):
        command = [*valgrind, "--side", side, "--turns", str(turns)]
        told = subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, check=True)
        counts.append(int(told.stderr.decode().rsplit("Collected : ", 1)[1].split()[0]))
    return (counts[1] - counts[0]) / COUNTED


def timed(options: argparse.Namespace, side: str) -> float:
    """Return the processor seconds of a turn of one side."""
    if side == "bare":
        return uvloop.run(measure(options, bare, HttpToolsProtocol, "none"))
    with tempfile.TemporaryDirectory() as folder:
        app = make_orbit({"model": {}}, Path(folder), {"model": AtOnce})
        return uvloop.run(measure(options, app, LimitedProtocol, Path(folder, "key").read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--route", choices=("chat", "openai"), default="chat")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--instructions", action="store_true", help="count instructions under valgrind")
    parser.add_argument("--side", choices=("bare", "ORBIT"), help=argparse.SUPPRESS)
    parser.add_argument("--turns", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        timed(options, options.side)
    for side in ("bare", "ORBIT"):
        if options.instructions:
            print(f"{side:6}{instructions(side):10.0f} instructions a turn", flush=True)
        else:
            print(f"{side:6}{timed(options, side) * 1e6:10.1f} µs a turn", flush=True)


if __name__ == "__main__":
    main()
