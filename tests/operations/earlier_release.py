"""Installs ORBIT 0.1 from this repository's history into an environment of its own, for ``year.py``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = (".[mongodb]", "./plugins/orbit_wordllama", "./plugins/orbit_chroma")


def commit_of_0_1() -> str:
    """The commit of the tag; without tags, as in a shallow copy of them, the last one before the next version."""
    tag = _git("tag", "--list", "v0.1.0")
    return tag or _git("log", "-1", "--format=%H^", '-G^version = "0.1', "--", "pyproject.toml")


def install(folder: Path) -> tuple[str, ...]:
    """Install it with the versions that it was tested with. Return its command."""
    source, environment = folder / "source", folder / "environment"
    python = environment / "bin" / "python"
    if not (environment / "installed").exists():
        source.mkdir(parents=True, exist_ok=True)
        archive = subprocess.run(["git", "archive", commit_of_0_1()], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x"], cwd=source, input=archive, check=True)
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        options = ["--quiet", "--constraint", "constraints.txt"]
        subprocess.run([str(python), "-m", "pip", "install", *options, *PARTS], cwd=source, check=True)
        (environment / "installed").touch()
    return (str(python), "-m", "orbit")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()
