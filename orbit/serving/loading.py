"""Loads the configuration for a server: at its start, and again while it runs."""

from __future__ import annotations

from orbit.config import Config
from orbit.config.changes import Changes, compared
from orbit.errors import ConfigError, Problem
from orbit.host.host import OrbitHost
from orbit.serving.config_problems import serving_problems


def checked_host(workers: int = 1, former: OrbitHost | None = None) -> OrbitHost:
    """Return the host of the configuration file. Raises ConfigError with all problems."""
    host = OrbitHost.from_file(former=former)
    problems = [*host.problems, *serving_problems(host.config)]
    if not problems and workers > 1:
        reasons = {name: host.registry[name].exclusive() for name in host.registry.names()}
        problems = [
            Problem(name, f"{reason.rstrip('.')}. Use --workers 1, or change that setting.")
            for name, reason in reasons.items()
            if reason
        ]
    if problems:
        raise ConfigError(problems)
    return host


def next_host(former: OrbitHost) -> tuple[OrbitHost, Changes]:
    """Return the host of the file as it is now, with the running providers that it keeps, and what changed.

    Blocks, because it imports plugins. Raises ConfigError with all problems.
    """
    host = checked_host(former=former)
    config, changes = compared(former.config, host.config)
    if changes.restart:
        host = OrbitHost(config, former=former)
        host.raise_problems()
    return host, changes


def next_config(running: Config, workers: int) -> tuple[Config, Changes]:
    """Return the configuration of the file as it is now, for worker processes, and what changed.

    Raises ConfigError with all problems.
    """
    return compared(running, checked_host(workers).config)
