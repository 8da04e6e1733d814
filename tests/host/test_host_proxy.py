"""Providers that a reload keeps reach the host of the request that calls them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from orbit.host.host_proxy import HostProxy, lend, lending


def host_of(proxy: HostProxy, name: str) -> Any:
    return SimpleNamespace(host_proxy=proxy, name=name, closed=False)


async def test_a_request_reaches_the_host_that_it_began_with() -> None:
    proxy = HostProxy(None)  # type: ignore[arg-type]  # set below, as a host does
    old = host_of(proxy, "old")
    proxy.newest = old
    began, reloaded = asyncio.Event(), asyncio.Event()

    async def request() -> tuple[str, str]:
        lend(proxy.newest)
        began.set()
        await reloaded.wait()
        before = proxy.name
        old.closed = True  # all requests have ended, but a task of a provider began in one
        return before, proxy.name

    running = asyncio.create_task(request())
    await began.wait()
    proxy.newest = host_of(proxy, "new")
    assert proxy.name == "new"
    reloaded.set()
    assert await running == ("old", "new")


def test_hosts_of_other_servers_in_the_process_do_not_mix() -> None:
    one, other = HostProxy(None), HostProxy(None)  # type: ignore[arg-type]  # set below
    one.newest, other.newest = host_of(one, "one"), host_of(other, "other")
    with lending(host_of(one, "prepared")):
        assert (one.name, other.name) == ("prepared", "other")
    assert one.name == "one"
