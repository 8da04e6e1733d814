"""For tests of the Elasticsearch log: records, providers, and a look at what a server holds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from elasticsearch import Elasticsearch
from elasticsearch_wire import FakeElasticsearch
from orbit_es import ElasticsearchLog, ElasticsearchSettings
from orbit_es.follower import Follower

import orbit
from orbit.chatlog import FollowerState
from orbit.chatlog.followers import follower_folder, read_state
from orbit.chatlog.provider import FileLog
from orbit.chatlog.settings import FileLogSettings
from orbit.config.environment import environment

CONTEXT = orbit.CallContext(request_id="r")


class Elastic:
    """A server as a user sees it, through the client."""

    def __init__(self, url: str, index: str) -> None:
        self.url = url
        self.index = index
        self.client = Elasticsearch(url)

    def close(self) -> None:
        self.client.close()

    def request_ids(self) -> list[str]:
        """All records, in the order in which they were written."""
        self.client.indices.refresh(index=f"{self.index}*")
        found = self.client.search(index=f"{self.index}*", size=10_000, sort=["log.position"], query={"match_all": {}})
        return [hit["_source"]["request_id"] for hit in found["hits"]["hits"]]

    def clean(self) -> None:
        """Remove all that a test made."""
        with contextlib.suppress(Exception):
            self.client.indices.delete_data_stream(name=f"{self.index}*")
        with contextlib.suppress(Exception):
            self.client.indices.delete(index=f"{self.index}*")
        with contextlib.suppress(Exception):
            self.client.indices.delete_index_template(name=f"{self.index}*")


@contextlib.contextmanager
def stand_in(index: str) -> Iterator[Elastic]:
    with FakeElasticsearch() as wire:
        server = Elastic(wire.url, index)
        yield server
        server.close()


def record(number: int, **fields: Any) -> orbit.ChatRecord:
    return msgspec.structs.replace(
        orbit.ChatRecord(timestamp=time.time(), request_id=f"r{number}", query=f"question {number}", response="answer"),
        **fields,
    )


def file_log(directory: Path, **settings: Any) -> FileLog:
    given = msgspec.convert({"directory": str(directory), **settings}, FileLogSettings)
    return FileLog("files", given, None)  # type: ignore[arg-type]  # it asks nothing of its host


class Surroundings:
    """A host with nothing but environment variables."""

    chat_log = None

    @property
    def environment(self) -> dict[str, str]:
        return environment(Path(os.environ.get("ORBIT_CONFIG") or "config.yaml").parent)


def elasticsearch_log(directory: Path, url: str, index: str = "orbit-chat", **settings: Any) -> ElasticsearchLog:
    values = {
        "node": url,
        "index": index,
        "directory": str(directory),
        "filename": "chat.log",
        "batch_seconds": 0.05,
        "request_timeout": 0.5,
        "retry_seconds": 0.2,
    }
    given = msgspec.convert({**values, **settings}, ElasticsearchSettings)
    return ElasticsearchLog("elasticsearch", given, Surroundings())  # type: ignore[arg-type]  # all that it asks for


@contextlib.asynccontextmanager
async def logging_to(
    directory: Path, url: str, index: str = "orbit-chat", file_settings: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[tuple[FileLog, ElasticsearchLog]]:
    """Both providers, started as the host starts them: entered, then told that all are ready."""
    async with (
        elasticsearch_log(directory, url, index, **settings) as elastic,
        file_log(directory, **(file_settings or {})) as files,
    ):
        await files.ready()
        await elastic.ready()
        yield files, elastic


async def eventually(check: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.02)


def numbers(count: int, start: int = 0) -> list[str]:
    return [f"r{number}" for number in range(start, start + count)]


def state_of(directory: Path) -> FollowerState:
    """What the follower has saved."""
    state = read_state(follower_folder(directory, "elasticsearch"))
    assert state is not None
    return state


def follower_of(log: Any) -> Follower:
    """The follower of a started provider."""
    follower = log._follower
    assert isinstance(follower, Follower)
    return follower


def state_in(log: Any) -> FollowerState:
    """How far a started provider is."""
    state = follower_of(log).state()
    assert isinstance(state, FollowerState)
    return state


def sent(directory: Path, count: int) -> Callable[[], bool]:
    """A check for ``eventually``: whether so many records were sent."""
    folder = follower_folder(directory, "elasticsearch")
    return lambda: (state := read_state(folder)) is not None and state.sent + state.duplicates >= count


def in_elasticsearch(wire: FakeElasticsearch) -> list[str]:
    """The records that the stand-in has, in the order in which they came."""
    return [document["request_id"] for document in wire.all_documents()]


def lines(directory: Path) -> list[dict[str, Any]]:
    """The lines of the chat log."""
    return [
        json.loads(line) for path in sorted(directory.glob("chat-*.log")) for line in path.read_bytes().splitlines()
    ]
