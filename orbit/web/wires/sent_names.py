"""The fields in which clients send what the plugin API calls an option, so that errors name the client's own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

SentNames: TypeAlias = Mapping[str, Sequence[str]]
"""Option -> the fields of a protocol that set it, each with dots between its parts. The first that is set counts."""


def sent_as(request: msgspec.Struct, option: str, names: SentNames) -> str:
    """Return the field in which a request sets an option. If it sets none of them, return the first."""
    fields = names.get(option, (option,))
    return next((field for field in fields if _is_set(request, field)), fields[0])


def _is_set(request: msgspec.Struct, field: str) -> bool:
    found: Any = request
    for name in field.split("."):
        found = getattr(found, name, None)
    return found not in (None, (), [])
