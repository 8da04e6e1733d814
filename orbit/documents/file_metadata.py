"""What operators and connectors say of a file beside its content: metadata of all its passages, and their readers.

A source's digest ends with its facts. So another fact makes the file a changed one, and a later ingestion that says
nothing of them knows the earlier ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, Self

import msgspec

from orbit.errors import OrbitError
from orbit.filters import facts_problem
from orbit.types import MetadataValue

_SHOWN: Final = 100
_encode: Final = msgspec.json.Encoder(order="sorted").encode
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Metadata and readers of a file."""

    metadata: dict[str, MetadataValue] = {}
    readers: tuple[str, ...] = ()

    def added_to(self, digest: str) -> str:
        """Return the digest of a file with these facts."""
        return f"{digest} {_encode(self).decode()}" if self.metadata or self.readers else digest

    @classmethod
    def of(cls, digest: str) -> Self:
        """Return the facts that a digest ends with."""
        encoded = digest.partition(" ")[2]
        try:
            return msgspec.json.decode(encoded, type=cls) if encoded else cls()
        except msgspec.MsgspecError:
            return cls()  # another program's digest

    def problem(self) -> str:
        """Return why no file can have these facts; empty if one can."""
        return facts_problem(self.metadata, self.readers)


def metadata_of(texts: Sequence[str]) -> Mapping[str, MetadataValue] | None:
    """Return the metadata of texts such as ``year=2026``; None without any. An empty text is no field.

    Numbers, ``true`` and ``false`` are what they look like, all else is text. Raises OrbitError.
    """
    if not texts:
        return None
    found: dict[str, MetadataValue] = {}
    for text in filter(None, texts):
        key, equals, value = text.partition("=")
        if not equals:
            raise OrbitError(f"'{text[:_SHOWN]}' is no metadata. Expected KEY=VALUE, such as year=2026.")
        typed = value in ("true", "false") or _NUMBER.fullmatch(value)
        found[key.strip()] = msgspec.json.decode(value) if typed else value
    _check(Facts(metadata=found))
    return found


def readers_of(names: Sequence[str]) -> tuple[str, ...] | None:
    """Return the readers that names mean; None without any. An empty name means everybody. Raises OrbitError."""
    if not names:
        return None
    readers = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    _check(Facts(readers=readers))
    return readers


def _check(facts: Facts) -> None:
    if problem := facts.problem():
        raise OrbitError(problem)
