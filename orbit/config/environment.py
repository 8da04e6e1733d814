"""The variables for references in a configuration: those of the process and of the ``.env`` file beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from orbit.errors import ConfigError

_REFERENCE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


def environment(folder: Path) -> dict[str, str]:
    """Return the variables of ``folder/.env``, overridden by those of the process.

    Raises ConfigError if the file exists but cannot be read.
    """
    from dotenv import dotenv_values  # noqa: PLC0415  # only commands that read a configuration pay for it

    file = folder / ".env"
    try:
        written = {name: value for name, value in dotenv_values(file, interpolate=False).items() if value is not None}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{file}: cannot be read: {reason}.") from error
    found = dict(os.environ)
    for name, value in written.items():
        found.setdefault(name, _REFERENCE.sub(lambda match: _named(match, found), value))
    return found


def _named(match: re.Match[str], known: Mapping[str, str]) -> str:
    """Expand a reference inside ``.env``. Keep it if the variable does not exist: it may be part of a password."""
    value, default = known.get(match["name"]), match["default"]
    return value or (default if default is not None else match[0] if value is None else "")
