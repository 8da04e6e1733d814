"""A reload keeps the providers that nothing concerns, and replaces the others with those that need them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orbit
from orbit.config.load import parse_config
from orbit.host.host import OrbitHost
from orbit.host.host_proxy import lending

CONTEXT = orbit.CallContext("request", "key", "", "")

EMBEDS = """
import numpy as np
class Plugin(orbit.Provider):
    class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        size: int = 1
    entered = left = 0
    async def __aenter__(self):
        type(self).entered += 1
        return self
    async def __aexit__(self, *_):
        type(self).left += 1
    @orbit.hookimpl
    async def embed(self, texts, kind, context):
        return np.ones((len(texts), self.settings.size), np.float32)
"""
SEARCHES = """
class Plugin(orbit.Provider):
    readied = 0
    def needs(self):
        return (orbit.Need("embed"),)
    async def ready(self):
        self.readied += 1
    @orbit.hookimpl
    async def retrieve(self, query, limit, context):
        found = await self.host.embed([query.text], "query", context)
        return [orbit.Document("1", f"size {found.shape[1]}", 1.0)]
"""
KEEPS = """
class Plugin(orbit.Provider):
    class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        n: int = 0
    @orbit.hookimpl
    async def log(self, record, context):
        self.last = await self.host.embed([""], "query", context)
"""


def made(folder: Path, sections: dict[str, Any], former: OrbitHost | None = None) -> OrbitHost:
    data = {"echo": {}, "logging": {"file": {"enabled": False}}, "general": {"data_dir": str(folder)}}
    config, problems = parse_config({**data, **sections}, "test", {})
    return OrbitHost(config, problems, former=former)


async def found(host: OrbitHost) -> str:
    """What a request of a configuration finds."""
    caller = host.registry.caller("retrieve", "searches")
    with lending(host):
        (document,) = await caller(query=orbit.Query("x", None), limit=1, context=CONTEXT)
    text: str = document.text
    return text


async def test_what_a_change_does_not_concern_keeps_running(install: Any, tmp_path: Path) -> None:
    for name, source in (("embeds", EMBEDS), ("searches", SEARCHES), ("keeps", KEEPS)):
        install(name, source)
    first = {"embeds": {"size": 1}, "searches": {}, "keeps": {}}
    async with made(tmp_path, first) as old:
        old_embeds = old.registry["embeds"]
        new = made(tmp_path, {**first, "embeds": {"size": 2}}, former=old)
        assert new.registry["keeps"] is old.registry["keeps"]
        assert new.registry["embeds"] is not old_embeds
        assert new.registry["searches"] is not old.registry["searches"], "it needs what changed"
        async with new:
            assert (await found(old), await found(new)) == ("size 1", "size 2")
            new.take_over(old)
            assert (await found(old), await found(new)) == ("size 1", "size 2")
            await old.__aexit__(None, None, None)
            assert (type(old_embeds).entered, type(old_embeds).left) == (2, 1)  # type: ignore[attr-defined]
            assert await found(new) == "size 2"
            await new.registry.caller("log", "keeps")(record=None, context=CONTEXT)
            assert new.registry["keeps"].last.shape == (1, 2)  # type: ignore[attr-defined]
            same = made(tmp_path, {**first, "embeds": {"size": 2}}, former=new)
            assert all(same.registry[name] is new.registry[name] for name in new.registry.names())
            async with same:
                same.take_over(new)
                assert same.registry["searches"].readied == 1  # type: ignore[attr-defined]
        assert type(old_embeds).left == 2  # type: ignore[attr-defined]


async def test_a_host_that_is_not_taken_over_leaves_the_running_providers_alone(install: Any, tmp_path: Path) -> None:
    install("embeds", EMBEDS)
    install("keeps", KEEPS)
    async with made(tmp_path, {"embeds": {}, "keeps": {}}) as old:
        async with made(tmp_path, {"embeds": {}, "keeps": {"n": 1}}, former=old):
            pass
        assert type(old.registry["embeds"]).left == 0  # type: ignore[attr-defined]
        await old.registry.caller("log", "keeps")(record=None, context=CONTEXT)


async def test_another_role_replaces_those_that_need_it(install: Any, tmp_path: Path) -> None:
    install("embeds", EMBEDS)
    install("searches", SEARCHES)
    first = {"embeds": {}, "other": {"use": "embeds", "size": 3}, "searches": {}}
    general = {"data_dir": str(tmp_path), "embedding_provider": "embeds"}
    async with made(tmp_path, {**first, "general": general}) as old:
        new = made(tmp_path, {**first, "general": {**general, "embedding_provider": "other"}}, former=old)
        assert new.registry["embeds"] is old.registry["embeds"]
        assert new.registry["searches"] is not old.registry["searches"]
        async with new:
            assert await found(new) == "size 3"


async def test_providers_that_watch_follow_the_files_of_the_chat_log(install: Any, tmp_path: Path) -> None:
    install("keeps", KEEPS)
    async with made(tmp_path, {"keeps": {}}) as old:
        files = {"logging": {"file": {"directory": str(tmp_path / "logs")}}}
        assert made(tmp_path, {"keeps": {}, **files}, former=old).registry["keeps"] is not old.registry["keeps"]
