"""``${NAME}`` and ``${NAME:-default}`` in configuration values, from the environment and a ``.env`` file beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orbit.errors import Problem

_REFERENCE = re.compile(r"\$(\$)?\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def environment(folder: Path) -> dict[str, str]:
    """Return the variables of ``folder/.env``, overridden by those of the process."""
    from dotenv import dotenv_values  # noqa: PLC0415  # only commands that read a configuration pay for it

    from_file = {name: value for name, value in dotenv_values(folder / ".env").items() if value is not None}
    return {**from_file, **os.environ}


def substitute(data: Any, variables: Mapping[str, str], path: str, problems: list[Problem]) -> Any:
    """Replace references in every text of ``data``; an unset name becomes a problem. ``$${`` stands for ``${``."""
    if isinstance(data, dict):
        return {
            key: substitute(value, variables, f"{path}.{key}" if path else str(key), problems)
            for key, value in data.items()
        }
    if isinstance(data, list):
        return [substitute(value, variables, f"{path}[{n}]", problems) for n, value in enumerate(data)]
    if not isinstance(data, str) or "${" not in data:
        return data

    def replace(match: re.Match[str]) -> str:
        escaped, name, default = match.groups()
        if escaped:
            return match[0][1:]
        if variables.get(name):
            return variables[name]
        if default is None:
            problems.append(
                Problem(
                    path,
                    f"the environment variable {name} is not set. Set it, add it to .env beside the configuration, "
                    f"or give a default: ${{{name}:-default}}.",
                )
            )
            return ""
        return default

    return _REFERENCE.sub(replace, data)
