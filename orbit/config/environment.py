"""The variables that a configuration may refer to: those of the process and of a ``.env`` file beside it."""

from __future__ import annotations

import os
from pathlib import Path

from orbit.errors import ConfigError


def environment(folder: Path) -> dict[str, str]:
    """Return the variables of ``folder/.env``, overridden by those of the process.

    Raises ConfigError if the file is there and cannot be read.
    """
    from dotenv import dotenv_values  # noqa: PLC0415  # only commands that read a configuration pay for it

    file = folder / ".env"
    try:
        from_file = {name: value for name, value in dotenv_values(file).items() if value is not None}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"{file}: cannot be read: {reason}.") from error
    return {**from_file, **os.environ}
