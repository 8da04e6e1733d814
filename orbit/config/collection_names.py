"""The rule for names of collections."""

from __future__ import annotations

import ipaddress
import re

from orbit.stores import PREVIOUS

NEXT = ".next"
"""Ends the name of a copy that is being made. Copying again completes it."""

_RULE = (
    "use 3 to 200 letters without accents, digits, '.', '_' or '-', beginning and ending with a letter or digit, "
    "without '..', and no IP address"
)
_RESERVED = "names that end with '.next' and '.previous' are those of copies that ORBIT makes and deletes itself"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,198}[a-zA-Z0-9]", re.ASCII)


def name_problem(name: str) -> str:
    """Return why nobody may name a collection so; empty if they may. What every store accepts is the rule."""
    if not _NAME.fullmatch(name) or ".." in name or _is_address(name):
        return f"'{name}' cannot name a collection; {_RULE}."
    return f"'{name}' cannot name a collection; {_RESERVED}." if name.endswith((NEXT, PREVIOUS)) else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
