"""``orbit doctor``: one page about the machine, the configuration and what it reaches."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from orbit.cli.shared.options import config_option

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from orbit.host.host import OrbitHost
    from orbit.types import Health

_LITTLE_DISK = 1_000_000_000
"""Bytes of free disk below which the page warns."""
_SOON_DAYS = 14


@click.command()
@config_option
def doctor(config_path: str | None) -> None:
    """Show versions, problems, disk, certificate and the health of each component. Exits with 1 if anything is wrong.

    It starts the providers of the configuration for a moment, beside a running server too.
    """
    import asyncio

    from orbit.host.host import OrbitHost
    from orbit.sanitize import printable
    from orbit.serving.config_problems import serving_problems

    host = OrbitHost.from_file(config_path)
    problems = [str(problem) for problem in (*host.problems, *serving_problems(host.config))]
    lines = [*_versions(host), *_disk(host), *_certificate(host)]
    lines += [(False, "configuration", problem) for problem in problems]
    if not problems:
        lines += asyncio.run(_components(host))
    for well, name, text in lines:
        click.echo(f"{'ok  ' if well else 'BAD '} {name:<14} {printable(text)}")
    sys.exit(0 if all(well for well, _, _ in lines) else 1)


def _versions(host: OrbitHost) -> Iterator[tuple[bool, str, str]]:
    import platform
    import time
    from importlib.metadata import version

    yield True, "ORBIT", f"{version('orbit-inference')} with Python {platform.python_version()}, {platform.platform()}"
    yield True, "configuration", host.config.source
    yield True, "clock", time.strftime("%Y-%m-%d %H:%M:%S %z")
    for item in host.registry.loaded:
        if item.plugin is not None:
            yield True, item.section.name, f"{item.plugin.distribution} {item.plugin.version}"


def _disk(host: OrbitHost) -> Iterator[tuple[bool, str, str]]:
    import shutil

    folder = host.data_dir.absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    yield free >= _LITTLE_DISK, "data folder", f"{folder}, {free / 1e9:.1f} GB free"


def _certificate(host: OrbitHost) -> Iterator[tuple[bool, str, str]]:
    import time

    from orbit.serving.tls import validity

    https = host.config.host.general.https
    dates = validity(https.cert_file) if https.enabled else None
    if dates is None:
        return  # the check of the configuration says what is wrong
    begun = time.time() >= dates[0]
    days = (dates[1] - time.time()) / 86_400
    state = f"expires in {days:.0f} days" if days > 0 else f"expired {-days:.0f} days ago"
    state += "" if begun else ", and is not valid yet"
    yield begun and days > _SOON_DAYS, "certificate", f"{https.cert_file} {state}"


async def _components(host: OrbitHost) -> list[tuple[bool, str, str]]:
    from orbit.database import open_database
    from orbit.errors import OrbitError
    from orbit.host.model_list import unlisted
    from orbit.host.providers.health import HealthQuestions
    from orbit.web.key_warnings import differing

    questions = HealthQuestions(host.config.host.timeouts.health)

    async def asked(name: str, health: Callable[[], Awaitable[Health]]) -> tuple[bool, str, str]:
        found = await questions.ask(name, health)
        return found.status == "ok", name, f"{found.status} {found.detail}".strip()

    lines = []
    try:
        async with open_database(host.config) as database:
            lines.append(await asked("database", database.health))
    except OrbitError as error:
        lines.append((False, "database", str(error)))
    try:
        async with host:
            lines += [await asked(name, host.registry[name].health) for name in host.registry.names()]
            lines += [(False, name, reason) for name, reason in host.registry.failed.items()]
            if sentence := await differing(host):
                lines.append((False, "collections", sentence))
            if sentence := await unlisted(host):
                lines.append((False, "models", sentence))
    except OrbitError as error:
        lines.append((False, "start", str(error)))
    return lines
