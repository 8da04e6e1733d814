"""Interprets Elasticsearch's response for each record. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

Meaning: TypeAlias = Literal["stored", "duplicate", "retry", "rejected"]

RETRIED_STATUSES = frozenset({401, 403, 404, 408, 429})
"""Rejections that concern the server's state or permissions, not the document."""
RETRIED_TYPES = frozenset(
    {
        "cluster_block_exception",
        "index_closed_exception",
        "index_not_found_exception",
        "invalid_alias_name_exception",
        "invalid_index_name_exception",
        "process_cluster_event_timeout_exception",
        "unavailable_shards_exception",
        "validation_exception",  # such as the cluster's shard limit, when a day's index has to be created
    }
)


class Outcome(NamedTuple):
    """The outcome for one document. ``reason`` is Elasticsearch's, for operators."""

    meaning: Meaning
    status: int
    reason: str = ""


def outcome_of(item: Mapping[str, Any]) -> Outcome:
    """Read one item of a ``_bulk`` response."""
    (result,) = item.values()
    status = int(result.get("status", 0))
    if 200 <= status < 300:  # noqa: PLR2004  the range of success
        return Outcome("stored", status)
    error = result.get("error")
    kind = str(error.get("type", "")) if isinstance(error, Mapping) else ""
    reason = describe(error)
    if status == 409:  # noqa: PLR2004  conflict: this very document is there
        return Outcome("duplicate", status, reason)
    if status in RETRIED_STATUSES or status >= 500 or status < 400 or kind in RETRIED_TYPES:  # noqa: PLR2004  server errors
        return Outcome("retry", status, reason)
    return Outcome("rejected", status, reason)


def outcomes_of(items: Iterable[Mapping[str, Any]]) -> list[Outcome]:
    """Read all items of a ``_bulk`` response, in the order of the request."""
    return [outcome_of(item) for item in items]


def describe(error: Any) -> str:
    """Return an ``error`` object as one sentence: its type, reason and root cause."""
    if not isinstance(error, Mapping):
        return str(error)
    text = ": ".join(str(error[key]) for key in ("type", "reason") if error.get(key))
    cause = error.get("caused_by")
    return f"{text} ({describe(cause)})" if isinstance(cause, Mapping) else text
