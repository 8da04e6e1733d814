"""Routes of plugins: under their own name, behind the same key."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import get

import orbit
from orbit.testing import serve


class Guestbook(orbit.Provider):
    """Has a page of its own."""

    @orbit.hookimpl
    def register_routes(self) -> Sequence[Any]:
        @get("/greeting")
        async def greeting() -> dict[str, str]:
            return {"from": self.name}

        return [greeting]


class Broken(orbit.Provider):
    """Cannot say what routes it has."""

    @orbit.hookimpl
    def register_routes(self) -> Sequence[Any]:
        raise RuntimeError("no routes")


class Forgetful(orbit.Provider):
    """Forgets to return its routes."""

    @orbit.hookimpl
    def register_routes(self) -> Sequence[Any]:
        return None  # type: ignore[return-value]  # the mistake


def test_routes_that_are_left_out_are_told_in_one_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plugins = {"forgetful": Forgetful, "broken": Broken}
    with serve({"echo": {}, "forgetful": {}, "broken": {}}, tmp_path, plugins) as server:
        assert httpx.get(f"{server.url}/health/live").status_code == 200
    told = {record.getMessage(): record.exc_info is not None for record in caplog.records if "left out" in record.msg}
    assert told == {
        "the routes of forgetful are left out: the hook returned None instead of a list of route handlers; "
        "this is a mistake in the plugin.": False,
        "the routes of broken are left out: RuntimeError: no routes": True,
    }


def test_routes_stand_under_the_instance_and_behind_a_key(tmp_path: Path) -> None:
    config = {"echo": {}, "broken": {}, "book": {"use": "guestbook"}}
    with serve(config, tmp_path, {"guestbook": Guestbook, "broken": Broken}) as server:
        url = f"{server.url}/plugins/book/greeting"
        allowed = httpx.get(url, headers={"X-API-Key": server.key})
        refused = httpx.get(url)
        chat = httpx.post(f"{server.url}/chat", json={"message": "hi"}, headers={"X-API-Key": server.key})
        schema = httpx.get(f"{server.url}/schema/openapi.json").json()
    assert allowed.json() == {"from": "book"}
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    assert chat.status_code == 200, "a plugin whose routes fail keeps nobody from answering"
    assert "/plugins/book/greeting" in schema["paths"]


def test_the_server_keeps_its_logging(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (
        root.handlers[:],
        root.level,
        {name: logging.getLogger(name).handlers[:] for name in ("litestar", "orbit")},
    )
    with serve({"script": {}, "guestbook": {}}, tmp_path, {"guestbook": Guestbook}):
        pass
    after = (
        root.handlers[:],
        root.level,
        {name: logging.getLogger(name).handlers[:] for name in ("litestar", "orbit")},
    )
    assert after == before
