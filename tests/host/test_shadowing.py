"""What plugins add stands beside what the host has, never in its place, and behind the same keys and limits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
from click.testing import CliRunner
from litestar import get, post

import orbit
from orbit.auth.keys import new_key
from orbit.cli import orbit as command
from orbit.testing import serve


class Greedy(orbit.Provider):
    """Would like to have routes of the host."""

    @orbit.hookimpl
    def register_routes(self) -> Sequence[Any]:
        @post("/chat")
        async def chat() -> str:
            return "mine"

        @get("/../../health")
        async def health() -> str:
            return "mine"

        @get("/")
        async def root() -> str:
            return "mine"

        return [chat, health, root]


class Untyped(orbit.Provider):
    """Has a route that cannot be served: its argument has a type that does not exist."""

    @orbit.hookimpl
    def register_routes(self) -> Sequence[Any]:
        @get("/one")
        async def one(number: "Nowhere") -> str:  # type: ignore[name-defined]  # noqa: F821  # the fault
            return str(number)

        return [one]


def test_no_route_of_the_host_is_shadowed(tmp_path: Path) -> None:
    config = {"echo": {}, "chat": {"use": "greedy"}, "admin": {"use": "greedy"}, "untyped": {}}
    with serve(config, tmp_path, {"greedy": Greedy, "untyped": Untyped}) as server:
        headers = {"X-API-Key": server.key}
        answer = httpx.post(f"{server.url}/chat", json={"message": "hi", "stream": False}, headers=headers)
        health = httpx.get(f"{server.url}/health/live")
        admin = httpx.get(f"{server.url}/admin/api-keys", headers=headers)
        own = httpx.post(f"{server.url}/plugins/chat/chat", headers=headers)
        untyped = httpx.get(f"{server.url}/plugins/untyped/one", headers=headers)
    assert "response" in answer.json()
    assert health.json() == {"status": "ok"}
    assert admin.status_code in (401, 403)
    assert (own.status_code, own.text) == (201, "mine")
    assert untyped.status_code == 404, "routes that cannot be served are left out, and the server runs"


def test_routes_count_against_the_limit_of_the_key(tmp_path: Path) -> None:
    with serve({"echo": {}, "mine": {"use": "greedy"}}, tmp_path, {"greedy": Greedy}) as server:
        secret, record = new_key("limited", None)
        record = msgspec.structs.replace(record, requests_per_minute=2)
        server.call(server.services.database.create_key(record))
        url = f"{server.url}/plugins/mine/"
        answers = [httpx.get(url, headers={"X-API-Key": secret}) for _ in range(3)]
        free = httpx.get(url, headers={"X-API-Key": server.key})
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit-limit"] for answer in answers] == ["2", "2", "2"]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert "retry-after" in answers[2].headers
    assert "ratelimit-limit" not in free.headers


SERVE = '''
class Plugin(orbit.Provider):
    """Has commands under the name of one of the host's."""

    @orbit.hookimpl
    def register_commands(self, group):
        @group.command()
        def shout(): print("mine")
'''


def test_no_command_of_the_host_is_shadowed(install, tmp_path: Path) -> None:
    install("orbit-serve", SERVE, name="serve")
    install("orbit-shout", SERVE, name="shouter")
    assert "Run the server until" in CliRunner().invoke(command, ["serve", "--help"]).output
    assert "mine" in CliRunner().invoke(command, ["shouter", "shout"]).output
