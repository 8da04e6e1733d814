"""Run a command of the earlier ORBIT's api_key_manager.py as today's ``orbit keys`` or ``orbit prompts``.

python scripts/api_key_manager.py [--url URL] VERB ... | [--url URL] prompt VERB ...
"""
# ruff: noqa: INP001  # a script, not a package

from __future__ import annotations

import shlex
import sys

import click

from orbit.cli import main


def translated(arguments: list[str]) -> list[str]:
    """Return the arguments of ``orbit``: the group and verb first, then the rest as it was."""
    rest, words = [], list(arguments)
    while words and words[0].startswith("-"):
        option = words.pop(0)
        rest.append(option)
        if option in ("--url", "--server") and words:
            rest.append(words.pop(0))
    group = "keys"
    if words[:1] == ["prompt"]:
        group = "prompts"
        words.pop(0)
    return [group, *words[:1], *rest, *words[1:]]


if __name__ == "__main__":
    sys.argv = ["orbit", *translated(sys.argv[1:])]
    click.echo(f"This is now: {shlex.join(sys.argv)}", err=True)
    main()
