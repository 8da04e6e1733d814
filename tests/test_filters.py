"""Filters: what clients may write, and what they mean."""

import random
from typing import Any

import msgspec
import pytest
from filter_kit import means, some_documents, some_query

from orbit import ComparisonFilter, CompoundFilter, Document, Query
from orbit.filters import FilterError, allowed, first_allowed, parse_filter


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": "eq", "key": "a", "value": 1}
    for _ in range(depth):
        inner = {"type": "and", "filters": [inner]}
    return inner


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "eq", "key": "language", "value": "en"}, ComparisonFilter("eq", "language", "en")),
        ({"type": "gte", "key": "year", "value": 2024.5}, ComparisonFilter("gte", "year", 2024.5)),
        ({"type": "nin", "key": "source", "value": ["a", "b"]}, ComparisonFilter("nin", "source", ("a", "b"))),
        (
            {"type": "or", "filters": [{"type": "ne", "key": "draft", "value": True}]},
            CompoundFilter("or", (ComparisonFilter("ne", "draft", value=True),)),
        ),
    ],
)
def test_filters_are_written_as_for_openais_vector_stores(given: Any, expected: Any) -> None:
    assert parse_filter(given) == expected
    assert parse_filter(msgspec.json.decode(msgspec.json.encode(expected))) == expected


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ("year", "filter", "must be an object"),
        ([], "filter", "must be an object"),
        ({}, "filter.type", "must be one of eq, ne, gt, gte, lt, lte, in, nin, and, or"),
        ({"type": "like", "key": "a", "value": "b"}, "filter.type", "must be one of"),
        ({"type": ["eq"], "key": "a", "value": "b"}, "filter.type", "must be one of"),
        ({"type": "eq", "value": "b"}, "filter.key", "name of a field"),
        ({"type": "eq", "key": "$or", "value": "b"}, "filter.key", "name of a field"),
        ({"type": "eq", "key": "a" * 101, "value": "b"}, "filter.key", "name of a field"),
        ({"type": "eq", "key": "a"}, "filter.value", "must be a text, true, false, or a number"),
        ({"type": "eq", "key": "a", "value": None}, "filter.value", "must be a text"),
        ({"type": "eq", "key": "a", "value": ["b"]}, "filter.value", "must be a text"),
        ({"type": "eq", "key": "a", "value": {"b": 1}}, "filter.value", "must be a text"),
        ({"type": "eq", "key": "a", "value": 2**53 + 1}, "filter.value", "at most 2^53"),
        ({"type": "eq", "key": "a", "value": float("inf")}, "filter.value", "at most 2^53"),
        ({"type": "eq", "key": "a", "value": "x" * 1001}, "filter.value", "at most 1000 characters"),
        ({"type": "eq", "key": "a", "value": "x\0"}, "filter.value", "no NUL"),
        ({"type": "eq", "key": "source", "value": 1}, "filter.value", "'source' is one"),
        ({"type": "gt", "key": "a", "value": "2024-01-01"}, "filter.value", "must be a number"),
        ({"type": "lt", "key": "a", "value": True}, "filter.value", "must be a number"),
        ({"type": "gt", "key": "title", "value": 1}, "filter.value", "must be a number"),
        ({"type": "in", "key": "a", "value": "b"}, "filter.value", "a list of at least one value"),
        ({"type": "in", "key": "a", "value": []}, "filter.value", "a list of at least one value"),
        ({"type": "in", "key": "a", "value": [1, None]}, "filter.value[1]", "must be a text"),
        ({"type": "eq", "key": "a", "value": 1, "filters": []}, "filter.filters", "unknown field 'filters'"),
        ({"type": "and"}, "filter.filters", "a list of at least one condition"),
        ({"type": "and", "filters": []}, "filter.filters", "a list of at least one condition"),
        ({"type": "and", "filters": [{"type": "eq"}]}, "filter.filters[0].key", "name of a field"),
        (nested(8), "filter" + ".filters[0]" * 7, "nested too deeply"),
        ({"type": "in", "key": "a", "value": list(range(201))}, "filter", "too many"),
        ({"type": "or", "filters": [nested(1)] * 101}, "filter.filters[99].filters[0]", "too many"),
    ],
)
def test_a_wrong_filter_is_refused_with_the_place_of_the_mistake(given: Any, field: str, words: str) -> None:
    with pytest.raises(FilterError, match=r".") as caught:
        parse_filter(given)
    assert caught.value.field == field
    assert words in str(caught.value)


def test_a_deep_but_allowed_filter_is_taken() -> None:
    assert parse_filter(nested(7))


@pytest.mark.parametrize("seed", range(20))
def test_filters_and_readers_mean_what_the_reference_says(seed: int) -> None:
    chance = random.Random(seed)
    documents = some_documents(chance, 40)
    for _ in range(60):
        query = some_query(chance, "docs")
        assert [allowed(one, query) for one in documents] == [means(one, query) for one in documents], query


def test_a_search_is_repeated_only_if_it_found_what_may_not_be_found() -> None:
    documents = [Document(str(n), "x", readers=("hr",) if n < 7 else ()) for n in range(10)]
    asked: list[int] = []

    def search(count: int) -> list[Document]:
        asked.append(count)
        return documents[:count]

    def narrowed(count: int) -> list[Document]:
        asked.append(-count)
        return [document for document in documents if not document.readers][:count]

    def found(readers: set[str], *ways: Any) -> tuple[list[str], list[int]]:
        asked.clear()
        query = Query("x", readers=frozenset(readers))
        return [document.id for document in first_allowed(query, 2, *ways)], list(asked)

    assert found({"hr"}, search, narrowed) == (["0", "1"], [2])
    assert found(set(), search, narrowed) == (["7", "8"], [2, -2])
    assert found(set(), search) == (["7", "8"], [2, 8, 32])
