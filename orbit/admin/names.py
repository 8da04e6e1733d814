"""The rule for names of collections, checked where a name first appears: in a key, an ingestion, an upload."""

from __future__ import annotations

import ipaddress
import re

from orbit.errors import OrbitError

RULE = (
    "use 3 to 200 letters without accents, digits, '.', '_' or '-', beginning and ending with a letter or digit, "
    "without '..', and no IP address"
)

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,198}[a-zA-Z0-9]", re.ASCII)


class BadCollectionName(OrbitError):
    """A name that cannot name a collection. What every store accepts is the rule."""

    code = "invalid_collection_name"


def check_name(name: str) -> None:
    """Raise BadCollectionName for a name that some store would reject."""
    if not _NAME.fullmatch(name) or ".." in name or _is_address(name):
        raise BadCollectionName(f"'{name}' cannot name a collection; {RULE}.")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
