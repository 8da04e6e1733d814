"""Loads the configuration for a server: at its start, and again while it runs."""

from __future__ import annotations

import msgspec

from orbit.config import Config
from orbit.config.changes import Changes, compared, held_back
from orbit.config.load import read_config
from orbit.errors import ConfigError, Problem
from orbit.host.host import OrbitHost
from orbit.serving.config_problems import serving_problems


def checked_host(workers: int = 1) -> OrbitHost:
    """Return the host of the configuration file. Raises ConfigError with all problems."""
    config, problems = read_config()
    return _checked(OrbitHost(config, problems), config, workers)


def next_host(running: Config, workers: int = 1, former: OrbitHost | None = None) -> tuple[OrbitHost, Changes]:
    """Return the host of the file as it is now, and what differs from the ``running`` configuration.

    The host has the running values of what needs a restart, and the running providers of ``former`` that a change does
    not concern. Blocks, because it imports plugins. Raises ConfigError with all problems.
    """
    wanted, problems = read_config()
    config, waiting = held_back(running, wanted)  # before plugins see it, which are made once
    host = _checked(OrbitHost(config, problems, former=former), wanted, workers)
    return host, msgspec.structs.replace(compared(running, host.config), restart=waiting)


def _checked(host: OrbitHost, wanted: Config, workers: int) -> OrbitHost:
    """Return ``host`` unless it, or what the server takes of ``wanted`` at its next start, has problems."""
    problems = [*host.problems, *serving_problems(wanted)]
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
