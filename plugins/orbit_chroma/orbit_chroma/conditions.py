"""Translates filters and readers to Chroma's ``where``. Pure functions.

Chroma keeps whole numbers, other numbers, texts and truth values apart, and cannot compare what a record lacks. Where
it cannot say exactly what a filter says, the condition allows more, and the caller checks what comes back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import orbit
from orbit.filters import FIELDS, is_number
from orbit_chroma.foreign import PAGE
from orbit_chroma.records import LINK, PREFIX, READER, RESTRICTED, SOURCE, TITLE

_FIELDS: Final = {"source": SOURCE, "title": TITLE, "link": LINK}
_NOTHING: Final = {f"{PREFIX}never": {"$eq": True}}
Where = dict[str, Any]


def where_of(query: orbit.Query, *, own: bool) -> Where | None:
    """Return the condition of a query on a collection, ORBIT's ``own`` or another program's."""
    readers = [{f"{READER}{name}": {"$eq": True}} for name in sorted(query.readers)]
    wanted = None if query.filter is None else _where(query.filter, own=own)
    return _joined("$and", [wanted, _joined("$or", [{RESTRICTED: {"$ne": True}}, *readers])])


def _where(condition: orbit.Filter, *, own: bool) -> Where | None:
    if isinstance(condition, orbit.CompoundFilter):
        return _joined(f"${condition.type}", [_where(one, own=own) for one in condition.filters])
    key, kind, value = condition.key, condition.type, condition.value
    if not own and key in (*FIELDS, PAGE):  # other programs name these in several ways
        return None
    if key in FIELDS:
        key = _FIELDS[key]
    elif key.startswith(PREFIX):  # no document's metadata
        return None if kind in ("ne", "nin") else _NOTHING
    if isinstance(value, tuple) or kind in ("eq", "ne"):
        groups = _by_kind(value if isinstance(value, tuple) else (value,))
        if kind in ("eq", "in"):
            return _joined("$or", [{key: {"$in": group}} for group in groups])
        return _joined("$and", [{key: {"$nin": group}} for group in groups])
    assert is_number(value)
    assert not isinstance(value, str)
    return _joined("$or", [{key: {f"${kind}": float(value)}}, {key: _for_whole_numbers(kind, value)}])


def _for_whole_numbers(kind: str, value: float) -> Where:
    """Return a comparison for whole numbers: less than 2.5 is at most 2, which is also right for other numbers.

    An embedded Chroma cuts the value before it compares whole numbers, and compares others with it as well.
    """
    if value == int(value):
        return {f"${kind}": int(value)}
    return {"$lte": math.floor(value)} if kind in ("lt", "lte") else {"$gte": math.ceil(value)}


def _by_kind(values: Sequence[orbit.MetadataValue]) -> list[list[Any]]:
    """Return values in groups of one type: a whole number is in two, since a record may have it as either."""
    numbers: list[Any] = [value for value in values if is_number(value)]
    groups: list[list[Any]] = [
        [value for value in values if isinstance(value, str)],
        [value for value in values if isinstance(value, bool)],
        [int(number) for number in numbers if number == int(number)],
        [float(number) for number in numbers],
    ]
    return [group for group in groups if group]


def _joined(operator: str, conditions: Sequence[Where | None]) -> Where | None:
    """Join conditions, of which None allows everything. Chroma joins no single one."""
    if operator == "$or" and None in conditions:
        return None
    some = [condition for condition in conditions if condition is not None]
    return {operator: some} if len(some) > 1 else next(iter(some), None)
