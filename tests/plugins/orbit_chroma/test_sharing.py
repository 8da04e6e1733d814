"""One embedded database and two processes: `orbit ingest` beside a running server."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import store_kit
from orbit_chroma import embedded
from orbit_chroma.sharing import Gate, WriteLog

import orbit

pytestmark = pytest.mark.processes

CONTEXT = orbit.CallContext(request_id="test")
MANY = {"max_results": 100, "return_results": 100}

OTHER_PROCESS = """
import asyncio
from pathlib import Path
import orbit
from store_kit import WordHost
from orbit_chroma import ChromaProvider

async def main():
    async with ChromaProvider("chroma", ChromaProvider.Settings(), WordHost(Path({data!r}))) as store:
        for number in range({first}, {last}):
            document = orbit.Document(id=f"n{{number}}", text=f"number {{number}}", source=f"s{{number}}", digest="d")
            await store.index("docs", [document], orbit.CallContext("other"))

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def _kits(monkeypatch):
    """Other processes find the kit, too."""
    monkeypatch.setenv("PYTHONPATH", str(Path(store_kit.__file__).parent))


def other_process(host, first, last):
    code = OTHER_PROCESS.format(data=str(host.data_dir), first=first, last=last)
    return [sys.executable, "-c", code]


async def eventually(store, text):
    async with asyncio.timeout(30):
        while True:
            found = await store.retrieve(orbit.Query(text, collection="docs"), 100, CONTEXT)
            if text in {document.text for document in found}:
                return
            await asyncio.sleep(0.1)


async def test_what_another_process_writes_is_found(host, opened):
    async with opened(host, **MANY) as store:
        await store.index("docs", [orbit.Document(id="own", text="own", source="own", digest="d")], CONTEXT)
        await eventually(store, "own")
        await asyncio.to_thread(subprocess.run, other_process(host, 0, 3), check=True)
        await eventually(store, "number 2")
        assert set(await store.list_sources("docs")) == {"own", "s0", "s1", "s2"}


async def test_processes_that_write_at_the_same_time_lose_nothing(host, opened):
    async with opened(host, **MANY) as store:
        await store.index("docs", [orbit.Document(id="first", text="first", source="first", digest="d")], CONTEXT)
        other = subprocess.Popen(other_process(host, 0, 20))  # noqa: ASYNC220 - starting it takes no time
        try:
            for number in range(100, 140):
                document = orbit.Document(id=f"n{number}", text=f"number {number}", source=f"s{number}", digest="d")
                await store.index("docs", [document], CONTEXT)
                await store.retrieve(orbit.Query("number", collection="docs"), 1, CONTEXT)
                await asyncio.sleep(0.02)
        finally:
            assert await asyncio.to_thread(other.wait, 60) == 0
        expected = {"first", *(f"s{number}" for number in (*range(20), *range(100, 140)))}
        assert set(await store.list_sources("docs")) == expected
        for number in (0, 10, 19, 100, 120, 139):
            await eventually(store, f"number {number}")
    async with opened(host, **MANY) as store:  # What is on the disk is whole, too.
        assert set(await store.list_sources("docs")) == expected
        for number in (0, 19, 100, 139):
            await eventually(store, f"number {number}")


async def test_the_database_is_opened_again_only_when_others_wrote(host, opened, monkeypatch):
    openings = []
    open_it = embedded.Embedded._open

    def counted(self):
        openings.append(1)
        return open_it(self)

    monkeypatch.setattr(embedded.Embedded, "_open", counted)
    monkeypatch.setattr(embedded, "REFRESH_SECONDS", 0.0)
    async with opened(host, collection="docs") as store:
        for number in range(3):
            document = orbit.Document(id=str(number), text=f"number {number}", source="s")
            await store.index("docs", [document], CONTEXT)
            await store.retrieve(orbit.Query("number"), 1, CONTEXT)
        assert len(openings) == 1
        with WriteLog(host.data_dir / "chroma").turn() as sign:
            sign()
        await asyncio.gather(*(store.retrieve(orbit.Query("number"), 1, CONTEXT) for _ in range(20)))
        assert len(openings) == 2


def test_the_write_log_counts_up(tmp_path):
    log = WriteLog(tmp_path)
    assert log.size() == 0
    with log.turn() as sign:
        assert sign() == 1
        assert sign() == 2
    assert log.size() == WriteLog(tmp_path).size() == 2


def test_alone_waits_for_the_others_and_keeps_them_out():
    gate, events = Gate(), []
    inside, leave = threading.Event(), threading.Event()

    def shared(name):
        with gate.shared():
            events.append(f"{name} in")
            inside.set()
            assert leave.wait(10)
            events.append(f"{name} out")

    def alone():
        with gate.alone():
            events.append("alone")

    threads = [threading.Thread(target=shared, args=("first",)), threading.Thread(target=alone)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    while not gate._alone:
        pass
    threads.append(threading.Thread(target=shared, args=("second",)))
    threads[2].start()
    leave.set()
    for thread in threads:
        thread.join(10)
    assert events == ["first in", "first out", "alone", "second in", "second out"]


@pytest.mark.parametrize("missing", ["folder", "file"])
def test_a_write_log_that_is_not_there_is_empty(tmp_path, missing):
    assert WriteLog(tmp_path / "x" if missing == "folder" else tmp_path).size() == 0


@pytest.mark.parametrize("writes", [5, 20])
async def test_a_writer_that_is_killed_leaves_whole_sources_and_no_lock(host, opened, writes):
    async with opened(host, **MANY) as store:
        await store.index("docs", [orbit.Document(id="own", text="own", source="own", digest="d")], CONTEXT)
        log = WriteLog(host.data_dir / "chroma")
        start = log.size()
        other = subprocess.Popen(other_process(host, 0, 1_000_000))  # noqa: ASYNC220 - starting it takes no time
        try:
            async with asyncio.timeout(60):
                while log.size() < start + writes:  # noqa: ASYNC110 - the sign comes from another process
                    await asyncio.sleep(0.001)
        finally:
            other.kill()
            await asyncio.to_thread(other.wait)
        await store.index("docs", [orbit.Document(id="last", text="last", source="last", digest="d")], CONTEXT)
        sources = await store.list_sources("docs")
        assert {"own", "last", "s0"} <= set(sources)
        assert set(sources.values()) == {"d"}
        for text in ("own", "last", "number 0"):
            await eventually(store, text)
