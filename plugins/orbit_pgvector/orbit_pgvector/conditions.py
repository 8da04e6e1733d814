"""Translates filters and readers to SQL, in which each key and each value is a parameter."""

from __future__ import annotations

from typing import Any, Final

import msgspec

import orbit
from orbit.filters import FIELDS
from orbit_pgvector.records import READERS, storable

_OPERATORS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class Conditions:
    """A condition on rows of passages. ``sql`` has the numbers of ``values`` from ``first`` on."""

    def __init__(self, query: orbit.Query, first: int, *, readers: bool) -> None:
        """Without ``readers``, the condition is that of the filter alone."""
        self.values: list[Any] = []
        self._first = first
        parts = [] if query.filter is None else [self._condition(query.filter)]
        if readers:
            key, names = (
                f"{self._value(READERS)}::text",
                self._value([storable(name) for name in sorted(query.readers)]),
            )
            parts.append(f"(NOT metadata ? {key} OR metadata -> {key} ?| {names}::text[])")
        self.sql = " AND ".join(parts)

    def _value(self, value: Any) -> str:
        self.values.append(value)
        return f"${self._first + len(self.values) - 1}"

    def _condition(self, condition: orbit.Filter) -> str:
        if isinstance(condition, orbit.CompoundFilter):
            return "(" + f" {condition.type.upper()} ".join(self._condition(one) for one in condition.filters) + ")"
        key, kind, value = condition.key, condition.type, condition.value
        values = value if isinstance(value, tuple) else (value,)
        if key == READERS:  # which is none of the metadata
            return "true" if kind in ("ne", "nin") else "false"
        if key in FIELDS:
            field, kind_of, wanted = key, "text", [storable(str(one)) for one in values]
        else:
            field, kind_of = f"metadata -> {self._value(key)}::text", "jsonb"
            wanted = [msgspec.json.encode(one).decode() for one in values]
        if kind in _OPERATORS:
            number = f"{self._value(wanted[0])}::jsonb"
            return f"coalesce(jsonb_typeof({field}) = 'number' AND ({field}) {_OPERATORS[kind]} {number}, false)"
        found = f"coalesce(({field}) = ANY({self._value(wanted)}::{kind_of}[]), false)"
        return found if kind in ("eq", "in") else f"NOT {found}"
