"""What differs between the configuration of a running server and the one that it reads again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from orbit.config.model import Config

NEEDS_RESTART = frozenset(
    {
        "general.host",
        "general.port",
        "general.data_dir",
        "general.trusted_proxies",
        "general.https.enabled",
        "general.https.port",
        "general.https.hsts_seconds",
        "timeouts.drain",
        "timeouts.receive",
        "timeouts.send",
        "timeouts.stop",
        "sqlite",
        "mongodb",
    }
)
"""Settings, and whole sections, that the server takes only when it starts."""


class Changes(msgspec.Struct, frozen=True):
    """Names of what differs, never values, which may be secrets."""

    added: tuple[str, ...] = ()
    """Providers."""
    replaced: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    """The host's settings that changed and are in force, such as ``retrieval.limit``."""
    restart: tuple[str, ...] = ()
    """The host's settings that changed and wait for a restart."""

    def __str__(self) -> str:
        parts = [
            f"{verb}: {', '.join(names)}."
            for verb, names in (
                ("Added", self.added),
                ("Replaced", self.replaced),
                ("Removed", self.removed),
                ("Changed", self.settings),
                ("Waiting for a restart", self.restart),
            )
            if names
        ]
        return " ".join(parts) or "Nothing has changed."


def held_back(running: Config, wanted: Config) -> tuple[Config, tuple[str, ...]]:
    """Return ``wanted`` with the running values of what needs a restart, and the names of those that differ."""
    names = tuple(name for name in _different(running.host, wanted.host) if _waits(name))
    host = wanted.host
    for name in names:
        host = _with(host, name.split("."), running.host)
    return msgspec.structs.replace(wanted, host=host), names


def compared(running: Config, new: Config) -> Changes:
    """Return what differs in ``new``."""
    before = {section.name: section for section in running.providers}
    now = {section.name: section for section in new.providers}
    different = _different(running.host, new.host)
    return Changes(
        tuple(name for name in now if name not in before),
        tuple(name for name in now if name in before and now[name].made_of != before[name].made_of),
        tuple(name for name in before if name not in now),
        tuple(name for name in different if name != "logging.file"),  # a provider's section
    )


def _waits(name: str) -> bool:
    return name in NEEDS_RESTART or name.partition(".")[0] in NEEDS_RESTART


def _different(running: Any, wanted: Any, path: str = "") -> Iterator[str]:
    for field in msgspec.structs.fields(wanted):
        before, now = getattr(running, field.name), getattr(wanted, field.name)
        if before == now:
            continue
        name = f"{path}.{field.name}" if path else field.name
        if isinstance(now, msgspec.Struct) and type(before) is type(now):
            yield from _different(before, now, name)
        else:
            yield name


def _with(settings: Any, path: list[str], running: Any) -> Any:
    """Return ``settings`` with one value of ``running``."""
    value = getattr(running, path[0])
    if len(path) > 1:
        value = _with(getattr(settings, path[0]), path[1:], value)
    return msgspec.structs.replace(settings, **{path[0]: value})
