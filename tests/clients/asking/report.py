"""What the scripts of all Python clients share: the server's address, and a report of what worked.

They run in an environment of their own, so they import nothing of ORBIT.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

URL = os.environ["ORBIT_URL"]
BASE = f"{URL}/v1"
KEY = os.environ["ORBIT_KEY"]
IMAGE = os.environ["ORBIT_IMAGE"]
"""A data URL."""
LINK = "https://library.example.org/rules"
"""The address of a source."""
SAID = "You said: hello"
RAIN = "It is: Rain in Bonn"

_results: dict[str, str] = {}
Check = Callable[[], Any]


def feature(name: str) -> Callable[[Check], Check]:
    """Run a check at once and note its result under a name: `yes`, or what went wrong."""

    def run(check: Check) -> Check:
        try:
            result = check()
            if inspect.isawaitable(result):
                asyncio.run(_awaited(result))
            _results[name] = "yes"
        except Exception as error:  # noqa: BLE001  # whatever a client raises is its result
            _results[name] = f"no: {type(error).__name__}: {error}"
        return check

    return run


async def _awaited(result: Any) -> None:
    await result


def without(name: str, reason: str) -> None:
    """Note that the client itself cannot do something."""
    _results[name] = reason


def print_report(package: str = "") -> None:
    """Print all results, and the version of a package."""
    sys.stdout.write(json.dumps({"results": _results, "version": version(package) if package else ""}))
