"""The folder and the filters of ``orbit logs``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from orbit.chatlog import Naming
from orbit.chatlog.searching import Filter, Search, parse_time
from orbit.chatlog.settings import FileLogSettings
from orbit.config import load_config
from orbit.config.convert import convert_all
from orbit.errors import ConfigError

_HOST_KEYS = ("use", "enabled", "required")


def place(config_path: str | None) -> tuple[Path, FileLogSettings]:
    """Return the log's folder and settings. Raises ConfigError."""
    config = load_config(config_path)
    values = {key: value for key, value in config.host.logging.file.items() if key not in _HOST_KEYS}
    settings, problems = convert_all(values, FileLogSettings, "logging.file")
    if settings is None:
        raise ConfigError(problems)
    return settings.folder(config.data_dir), settings


def readable(config_path: str | None) -> tuple[Path, FileLogSettings]:
    """Return the log's folder and settings, if this user may read the folder. Raises ClickException."""
    directory, settings = place(config_path)
    try:
        next(directory.iterdir(), None)
    except FileNotFoundError:
        raise click.ClickException(f"there is no folder {directory} yet; see logging.file.directory.") from None
    except PermissionError:
        raise click.ClickException(f"{directory} is readable only by the user that runs the server.") from None
    except OSError as error:
        raise click.ClickException(f"{directory} cannot be read: {error.strerror}.") from error
    return directory, settings


def search_in(config_path: str | None, wanted: Filter) -> Search:
    """Return a search in the log of a configuration."""
    directory, settings = readable(config_path)
    return Search(directory, Naming(settings.filename), wanted)


def wanted_by(*, since: str | None, until: str | None, **rest: Any) -> Filter:
    """Return the filter for the options of a command."""
    return Filter(
        since=None if since is None else time_of(since, "--since"),
        until=None if until is None else time_of(until, "--until"),
        **rest,
    )


def time_of(text: str, option: str) -> float:
    """Return the time that an option gives, in Unix seconds."""
    try:
        return parse_time(text, time.time())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error
