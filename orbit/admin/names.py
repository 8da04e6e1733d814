"""Checks a collection's name where it first appears: in a key, an ingestion, an upload."""

from __future__ import annotations

from orbit.config.collection_names import name_problem
from orbit.errors import OrbitError


class BadCollectionName(OrbitError):
    """A name that cannot name a collection."""

    code = "invalid_collection_name"


def check_name(name: str) -> None:
    """Raise BadCollectionName for a name that some store would reject, or that ORBIT needs for its own copies."""
    if problem := name_problem(name):
        raise BadCollectionName(problem)
