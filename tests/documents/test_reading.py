"""Each file is read in a process that can be killed: a file that never ends, or takes all memory, costs only itself."""

import asyncio
import sys
from pathlib import Path

import pytest

from orbit.config.model import Ingest
from orbit.documents.reading.pool import Reading
from orbit.documents.sections import UnreadableError

LONG = b"word " * 2_000_000


def children():
    """The processes that this one started and that still run."""
    return {child for path in Path("/proc/self/task").glob("*/children") for child in path.read_text("ascii").split()}


async def test_passages_come_with_their_source_and_digest():
    async with Reading(Ingest(readers=1)) as reading:
        (passage,) = (await reading.read("a/b.txt", b"hello", "the digest")).documents
    assert (passage.source, passage.text, passage.digest) == ("a/b.txt", "b\n\nhello", "the digest")


async def test_a_file_that_takes_too_long_is_named_and_the_next_is_read():
    async with Reading(Ingest(readers=1, read_timeout=0.05)) as reading:
        with pytest.raises(UnreadableError, match=r"could not be read within 0.05 s \(ingest.read_timeout\)"):
            await reading.read("long.txt", LONG, "")
        with pytest.raises(UnreadableError, match="could not be read within"):
            await reading.read("long.txt", LONG, "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts a process's memory")
async def test_a_file_that_needs_too_much_memory_is_named_and_the_next_is_read():
    async with Reading(Ingest(readers=1, read_memory=8_000_000)) as reading:
        with pytest.raises(UnreadableError, match=r"needs more than 8,000,000 bytes of memory \(ingest.read_memory\)"):
            await reading.read("long.txt", LONG * 2, "")
        assert (await reading.read("short.txt", b"hello", "")).documents


async def test_leaving_ends_all_processes():
    before = children()
    async with Reading(Ingest(readers=2)) as reading:
        await asyncio.gather(*(reading.read(f"{number}.txt", b"hello", "") for number in range(4)))
        assert len(children() - before) == 2 or sys.platform != "linux"
    assert not children() - before


async def test_cancelling_ends_the_process_that_reads():
    before = children()

    async def read():
        async with Reading(Ingest(readers=1)) as reading:
            await reading.read("short.txt", b"hello", "")
            started.set()
            await reading.read("long.txt", LONG * 5, "")

    started = asyncio.Event()
    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not children() - before
