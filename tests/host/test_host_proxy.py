"""Providers that a reload keeps reach the host of the request that calls them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from orbit.host.host_proxy import HostProxy, lend, lending


def host_of(lent: HostProxy, name: str) -> Any:
    return SimpleNamespace(lent=lent, name=name, closed=False)


async def test_a_request_reaches_the_host_that_it_began_with() -> None:
    lent = HostProxy(None)  # type: ignore[arg-type]  # set below, as a host does
    old = host_of(lent, "old")
    lent.newest = old
    began, reloaded = asyncio.Event(), asyncio.Event()

    async def request() -> tuple[str, str]:
        lend(lent.newest)
        began.set()
        await reloaded.wait()
        before = lent.name
        old.closed = True  # all requests have ended, but a task of a provider began in one
        return before, lent.name

    running = asyncio.create_task(request())
    await began.wait()
    lent.newest = host_of(lent, "new")
    assert lent.name == "new"
    reloaded.set()
    assert await running == ("old", "new")


def test_hosts_of_other_servers_in_the_process_do_not_mix() -> None:
    one, other = HostProxy(None), HostProxy(None)  # type: ignore[arg-type]  # set below
    one.newest, other.newest = host_of(one, "one"), host_of(other, "other")
    with lending(host_of(one, "prepared")):
        assert (one.name, other.name) == ("prepared", "other")
    assert one.name == "one"
