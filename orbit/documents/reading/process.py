"""The process that reads files. Its parent kills it when a file takes too long.

Both speak in frames on the standard streams: the length in eight bytes, then a MessagePack message. Nothing that the
process sends is code, so a file that takes over a parser gains nothing in the parent.
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from orbit.config.model import Ingest
from orbit.errors import ProviderError
from orbit.host.documents.file_plugins import FilePlugins, Hooks
from orbit.types import CallContext, Document, Section

LENGTH = 8
"""Bytes of a frame's length."""
MOST_TEXT = 100_000_000
"""Limit of a file's text, in characters: a small file can unpack to more than a store should hold."""
_YOUNG = 200_000
"""New objects between two searches for garbage. By default it takes half of the time of a table of a million rows."""
_GRACE = 5
"""Seconds after the deadline when the kernel ends the process itself, in case its parent is gone."""


class Start(msgspec.Struct, frozen=True):
    """The first message to the process."""

    settings: Ingest
    plugins: FilePlugins


class Request(msgspec.Struct, frozen=True):
    """A file to read."""

    source: str
    content: bytes
    digest: str


class Reply(msgspec.Struct, frozen=True):
    """A file's passages, or why there are none: ``unreadable`` is about the file, ``fault`` about its reader."""

    documents: tuple[Document, ...] = ()
    warnings: tuple[str, ...] = ()
    unreadable: str = ""
    fault: str = ""
    """The traceback of an unexpected error, for the server log."""
    spent: bool = False
    """Whether the process should read no other file, because it ran out of memory."""


def main() -> None:
    """Answer requests until the parent closes the pipe."""
    requests, replies = _streams()
    start = msgspec.msgpack.decode(receive(requests), type=Start)
    for module in ("orbit.documents.reading.readers", "semantic_text_splitter"):
        importlib.import_module(module)  # before the limit: every file needs them
    gc.freeze()
    gc.set_threshold(_YOUNG)
    hooks, problem = None, ""
    try:
        hooks = Hooks(start.plugins) if start.plugins.plugins else None
    except ProviderError as error:
        problem = _line(error.message)
    send(replies, msgspec.msgpack.encode(problem))
    if problem:
        return
    decoder = msgspec.msgpack.Decoder(Request)
    while frame := receive(requests):
        _limit(start.settings.read_memory)
        _alarm(start.settings.read_timeout + _GRACE)
        try:
            answer = msgspec.msgpack.encode(_answer(decoder.decode(frame), start.settings, hooks))
        except MemoryError:
            answer = msgspec.msgpack.encode(_out_of_memory(start.settings))
        send(replies, answer)
        _alarm(0)


def receive(stream: IO[bytes], limit: int = sys.maxsize) -> bytes:
    """Return the next frame; empty at the end of the stream. Raises ValueError if it is longer than ``limit``."""
    length = int.from_bytes(stream.read(LENGTH), "big")
    if length > limit:
        raise ValueError(f"a frame of {length} bytes")
    return stream.read(length)


def send(stream: IO[bytes], frame: bytes) -> None:
    """Write a frame."""
    stream.write(len(frame).to_bytes(LENGTH, "big"))
    stream.write(frame)
    stream.flush()


def _answer(request: Request, settings: Ingest, hooks: Hooks | None) -> Reply:
    from orbit.documents.formats.encoding import assumed  # noqa: PLC0415  # the same
    from orbit.documents.formats.pdf.pictures import deadline  # noqa: PLC0415  # the same
    from orbit.documents.reading.plugin_readers import plugin_readers, sections_of  # noqa: PLC0415  # the same
    from orbit.documents.reading.readers import read  # noqa: PLC0415  # the parent imports this module too, and needs no parsers
    from orbit.documents.sections import UnreadableError  # noqa: PLC0415  # the same
    from orbit.documents.split import documents, split, titled  # noqa: PLC0415  # the same

    assumed.set(settings.encoding)
    try:
        context = CallContext("reading", deadline=time.monotonic() + settings.read_timeout)
        deadline.set(context.deadline)
        content = read(request.source, request.content, plugin_readers(hooks, context))
        if (size := sum(len(section.text) for section in content.sections)) > MOST_TEXT:
            raise UnreadableError(f"holds {size:,} characters of text, which is more than {MOST_TEXT:,}; divide it")
        title, warnings, sections = content.title, content.warnings, list(content.sections)
        del content
        named = titled(request.source, title, _taken(sections))
        if hooks is not None and hooks.split is not None:
            pieces: Iterable[Section] = sections_of(hooks.split(sections=list(named), context=context))
        else:
            pieces = split(named, settings)
        return Reply(tuple(documents(request.source, pieces, request.digest)), warnings)
    except Exception as error:  # noqa: BLE001  # parsers raise anything on a broken file
        if _is_out_of_memory(error):
            return _out_of_memory(settings)
        if isinstance(error, UnreadableError):
            return Reply(unreadable=_line(str(error)))
        if isinstance(error, RecursionError):
            return Reply(unreadable="is nested too deeply")
        import traceback  # noqa: PLC0415  # rarely needed

        reason = _line(str(error)) or "no reason given"
        return Reply(unreadable=f"cannot be read: {type(error).__name__}: {reason}", fault=traceback.format_exc())


def _taken(sections: list[Section]) -> Iterator[Section]:
    """Yield sections, and leave none: a million rows of a table take as much memory as their passages."""
    sections.reverse()
    while sections:
        yield sections.pop()


def _out_of_memory(settings: Ingest) -> Reply:
    needs = f"needs more than {settings.read_memory:,} bytes of memory (ingest.read_memory)"
    return Reply(unreadable=needs, spent=True)


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether memory ran out, also under an error that a reader raised because of it."""
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if isinstance(error, ImportError) and "failed to map segment" in str(error):  # the loader's word for it
            return True
        error = error.__cause__ or error.__context__
    return False


def _line(text: str) -> str:
    return " ".join(text[:1000].split())


def _streams() -> tuple[IO[bytes], IO[bytes]]:
    """Return the pipes from and to the parent. What libraries print goes nowhere instead of into the pipe."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    return requests, replies


def _limit(memory: int) -> None:
    """Limit the memory to ``memory`` bytes beyond today's. Only Linux counts it; elsewhere the deadline must do."""
    if sys.platform == "linux":
        import resource  # noqa: PLC0415  # Unix only

        today = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        wanted = today + memory
        resource.setrlimit(resource.RLIMIT_AS, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _alarm(seconds: float) -> None:
    """End the process after so many seconds, even inside a library that never returns; 0 for never."""
    if sys.platform != "win32":
        import signal  # noqa: PLC0415  # not on Windows

        signal.setitimer(signal.ITIMER_REAL, seconds)
