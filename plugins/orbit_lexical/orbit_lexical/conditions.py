"""Terms by which passages are filtered, and filters as queries of these terms.

The terms are in a field that every index has, so indexes of earlier versions need no new one. Their passages lack the
terms: they are found by all queries, and the caller checks them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import orbit
from orbit.filters import FIELDS, is_number

if TYPE_CHECKING:
    import tantivy

Term = Callable[[str], "tantivy.Query"]
"""Makes the query for one term."""

MARKED: Final = "marked"
"""The term of each passage that has these terms."""
_RESTRICTED: Final = "restricted"


def terms_of(document: orbit.Document) -> Iterator[str]:
    """Yield the terms of a passage."""
    yield MARKED
    for name in FIELDS:
        yield _value(name, getattr(document, name))
    for key, value in document.metadata.items():
        if key not in FIELDS:
            yield _value(key, value)
            if is_number(value):
                yield _number(key)
    if document.readers:
        yield _RESTRICTED
    for name in document.readers:
        yield _reader(name)


def query_of(query: orbit.Query, term: Term) -> tantivy.Query:
    """Return the query for the passages that a query may find, and those that have no terms or need a closer look."""
    import tantivy  # noqa: PLC0415 - importing a plugin stays light

    readers = _any([_without(term(_RESTRICTED)), *(term(_reader(name)) for name in sorted(query.readers))])
    wanted = readers if query.filter is None else _all([readers, _condition(query.filter, term)])
    return tantivy.Query.const_score_query(_any([wanted, _without(term(MARKED))]), 0.0)


def _condition(condition: orbit.Filter, term: Term) -> tantivy.Query:
    if isinstance(condition, orbit.CompoundFilter):
        parts = [_condition(one, term) for one in condition.filters]
        return _all(parts) if condition.type == "and" else _any(parts)
    if condition.type in ("gt", "gte", "lt", "lte"):
        return term(_number(condition.key))
    values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
    found = _any([term(_value(condition.key, value)) for value in values])
    return found if condition.type in ("eq", "in") else _without(found)


def _any(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    import tantivy  # noqa: PLC0415 - importing a plugin stays light

    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])


def _all(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    import tantivy  # noqa: PLC0415 - importing a plugin stays light

    return tantivy.Query.boolean_query([(tantivy.Occur.Must, query) for query in queries])


def _without(query: tantivy.Query) -> tantivy.Query:
    import tantivy  # noqa: PLC0415 - importing a plugin stays light

    return tantivy.Query.boolean_query(
        [(tantivy.Occur.Must, tantivy.Query.all_query()), (tantivy.Occur.MustNot, query)]
    )


def _reader(name: str) -> str:
    return f"reader\0{name}"


def _number(key: str) -> str:
    return f"number\0{key}"


def _value(key: str, value: Any) -> str:
    if is_number(value) and math.isfinite(value):
        value = int(value) if value == int(value) else float(value)
        return f"value\0{key}\0number\0{value!r}"
    return f"value\0{key}\0{type(value).__name__}\0{value}"
