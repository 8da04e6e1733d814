"""`orbit plugins` lists every instance with its state, then what is installed and not used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orbit
from orbit.host.overview import PluginRow, overview
from orbit.testing import host

Install = Callable[..., Path]


class Shelf(orbit.Provider):
    """Finds nothing."""

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query) -> list[orbit.Document]:
        return []


class Lame(orbit.Provider):
    """A log that cannot start: it is optional."""

    async def __aenter__(self) -> Any:
        raise OSError("no space left")

    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None: ...


class Watched(Shelf):
    """A shelf that also watches answers."""

    @orbit.hookimpl(wrapper=True)
    def generate(self) -> Any:
        return (yield)


async def test_wrapped_hooks_are_apart(tmp_path: Path) -> None:
    async with host({"watched": {}, "echo": {}}, tmp_path, {"watched": Watched}) as running:
        watched = overview(running)[0]
    assert (watched.hooks, watched.wraps) == (("retrieve",), ("generate",))


async def test_instances_come_in_the_order_of_the_configuration_then_what_is_not_used(
    install: Install, tmp_path: Path
) -> None:
    install("wiki-pages", "", "wiki", version="2.5")
    config: dict[str, Any] = {"lame": {}, "second": {"use": "shelf"}, "shelf": {}, "echo": {}}
    async with host(config, tmp_path, {"shelf": Shelf, "lame": Lame}) as running:
        rows = overview(running)
    instances = [row for row in rows if row.instance]
    assert [(row.plugin, row.instance, row.state) for row in instances] == [
        ("lame", "lame", "failed"),
        ("shelf", "second", "enabled"),
        ("shelf", "shelf", "enabled"),
        ("echo", "echo", "enabled"),
    ]
    assert "no space left" in instances[0].reason
    assert instances[1].hooks == ("retrieve",)
    unused = rows[len(instances) :]
    assert PluginRow("wiki", "", "wiki-pages", "2.5", "installed") in unused
    assert {row.state for row in unused} == {"installed"}
    assert "echo" not in {row.plugin for row in unused}
