"""The server's own log: level, form and console from ``logging``."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

from orbit.config.model import Logging


def configure_logging(settings: Logging, *, verbose: bool) -> None:
    """Set up the root logger once, for this process."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.setLevel("DEBUG" if verbose else settings.level)
    if settings.console:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_formatter(settings.format))
        root.addHandler(handler)
    for noisy in ("httpx", "httpcore", "aiosqlite", "chromadb", "urllib3", "asyncio"):
        logging.getLogger(noisy).setLevel("WARNING")


def _formatter(form: str) -> logging.Formatter:
    if form == "json":
        fields = "%(asctime)s %(levelname)s %(name)s %(message)s"
        return JsonFormatter(fields, rename_fields={"asctime": "timestamp", "levelname": "level", "name": "logger"})
    return logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S")
