"""The variables for references in a configuration: those of the process and of the ``.env`` file beside it."""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from orbit.errors import ConfigError

logger = logging.getLogger("orbit.config")
_REFERENCE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


def environment(folder: Path) -> dict[str, str]:
    """Return the variables of ``folder/.env``, overridden by those of the process.

    Lines of another form are ignored and named in the log, once for each content of the file. Raises ConfigError if
    the file exists but cannot be read.
    """
    file = folder / ".env"
    try:
        written = _written(file, file.read_text("utf-8")) if file.exists() and not file.is_dir() else {}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{file}: cannot be read: {reason}.") from error
    found = dict(os.environ)
    for name, value in written.items():
        found.setdefault(name, _REFERENCE.sub(lambda match: _named(match, found), value))
    return found


@lru_cache(maxsize=4)
def _written(file: Path, text: str) -> Mapping[str, str]:
    """Return the variables of a file with this text. The last line of a name counts."""
    from dotenv.parser import parse_stream  # noqa: PLC0415  # only commands that read a configuration pay for it

    lines = list(parse_stream(io.StringIO(text)))
    for line in lines:
        if line.error:
            original = line.original.string
            number = line.original.line + original[: len(original) - len(original.lstrip())].count("\n")
            logger.warning("%s, line %d: is ignored, because it is not NAME=VALUE", file, number)
    return {line.key: line.value for line in lines if line.key is not None and line.value is not None}


def _named(match: re.Match[str], known: Mapping[str, str]) -> str:
    """Expand a reference inside ``.env``. Keep it if the variable does not exist: it may be part of a password."""
    value, default = known.get(match["name"]), match["default"]
    return value or (default if default is not None else match[0] if value is None else "")
