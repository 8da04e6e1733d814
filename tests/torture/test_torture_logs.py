"""The chat log under torture: many writers, killed writers, a long outage of Elasticsearch.

The suite runs a short version. The full one takes some minutes:
``ORBIT_TEST_TORTURE=full python -m pytest tests/torture -s``.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from elasticsearch_wire import FakeElasticsearch, answers, cuts, healthy, stores_and_cuts

from orbit.chatlog import Naming, read_lines
from orbit.chatlog.followers import follower_folder, read_state

FULL = os.environ.get("ORBIT_TEST_TORTURE") == "full"
WORKER = Path(__file__).with_name("worker.py")

pytestmark = [pytest.mark.processes, pytest.mark.timeout(1800 if FULL else 300)]


@contextmanager
def worker(**orders: Any) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(WORKER), json.dumps(orders)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finish(*processes: subprocess.Popen[str]) -> None:
    """Let workers end by themselves, in order."""
    for process in processes:
        process.communicate(timeout=1500)
        assert process.returncode == 0


def files_of(directory: Path) -> list[Path]:
    return [file.path for file in Naming("chat.log").files(directory)]


def lines_of(directory: Path) -> Iterator[bytes]:
    for path in files_of(directory):
        yield from (line.data for line in read_lines(path))


def by_worker(request_ids: Iterator[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for request_id in request_ids:
        name, _, number = request_id.rpartition("-")
        found[name].append(int(number))
    return found


def report(**figures: Any) -> None:
    print(" ".join(f"{name}={value}" for name, value in figures.items()))  # noqa: T201  shown with -s


def test_eight_writers_across_size_and_day(tmp_path):
    workers, count = 8, 100_000 if FULL else 1_500
    size = 20.0 if FULL else 0.5
    tomorrow = tmp_path / "tomorrow"
    started = time.monotonic()
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                worker(
                    directory=str(tmp_path / "logs"),
                    name=f"w{number}",
                    count=count,
                    max_size_mb=size,
                    tomorrow=str(tomorrow),
                )
            )
            for number in range(workers)
        ]
        for process in processes:
            _until_said(process, count // 4)
        tomorrow.touch()
        finish(*processes)
    seconds = time.monotonic() - started
    found = by_worker(json.loads(line)["request_id"] for line in lines_of(tmp_path / "logs"))
    assert found == {f"w{number}": list(range(count)) for number in range(workers)}, "each line whole, once, in order"
    paths = files_of(tmp_path / "logs")
    assert len({path.name[:15] for path in paths}) == 2, "two days"
    assert len(paths) > 4, "several files"
    assert all(path.stat().st_size <= size * 1_000_000 for path in paths)
    assert all(path.read_bytes().endswith(b"}\n") for path in paths)
    report(lines=workers * count, files=len(paths), seconds=round(seconds, 1))


def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path):
    kills = 20 if FULL else 3
    rest = 0.0 if FULL else 0.01
    acknowledged: dict[str, int] = {}
    chance = random.Random(7)
    directory = tmp_path / "logs"
    with worker(
        directory=str(directory), name="steady", count=10_000_000, group=50, max_size_mb=0.5, pause=rest
    ) as steady:
        for turn in range(kills):
            with worker(
                directory=str(directory), name=f"victim{turn}", count=10_000_000, group=20, pause=rest / 10
            ) as victim:
                assert victim.stdout is not None
                assert victim.stdout.readline()  # it is at work
                time.sleep(chance.uniform(0.01, 0.25))
                victim.kill()
                said = [int(line) for line in victim.communicate()[0].split()]
            acknowledged[f"victim{turn}"] = max(said, default=20)
        steady.kill()
        acknowledged["steady"] = max(int(line) for line in steady.communicate()[0].split())
    written = by_worker(_ids(directory))
    for name, count in acknowledged.items():
        assert written[name][:count] == list(range(count)), "nothing lost, in order, and others not disturbed"
    torn = sum(1 for line in lines_of(directory) if not _is_whole(line))
    assert torn <= kills + 1
    report(kills=kills, acknowledged=sum(acknowledged.values()), lost=0, torn_lines=torn)


def test_killed_servers_have_the_records_of_all_replies_older_than_a_second(tmp_path):
    kills, late = (20 if FULL else 2), 0
    replies: dict[str, float] = {}
    killed_at: list[tuple[float, set[str]]] = []
    for turn in range(kills):
        command = [sys.executable, str(WORKER.with_name("server.py")), str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                port, key = server.stdout.readline().split()
                mine: set[str] = set()
                clients = [
                    threading.Thread(target=_ask, args=(f"http://127.0.0.1:{port}", key, f"t{turn}c{n}", replies, mine))
                    for n in range(4)
                ]
                for client in clients:
                    client.start()
                _until(lambda: len(mine) >= 20)  # noqa: B023  called here
                time.sleep(1.2 + random.Random(turn).uniform(0.0, 0.5))
            finally:
                server.kill()
            killed_at.append((time.monotonic(), mine))
            for client in clients:
                client.join()
    on_disk = set(_ids(tmp_path / "logs"))
    for killed, mine in killed_at:
        missing = [request_id for request_id in mine if request_id not in on_disk]
        assert not [request_id for request_id in missing if replies[request_id] < killed - 1.0]
        late += len(missing)
    report(kills=kills, replies=len(replies), lost_of_the_last_second=late)


def _ask(url: str, key: str, name: str, replies: dict[str, float], mine: set[str]) -> None:
    """One client, asking until the server is gone."""
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=10) as client, suppress(httpx.TransportError):
        for number in itertools.count():
            request_id = f"{name}-{number}"
            response = client.post(
                "/chat", json={"message": "hi", "stream": False}, headers={"X-Request-ID": request_id}
            )
            assert response.headers["X-Request-ID"] == request_id
            if response.status_code == 200:
                replies[request_id] = time.monotonic()
                mine.add(request_id)


def test_elasticsearch_away_and_a_restart_in_between(tmp_path):
    workers, count = (4, 12_500) if FULL else (2, 500)
    outage = 6.0 if FULL else 1.0  # pauses are a hundredth of the usual ones: this is ten minutes to the follower
    directory = tmp_path / "logs"
    wire = FakeElasticsearch()
    with wire:
        pass  # from here on there is an address, and nobody at it

    def start(stack: ExitStack, first: int, number: int) -> list[subprocess.Popen[str]]:
        return [
            stack.enter_context(
                worker(
                    directory=str(directory),
                    name=f"w{n}",
                    first=first,
                    count=number,
                    elasticsearch=wire.url,
                    linger=True,
                )
            )
            for n in range(workers)
        ]

    half = count // 2
    with ExitStack() as stack:
        processes = start(stack, 0, half)
        for process in processes:
            _until_said(process, half)
        time.sleep(outage / 2)
        finish(*processes)
    state = read_state(follower_folder(directory, "elasticsearch"))
    assert state is not None
    assert (state.status, state.lag_records) == ("unavailable", workers * half)
    started = time.monotonic()
    with ExitStack() as stack:
        processes = start(stack, half, count - half)
        for process in processes:
            _until_said(process, count)
        time.sleep(outage / 2)
        # Coming back is not smooth: it refuses, cuts connections, and loses an answer.
        wire.fail(answers(503), answers(503), healthy(), answers(429), cuts(), stores_and_cuts(wire), answers(429))
        with wire:
            while len(wire.arrivals) < workers * count:
                assert time.monotonic() - started < (600 if FULL else 60)
                time.sleep(0.05)
            finish(*processes)
    documents = wire.all_documents()
    assert len(wire.arrivals) == len(set(wire.arrivals)) == len(documents) == workers * count, "each one, once"
    found = by_worker(document["request_id"] for document in documents)
    assert found == {f"w{n}": list(range(count)) for n in range(workers)}, "and in order"
    state = read_state(follower_folder(directory, "elasticsearch"))
    assert state is not None
    assert (state.sent + state.duplicates, state.rejected, state.lost_bytes) == (workers * count, 0, 0)
    report(documents=len(documents), answers_lost=state.duplicates)


def test_killed_followers_send_everything_once(tmp_path):
    kills = 20 if FULL else 2
    directory = tmp_path / "logs"
    with FakeElasticsearch() as wire, ExitStack() as stack:

        def start(name: str) -> subprocess.Popen[str]:
            orders = {"count": 10_000_000, "group": 20, "pause": 0.05, "elasticsearch": wire.url}
            process = stack.enter_context(worker(directory=str(directory), name=name, **orders))
            assert process.stdout is not None
            assert process.stdout.readline()  # it is at work
            return process

        running = [start("w0"), start("w1")]
        for turn in range(kills):
            running.append(start(f"w{turn + 2}"))
            before = len(wire.arrivals)
            _until(lambda: len(wire.arrivals) > before)  # noqa: B023  called here
            time.sleep(random.Random(turn).uniform(0.0, 0.2))
            running.pop(0).kill()  # the oldest one has the lock
        for process in running:
            process.kill()
            process.wait()
        with worker(directory=str(directory), name="last", count=10, elasticsearch=wire.url, linger=True) as last:
            _until_said(last, 10)
            written = set(_ids(directory))
            _until(lambda: len(wire.arrivals) >= len(written))
            finish(last)
        sent = [document["request_id"] for document in wire.all_documents()]
    assert len(sent) == len(set(sent)) == len(wire.arrivals), "nothing twice"
    assert set(sent) == written, "all that is in the files, and nothing else"
    state = read_state(follower_folder(directory, "elasticsearch"))
    assert state is not None
    report(kills=kills, documents=len(sent), sent_again=state.duplicates)


def _until(check: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not check():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def _ids(directory: Path) -> Iterator[str]:
    return (json.loads(line)["request_id"] for line in lines_of(directory) if _is_whole(line))


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _until_said(process: subprocess.Popen[str], number: int) -> None:
    assert process.stdout is not None
    while int(process.stdout.readline() or number) < number:
        pass
