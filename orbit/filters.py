"""Conditions on passages, and who may read them: ``Query.filter`` and ``Query.readers``."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, get_args

from orbit.types import (
    Comparator,
    ComparisonFilter,
    CompoundFilter,
    Document,
    Filter,
    MetadataValue,
    Query,
)

__all__ = [
    "FIELDS",
    "GROUP",
    "FilterError",
    "allowed",
    "facts_problem",
    "first_allowed",
    "is_number",
    "matches",
    "parse_filter",
    "readable",
]

FIELDS: Final = ("source", "title", "link")
"""Keys that name a field of the passage. All others name one of its metadata."""

GROUP: Final = r"^[^\s,][^,\x00-\x1f\x7f]*$"
"""What the name of a group of readers looks like, as a regular expression."""

_MOST_FACTS: Final = 50
_LONGEST_NAME: Final = 100
_DEEPEST: Final = 8
_MOST_VALUES: Final = 200
_LONGEST_TEXT: Final = 1_000
_LARGEST: Final = 2**53
_KEY: Final = re.compile(r"\w[\w .:/-]{0,99}")
_COMPARE: Final = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
_COMPARATORS: Final[tuple[str, ...]] = get_args(Comparator)
_MISSING: Final = object()


class FilterError(ValueError):
    """A filter that cannot be used. ``field`` is the place of the mistake, such as ``filter.filters[1].value``."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


def parse_filter(given: Any, name: str = "filter") -> Filter:
    """Return the filter that decoded JSON describes. ``name`` is the field that had it. Raises FilterError."""
    values = [0]
    return _parsed(given, name, 1, values)


def matches(document: Document, condition: Filter) -> bool:
    """Return whether a passage meets a condition. A field that it lacks meets only ``ne`` and ``nin``."""
    if isinstance(condition, CompoundFilter):
        every = all if condition.type == "and" else any
        return every(matches(document, one) for one in condition.filters)
    key, value, kind = condition.key, condition.value, condition.type
    held: Any = getattr(document, key) if key in FIELDS else document.metadata.get(key, _MISSING)
    if isinstance(value, tuple):
        return any(_same(held, one) for one in value) is (kind == "in")
    if kind in ("eq", "ne"):
        return _same(held, value) is (kind == "eq")
    if not (is_number(held) and is_number(value)):
        return False
    return bool(_COMPARE[kind](held, value))


def readable(document: Document, readers: Collection[str]) -> bool:
    """Return whether somebody in the groups ``readers`` may read a passage."""
    return not document.readers or not set(document.readers).isdisjoint(readers)


def allowed(document: Document, query: Query) -> bool:
    """Return whether a query may find a passage, by its filter and its readers."""
    return readable(document, query.readers) and (query.filter is None or matches(document, query.filter))


def first_allowed(
    query: Query,
    limit: int,
    search: Callable[[int], Sequence[Document]],
    narrowed: Callable[[int], Sequence[Document]] | None = None,
) -> list[Document]:
    """Return the best ``limit`` passages that a query may find.

    ``search(n)`` returns the best ``n`` of all. ``narrowed(n)`` returns the best ``n`` of fewer: it leaves out passages
    that the query may not find, as many as the store can. Passages without readers cost a query without a filter one
    search and nothing else.
    """
    used = search if query.filter is None or narrowed is None else narrowed
    count = limit
    while True:
        found = used(count)
        kept = [document for document in found if allowed(document, query)]
        if len(kept) >= limit or len(found) < count:
            return kept[:limit]
        if narrowed is None or used is narrowed:
            count *= 4
        else:
            used = narrowed


def facts_problem(metadata: Mapping[str, object], readers: Sequence[object]) -> str:
    """Return why no file can have this metadata and these groups of readers, in one sentence; empty if one can."""
    for key, value in metadata.items():
        try:
            parse_filter({"type": "eq", "key": key, "value": value}, f"metadata.{key}"[:_LONGEST_NAME])
        except FilterError as error:
            return str(error)
        if key.startswith("orbit_") or key in FIELDS:
            return f"'{key}' cannot be a field of metadata: ORBIT has one of this name."
    wrong = [str(name)[:_LONGEST_NAME] for name in readers if not _is_group(name)]
    if wrong:
        return f"'{wrong[0]}' cannot name a group of readers; use up to {_LONGEST_NAME} characters without commas."
    if len(metadata) > _MOST_FACTS or len(readers) > _MOST_FACTS:
        return f"There are too many; at most {_MOST_FACTS} fields of metadata and {_MOST_FACTS} readers are allowed."
    return ""


def _is_group(name: object) -> bool:
    if not isinstance(name, str):
        return False
    return len(name) <= _LONGEST_NAME and re.fullmatch(GROUP, name) is not None and name == name.strip()


def is_number(value: object) -> bool:
    """Return whether a value has an order: True and False have none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(held: object, value: MetadataValue) -> bool:
    """Return whether two values are equal: 3 is 3.0, but 1 is not True."""
    return isinstance(held, bool) == isinstance(value, bool) and held == value


def _parsed(given: Any, where: str, depth: int, values: list[int]) -> Filter:
    if not isinstance(given, dict):
        raise FilterError(where, f"'{where}' must be an object with 'type', such as {_EXAMPLE}.")
    kind = given.get("type")
    if kind in ("and", "or"):
        _check_names(given, ("type", "filters"), where)
        inner = given.get("filters")
        if not isinstance(inner, list) or not inner:
            raise FilterError(f"{where}.filters", f"'{where}.filters' must be a list of at least one condition.")
        if depth >= _DEEPEST:
            raise FilterError(where, f"'{where}' is nested too deeply; at most {_DEEPEST} levels are allowed.")
        _count(values, 1, where)  # so that groups of groups end, too
        parts = [_parsed(one, f"{where}.filters[{place}]", depth + 1, values) for place, one in enumerate(inner)]
        return CompoundFilter(kind, tuple(parts))
    if not isinstance(kind, str) or kind not in _COMPARATORS:
        known = ", ".join((*_COMPARATORS, "and", "or"))
        raise FilterError(f"{where}.type", f"'{where}.type' must be one of {known}.")
    _check_names(given, ("type", "key", "value"), where)
    key = given.get("key")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        sentence = "must be the name of a field: up to 100 letters, digits and the characters ' .:/_-'"
        raise FilterError(f"{where}.key", f"'{where}.key' {sentence}.")
    value = given.get("value")
    if kind in ("in", "nin"):
        if not isinstance(value, list) or not value:
            raise FilterError(f"{where}.value", f"'{where}.value' must be a list of at least one value for '{kind}'.")
        _count(values, len(value), where)
        checked = tuple(_value(one, f"{where}.value[{place}]", key) for place, one in enumerate(value))
        return ComparisonFilter(kind, key, checked)  # type: ignore[arg-type]  # one of them
    _count(values, 1, where)
    if kind in _COMPARE and (key in FIELDS or not is_number(value)):
        raise FilterError(f"{where}.value", f"'{where}.value' must be a number, and '{key}' one, for '{kind}'.")
    return ComparisonFilter(kind, key, _value(value, f"{where}.value", key))  # type: ignore[arg-type]  # one of them


def _check_names(given: dict[str, Any], known: Sequence[str], where: str) -> None:
    for name in given:
        if name not in known:
            sentence = f"'{where}' has the unknown field '{str(name)[:100]}'; it takes {', '.join(known)}."
            raise FilterError(f"{where}.{str(name)[:100]}", sentence)


def _count(values: list[int], more: int, where: str) -> None:
    values[0] += more
    if values[0] > _MOST_VALUES:
        raise FilterError(where, f"The filter has too many conditions and values; at most {_MOST_VALUES} are allowed.")


def _value(value: Any, where: str, key: str) -> MetadataValue:
    if isinstance(value, str):
        if len(value) > _LONGEST_TEXT or "\0" in value:
            raise FilterError(where, f"'{where}' must have at most {_LONGEST_TEXT} characters, and no NUL.")
        return value
    if key in FIELDS:
        raise FilterError(where, f"'{where}' must be a text: '{key}' is one.")
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and math.isfinite(value) and abs(value) <= _LARGEST:
        return value
    raise FilterError(where, f"'{where}' must be a text, true, false, or a number of at most 2^53.")


_EXAMPLE: Final = '{"type": "eq", "key": "language", "value": "en"}'
