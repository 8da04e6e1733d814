"""HEAD answers wherever GET does, and OPTIONS names what a path takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from litestar import Litestar, Response, get, head, post
from litestar.params import FromPath
from litestar.testing import TestClient

from orbit.web.http.head import HeadBesideGet


@get("/read/{name:str}")
async def read(name: FromPath[str]) -> str:
    return f"hello {name}"


@post("/write")
async def write() -> None: ...


@get("/both")
async def both() -> str:
    return "body"


@head("/both")
async def both_head() -> Response[None]:
    return Response(None, headers={"X-Own": "yes"})


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient[Litestar]]:
    with TestClient(Litestar([read, write, both, both_head], plugins=[HeadBesideGet()], logging_config=None)) as made:
        yield made


def test_head_has_the_headers_of_get_and_no_body(client: TestClient[Litestar]) -> None:
    whole, alone = client.get("/read/anna"), client.head("/read/anna")
    assert (whole.status_code, whole.text) == (200, "hello anna")
    assert (alone.status_code, alone.text) == (200, "")
    assert alone.headers == whole.headers


def test_a_route_keeps_its_own_head(client: TestClient[Litestar]) -> None:
    assert client.head("/both").headers["x-own"] == "yes"


def test_head_without_get_is_refused(client: TestClient[Litestar]) -> None:
    assert client.head("/write").status_code == 405


@pytest.mark.parametrize(
    ("path", "allow"),
    [("/read/anna", "GET, HEAD, OPTIONS"), ("/write", "OPTIONS, POST"), ("/both", "GET, HEAD, OPTIONS")],
)
def test_options_names_the_methods(client: TestClient[Litestar], path: str, allow: str) -> None:
    response = client.options(path)
    assert (response.status_code, response.headers["allow"], response.text) == (204, allow, "")
