"""Routes of plugins: under their own name, behind the same key."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
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
