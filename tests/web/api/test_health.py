"""``/health``: who may know what, and components that misbehave when they are asked."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit import Chunk, Health, Provider, hookimpl
from orbit.testing import serve

TOKEN = "the-administrators-own-token"


class Raising(Provider):
    """Fails when asked."""

    async def health(self) -> Health:
        raise RuntimeError("with a secret in it")


class Hanging(Provider):
    """Never answers."""

    async def health(self) -> Health:
        await asyncio.sleep(3600)
        return Health()


class Stubborn(Provider):
    """Does not even let itself be cancelled."""

    asked = 0

    async def health(self) -> Health:
        type(self).asked += 1
        end = time.monotonic() + 3
        while time.monotonic() < end:
            try:
                await asyncio.sleep(0.1)
            except asyncio.CancelledError:
                continue
        return Health()


class Away(Provider):
    """Hangs while its service is away; when it is told to let go, it says so in its own way."""

    away = True
    raises: type[BaseException] = asyncio.CancelledError

    async def health(self) -> Health:
        try:
            await asyncio.sleep(3600 if self.away else 0)
        except asyncio.CancelledError:
            raise self.raises from None
        return Health()


class Odd(Provider):
    """Answers with something else."""

    async def health(self) -> Any:
        return "fine"


class Cancelled(Provider):
    """Cancels whoever asks."""

    async def health(self) -> Health:
        raise asyncio.CancelledError


class Teller(Provider):
    """Tells its address."""

    async def health(self) -> Health:
        return Health(detail="http://10.0.0.7:8000 is well")


class Limping(Provider):
    """Works, but not well."""

    async def health(self) -> Health:
        return Health("degraded", "one of two servers is away")


PLUGINS = {kind.__name__.lower(): kind for kind in (Raising, Hanging, Stubborn, Odd, Cancelled, Limping)}


def test_states_are_for_clients_and_details_for_administrators(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    with serve({"echo": {}, "teller": {}}, tmp_path, {"teller": Teller}) as server:

        def components(**headers: str) -> Any:
            response = httpx.get(f"{server.url}/health", headers={k.replace("_", "-"): v for k, v in headers.items()})
            assert response.status_code == 200
            body = response.json()
            assert body.pop("status") == "ok"
            return body

        well = ("llm", "server", "store", "echo")
        details = {"components": {name: {"status": "ok", "detail": ""} for name in well}}
        details["components"]["teller"] = {"status": "ok", "detail": "http://10.0.0.7:8000 is well"}
        states = {"components": {name: {"status": "ok", "detail": ""} for name in (*well, "teller")}}
        assert components() == {}
        assert components(x_api_key="") == {}
        assert components(authorization="Basic eDp5") == {}
        assert components(x_api_key=server.key) == states
        assert components(authorization=f"Bearer {server.key}") == states
        assert components(authorization=f"Bearer {TOKEN}") == details
        assert components(x_admin_token=TOKEN) == details


def test_a_wrong_key_or_token_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    """As a client of the earlier ORBIT tests a key: 401 means that it does not work."""
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    with serve({"echo": {}}, tmp_path) as server, httpx.Client(base_url=server.url) as client:
        wrong = [{"X-API-Key": "orbit_wrong"}, {"Authorization": "Bearer wrong"}, {"X-Admin-Token": "wrong"}]
        assert [client.get("/health", headers=headers).status_code for headers in wrong] == [401] * 3
        admin = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get("/health", headers={"X-API-Key": server.key}).status_code == 200
        body = {"api_key": server.key}
        assert client.post("/admin/api-keys/deactivate", json=body, headers=admin).status_code == 200
        dead = client.get("/health", headers={"X-API-Key": server.key})
        assert (dead.status_code, dead.json()["code"]) == (401, "unauthorized")
        assert client.head("/health", headers={"X-API-Key": server.key}).status_code == 401
        head = client.head("/health")
        assert (head.status_code, head.content) == (200, b"")


def test_components_are_open_to_all_if_the_operator_wants_it(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    config = {"echo": {}, "shelf": {}, "teller": {}, "health": {"details": "open"}}
    with serve(config, tmp_path, {"teller": Teller}) as server:
        body = httpx.get(f"{server.url}/health").json()
    assert {"server", "store", "llm", "echo", "shelf", "teller"} == set(body["components"])
    assert all(part == {"status": "ok", "detail": ""} for part in body["components"].values())


def test_asking_for_health_is_no_failed_attempt_at_administration(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    with serve({"echo": {}}, tmp_path) as server, httpx.Client(base_url=server.url) as client:
        for _ in range(30):
            assert client.get("/health").status_code == 200
            assert client.get("/health", headers={"X-API-Key": server.key}).status_code == 200
        admin = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get("/admin/api-keys", headers=admin).status_code == 200


def test_a_store_that_is_away_makes_health_no_error(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    with serve({"echo": {}}, tmp_path) as server, httpx.Client(base_url=server.url) as client:
        with contextlib.closing(sqlite3.connect(tmp_path / "orbit.db")) as store:
            store.executescript("PRAGMA foreign_keys = OFF; DROP TABLE api_keys; DROP TABLE system_prompts")
        assert client.post("/chat", json={"message": "hello"}, headers={"X-API-Key": "api_any"}).status_code == 503
        for headers in ({}, {"X-API-Key": "api_junk"}, {"Authorization": "Bearer api_junk"}, {"X-API-Key": ""}):
            reply = client.get("/health", headers=headers)
            assert (reply.status_code, set(reply.json())) == (200, {"status"}), headers
            assert client.get("/health/live", headers=headers).status_code == 200
            assert client.get("/health/ready", headers=headers).status_code == 503
        known = client.get("/health", headers={"Authorization": f"Bearer {TOKEN}"}).json()
        assert known["components"]["store"]["status"] == "down"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_component_can_make_the_whole_fail(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    monkeypatch.setattr(Stubborn, "asked", 0)  # the test may run twice in a process
    config = {"echo": {}, **{name: {} for name in PLUGINS}, "timeouts": {"health": 0.3}}
    with serve(config, tmp_path, PLUGINS) as server:
        headers = {"X-API-Key": server.key}
        started = time.monotonic()
        headers["X-Admin-Token"] = TOKEN
        report = httpx.get(f"{server.url}/health", headers=headers, timeout=20).json()
        assert time.monotonic() - started < 3
        again = httpx.get(f"{server.url}/health", headers=headers, timeout=20).json()
        assert again == report  # kept for a second
        time.sleep(1.1)
        httpx.get(f"{server.url}/health", headers=headers, timeout=20)
        assert Stubborn.asked == 1  # one that still hangs is not asked again
        assert httpx.get(f"{server.url}/health/ready").status_code == 503
        assert httpx.get(f"{server.url}/health/live").status_code == 200
        chat = httpx.post(f"{server.url}/chat", json={"message": "hello", "stream": False}, headers=headers)
        assert chat.status_code == 200
    assert report["status"] == "down"
    parts = {name: (part["status"], part["detail"]) for name, part in report["components"].items()}
    assert parts["echo"] == parts["server"] == parts["store"] == ("ok", "")
    assert parts["raising"] == ("down", "RuntimeError while asking for its health")
    assert parts["hanging"] == parts["stubborn"] == ("down", "no answer within 0.3 s")
    assert parts["odd"] == ("down", "health() returned no orbit.Health")
    assert parts["cancelled"][0] == "down"
    assert parts["limping"] == ("degraded", "one of two servers is away")


@pytest.mark.parametrize("raises", [asyncio.CancelledError, OSError])
def test_what_is_back_is_well_at_the_first_question(tmp_path: Path, raises: type[BaseException]) -> None:
    with serve({"echo": {}, "away": {}, "timeouts": {"health": 0.3}}, tmp_path, {"away": Away}) as server:
        away: Any = server.services.host.registry["away"]
        away.raises = raises
        assert httpx.get(f"{server.url}/health/ready", timeout=20).status_code == 503
        away.away = False
        time.sleep(1.1)  # an answer is kept for a second
        assert httpx.get(f"{server.url}/health/ready", timeout=20).status_code == 200


def test_degraded_is_ready(tmp_path: Path) -> None:
    with serve({"echo": {}, "limping": {}}, tmp_path, PLUGINS) as server:
        assert httpx.get(f"{server.url}/health").json() == {"status": "degraded"}
        assert httpx.get(f"{server.url}/health/ready").status_code == 200


class Answering(Provider):
    """A model whose server is down."""

    async def health(self) -> Health:
        return Health("down", "away")

    @hookimpl
    async def generate(self) -> AsyncIterator[Chunk]:
        yield Chunk("x", finish_reason="stop")


@pytest.mark.parametrize(("fallback", "llm"), [("spare", "degraded"), ([], "down")])
def test_the_model_is_not_down_while_another_answers(tmp_path: Path, fallback: Any, llm: str) -> None:
    models = {"default": "main", "main": {"provider": "away", "fallback": fallback}, "spare": {"provider": "echo"}}
    with serve({"away": {}, "echo": {}, "models": models}, tmp_path, {"away": Answering}) as server:
        body = httpx.get(f"{server.url}/health", headers={"X-API-Key": server.key}).json()
    states = {name: part["status"] for name, part in body["components"].items()}
    assert (body["status"], states["llm"], states["away"]) == (llm, llm, "down")
