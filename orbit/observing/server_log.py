"""The server log: level, format, console and file from ``logging``."""

from __future__ import annotations

import logging
import os
import sys
from contextvars import ContextVar
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from orbit.config.folders import under_data
from orbit.config.model import Logging
from orbit.errors import ConfigError, Problem
from orbit.sanitize import printable, without_secrets

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that the current task serves; empty outside requests."""


class _WithRequestId(logging.Filter):
    """Adds the request id to records: a field in JSON, a suffix in text. Also shortens uvicorn's logger name."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        current = request_id.get()
        record.suffix = f" [{current}]" if current else ""
        if current:
            record.request_id = current
        if record.name == "uvicorn.error":  # uvicorn logs everything under this name, errors or not
            record.name = "uvicorn"
        return True


def configure_logging(settings: Logging, *, verbose: bool, data_dir: Path = Path()) -> None:
    """Configure the root logger of this process. Raises ConfigError if the log file is not writable.

    A relative ``server_file`` starts at ``data_dir``.
    """
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    root.setLevel("DEBUG" if verbose else settings.level)
    handlers: list[logging.Handler] = []
    if settings.console:
        handlers.append(logging.StreamHandler(sys.stderr))
    if settings.server_file:
        handlers.append(_file(under_data(settings.server_file, data_dir), data_dir))
    for handler in handlers:
        in_journal = settings.format == "text" and _is_the_journal(handler)
        handler.setFormatter(_JournalFormatter() if in_journal else _formatter(settings.format))
        handler.addFilter(_WithRequestId())
        root.addHandler(handler)
    for noisy in ("httpx", "httpx2", "httpcore", "mcp", "aiosqlite", "chromadb", "urllib3", "asyncio"):
        logging.getLogger(noisy).setLevel("WARNING")


def _file(path: Path, data_dir: Path) -> WatchedFileHandler:
    """Append to a file and detect its rotation. Each line is one write, so lines of several processes do not mix."""
    try:
        if path.is_relative_to(data_dir.absolute()):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return WatchedFileHandler(path, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError([Problem("logging.server_file", f"{path} is not writable: {reason}.")]) from error


def _formatter(form: str) -> logging.Formatter:
    if form == "json":
        fields = "%(asctime)s %(levelname)s %(name)s %(message)s"
        renamed = {"asctime": "timestamp", "levelname": "level", "name": "logger"}
        return _Json(fields, rename_fields=renamed, reserved_attrs=[*_RESERVED, "suffix"])
    return _Text("%(asctime)s %(levelname)-7s %(name)s: %(message)s%(suffix)s", "%Y-%m-%d %H:%M:%S")


def _is_the_journal(handler: logging.Handler) -> bool:
    """Return whether the handler writes to systemd's journal, which announces the device and inode of its stream."""
    journal = os.environ.get("JOURNAL_STREAM")
    if not journal or not isinstance(handler, logging.StreamHandler):
        return False
    try:
        status = os.fstat(handler.stream.fileno())
    except (OSError, ValueError):  # standard error is not a file
        return False
    return journal == f"{status.st_dev}:{status.st_ino}"


class _Json(JsonFormatter):
    """JSON without secrets. JSON itself escapes control characters."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class _Text(logging.Formatter):
    """Text without secrets: one line per record, then its traceback, indented so that it cannot imitate a record."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name is logging's
        return without_secrets(printable(super().formatMessage(record)))

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the name is logging's
        lines = super().formatException(ei).split("\n")
        return without_secrets("\n".join("  " + printable(line) for line in lines))


class _JournalFormatter(_Text):
    """Lines that begin with their priority, as in sd-daemon(3), without the time, which the journal adds."""

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s%(suffix)s")

    def format(self, record: logging.LogRecord) -> str:
        priority = next(number for level, number in _PRIORITIES if record.levelno >= level)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.NOTSET, 7))

_RESERVED = [*logging.makeLogRecord({}).__dict__, "message", "asctime", "color_message"]
"""Record attributes that are not fields of a JSON line, unless requested."""
