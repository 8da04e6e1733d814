"""Keeps API keys in request paths out of the access log."""

from __future__ import annotations

import logging
import re

_IN_PATH = re.compile(r"(/admin/api-keys/)(?!deactivate(?:[/? ]|$))[^/?\s]+")
_SECRET = re.compile(r"api_[A-Za-z0-9_-]{8,}")


def redacted(text: str) -> str:
    """Return a text with its keys and key ids masked."""
    return _SECRET.sub("api_***", _IN_PATH.sub(r"\1***", text))


class KeysRedacted(logging.Filter):
    """Replaces keys in the arguments of a log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, redacted."""
        if isinstance(record.args, tuple):
            record.args = tuple(redacted(value) if isinstance(value, str) else value for value in record.args)
        if isinstance(record.msg, str):
            record.msg = redacted(record.msg)
        return True


def redact_access_log() -> None:
    """Redact the access log of uvicorn in this process."""
    logger = logging.getLogger("uvicorn.access")
    if not any(isinstance(present, KeysRedacted) for present in logger.filters):
        logger.addFilter(KeysRedacted())
