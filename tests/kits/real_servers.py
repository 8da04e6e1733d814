"""Tools and servers that ``scripts/real_servers.sh`` builds, for tests that use them if they are there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("ORBIT_REAL_SERVERS", Path.home() / ".cache" / "orbit-real-servers"))


def program(name: str) -> str | None:
    """Where a program is; None if nobody has built or installed it."""
    return shutil.which(name) or shutil.which(name, path=CACHE / "bin")


def missing(name: str) -> str:
    """Why a test is skipped."""
    return f"needs {name}: scripts/real_servers.sh {name}"


def needs(name: str) -> pytest.MarkDecorator:
    """Skip a test without this program."""
    return pytest.mark.skipif(program(name) is None, reason=missing(name))
