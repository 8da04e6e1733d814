"""``orbit sync``: the files of connectors, brought into their collections."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from orbit.cli.shared.options import config_option, json_option
from orbit.cli.shared.outcome import print_summary, progress_bar
from orbit.cli.shared.printing import print_json_line

if TYPE_CHECKING:
    from rich.console import Console

    from orbit.documents import Synced
    from orbit.host.host import OrbitHost

NEEDED = ("fetch", "index", "embed")


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--watch", is_flag=True, help="Keep running, and run each connector again after sync.every seconds.")
@config_option
@json_option
def sync(names: tuple[str, ...], config_path: str | None, *, watch: bool, as_json: bool) -> None:
    """Bring the files of connectors into their collections: all connectors, or those of the given NAMES.

    Fetches new and changed files only, and removes the passages of files that are gone. If a connector cannot list all
    its files, nothing is removed.

    Exits with 1 if a connector or a store failed. With --watch, failures are only printed.
    """
    from rich.console import Console

    console = None if as_json else Console(stderr=True)
    if watch:
        with suppress(asyncio.CancelledError):  # by SIGTERM, which ends it as it should
            asyncio.run(_watch(names, config_path, console))
    else:
        host = _host(config_path)
        sys.exit(0 if asyncio.run(_run(host, _chosen(host, names), console)) else 1)


def _host(config_path: str | None) -> OrbitHost:
    from orbit.host.host import OrbitHost

    return OrbitHost.from_file(config_path, needed=NEEDED)


def _chosen(host: OrbitHost, names: Sequence[str]) -> list[str]:
    """Return the connectors to run. Raises UsageError for a name that is none, or if there are none."""
    from orbit.config.convert import suggest

    host.raise_problems()
    able = host.registry.implementing("fetch")
    for name in names:
        if name not in able:
            there = ", ".join(able) or "none"
            raise click.UsageError(
                f"'{name}' is no connector.{suggest(name, able)} Providers that fetch files: {there}."
            )
    if not able:
        raise click.UsageError(
            "No enabled provider fetches files. Enable one by its section, such as 'fsspec:' or 'web:'."
        )
    return list(dict.fromkeys(names)) or list(able)


async def _run(host: OrbitHost, names: Sequence[str], console: Console | None) -> bool:
    """Run connectors one after the other and print each outcome. Return whether all succeeded."""
    from orbit.errors import OrbitError
    from orbit.sanitize import printable

    good = True
    async with host:
        for name in names:
            try:
                outcome = await _sync(host, name, console)
            except OrbitError as error:
                click.echo(f"{name} failed: {printable(str(error))}", err=True)
                good = False
                continue
            _print(outcome, console)
            good = good and not (outcome.incomplete or outcome.summary.failed or outcome.summary.stopped)
    return good


async def _sync(host: OrbitHost, name: str, console: Console | None) -> Synced:
    from orbit.admin.names import check_name
    from orbit.documents import Memory, Options, sync
    from orbit.types import CallContext

    collection = host.config.host.sync.collections.get(name, name)
    check_name(collection)
    context = CallContext(request_id="orbit-sync", client_name="orbit sync", collection=collection)
    settings, memory = host.config.host.ingest, Memory.of(host.data_dir)
    options = Options(settings.keep_unreadable, plugins=host.file_plugins)
    work = (host, name, collection, lambda known: host.fetch(name, known, context), settings, context, memory, options)
    if console is None:
        return await sync(*work)
    with progress_bar(console) as report:
        return await sync(*work, report)


def _print(outcome: Synced, console: Console | None) -> None:
    from orbit.sanitize import printable

    if console is None:
        print_json_line(outcome)
        return
    click.echo(f"Connector {printable(outcome.connector)}:")
    print_summary(outcome.summary, console)
    if outcome.incomplete:
        sentence = f"{outcome.connector} could not list all its files, so nothing was removed: {outcome.incomplete}"
        console.print(printable(sentence), markup=False, highlight=False, soft_wrap=True)


async def _watch(names: Sequence[str], config_path: str | None, console: Console | None) -> None:
    """Run connectors whenever they are due, until SIGINT or SIGTERM. Each round reads the configuration again."""
    from orbit.errors import OrbitError
    from orbit.sanitize import printable

    own = asyncio.current_task()
    assert own is not None
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, own.cancel)
    host = _host(config_path)
    last = dict.fromkeys(_chosen(host, names), float("-inf"))
    while True:
        due = [name for name in last if time.monotonic() >= last[name] + _interval(host, name)]
        if due:
            try:
                host = _host(config_path)
                await _run(host, [name for name in due if name in host.registry.implementing("fetch")], console)
            except OrbitError as error:
                click.echo(f"Error: {printable(str(error))}", err=True)
            last.update(dict.fromkeys(due, time.monotonic()))
        await asyncio.sleep(max(0.0, min(last[name] + _interval(host, name) for name in last) - time.monotonic()))


def _interval(host: OrbitHost, name: str) -> float:
    settings = host.config.host.sync
    return settings.intervals.get(name, settings.every)
