"""Run the earlier ORBIT's download_hugging_face_gguf_model.py as today's ``orbit llama_cpp pull``.

python scripts/download_hugging_face_gguf_model.py --repo-id OWNER/NAME [--filename FILE] [--output-dir DIRECTORY]
"""
# ruff: noqa: INP001  # a script, not a package

from __future__ import annotations

import shlex
import sys

import click

from orbit.cli import main


def translated(arguments: list[str]) -> list[str]:
    """Return the arguments of ``orbit``."""
    renamed = [argument.replace("--output-dir", "--folder", 1) for argument in arguments]
    return ["llama_cpp", "pull", *renamed]


if __name__ == "__main__":
    sys.argv = ["orbit", *translated(sys.argv[1:])]
    click.echo(f"This is now: {shlex.join(sys.argv)}", err=True)
    main()
