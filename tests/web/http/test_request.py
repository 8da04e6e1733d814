"""A request has one id: the client's, if it is safe to log."""

from __future__ import annotations

from typing import Any

import pytest

from orbit.web.http.request import header, request_id_of


def scope(*headers: tuple[bytes, bytes]) -> Any:
    return {"type": "http", "headers": list(headers), "state": {}}


@pytest.mark.parametrize("given", [b"a", b"trace 7/11", b"x" * 200])
def test_a_safe_id_of_the_client_is_taken(given: bytes) -> None:
    assert request_id_of(scope((b"x-request-id", given))) == given.decode()


@pytest.mark.parametrize("given", [b"", b"x" * 201, b"line\nline", b"\x1b[31m", "ü".encode(), b"tab\t"])
def test_an_unsafe_id_is_replaced(given: bytes) -> None:
    made = request_id_of(scope((b"x-request-id", given)))
    assert made.encode() != given
    assert made.isalnum()


def test_ids_are_unique_and_stay_the_same_for_a_request() -> None:
    request = scope()
    first = request_id_of(request)
    request["headers"].append((b"x-request-id", b"later"))
    assert request_id_of(request) == first
    assert len({request_id_of(scope()) for _ in range(1000)}) == 1000


def test_a_request_within_another_one_has_its_own_headers() -> None:
    """A plugin that asks ORBIT itself passes on the state of its own request, as ``/mcp`` does."""
    outer = scope((b"x-api-key", b"outer"))
    assert header(outer, b"x-api-key") == "outer"
    inner: Any = {**scope((b"x-api-key", b"inner")), "state": {**outer["state"]}}
    assert (header(inner, b"x-api-key"), header(outer, b"x-api-key")) == ("inner", "outer")


def test_headers_are_found_by_their_name() -> None:
    request = scope((b"x-one", b"1"), (b"x-two", b"\xfc"), (b"x-one", b"other"))
    assert (header(request, b"x-one"), header(request, b"x-two"), header(request, b"x-three")) == ("1", "ü", None)
