"""The models that a key may name, on every route that takes a model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

import orbit
from orbit.auth.keys import new_key
from orbit.testing.hosting import RunningServer, serve

CONFIG: dict[str, Any] = {
    "script": {},
    "failing": {"use": "script", "fail_after": 0},
    "other": {"use": "script", "model": "other-script"},
    "models": {
        "default": "fast",
        "fast": {"provider": "script"},
        "broken": {"provider": "failing", "fallback": "large"},
        "large": {"provider": "other"},
        "exact": {"provider": "other"},
    },
}
QUESTION = {"messages": [{"role": "user", "content": "hello"}]}


class Able(orbit.Provider):
    """Says what its models can do, or is away."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """Whether it is away."""

        away: bool = False

    settings: Settings

    def model(self, hook: str) -> str:
        return "small"

    @orbit.hookimpl
    async def models(self, context: orbit.CallContext) -> Sequence[orbit.Model]:
        if self.settings.away:
            raise orbit.ProviderError("it is away", kind="unavailable")
        return [
            orbit.Model("small", 4096, frozenset({"tools"})),
            orbit.Model("large", 8192, frozenset({"tools", "images"})),
        ]

    @orbit.hookimpl
    async def generate(self, messages: Any) -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk("x", finish_reason="stop")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serve(CONFIG, tmp_path_factory.mktemp("orbit")) as running:
        yield running


def key_with(server: RunningServer, *models: str) -> dict[str, str]:
    secret, key = new_key("Ana", models=models)
    server.call(server.services.database.create_key(key))
    return {"X-API-Key": secret}


def chat(server: RunningServer, key: dict[str, str], **body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}/chat", json={"message": "hello", "stream": False, **body}, headers=key, timeout=30)


def complete(server: RunningServer, key: dict[str, str], model: str) -> httpx.Response:
    body = {"model": model, **QUESTION}
    return httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=key, timeout=30)


def test_the_first_model_is_the_default(server: RunningServer) -> None:
    key = key_with(server, "exact", "fast")
    assert chat(server, key).json()["metadata"]["provider"] == "other"
    assert chat(server, key, model="orbit").json()["metadata"]["provider"] == "other"
    assert chat(server, key, model="Fast:latest").json()["metadata"]["provider"] == "script"
    assert complete(server, key, "orbit").json()["orbit"]["provider"] == "other"
    assert chat(server, key_with(server)).json()["metadata"]["provider"] == "script"


def test_other_models_do_not_exist_for_the_key(server: RunningServer) -> None:
    key = key_with(server, "exact", "fast")
    for response, problem in [
        ((one := chat(server, key, model="large")), one.json()),
        ((two := complete(server, key, "large")), two.json()["error"]),
    ]:
        assert (response.status_code, problem["code"]) == (404, "model_not_found")
        assert "The model 'large' does not exist here. Models: exact, fast." in response.text


def test_the_list_has_the_models_of_the_key(server: RunningServer) -> None:
    key = key_with(server, "exact", "fast", "gone")
    listed = httpx.get(f"{server.url}/v1/models", headers=key).json()["data"]
    assert [model["id"] for model in listed] == ["exact", "fast"]
    assert all(model["created"] for model in listed)
    assert httpx.get(f"{server.url}/v1/models/fast", headers=key).json()["id"] == "fast"
    assert httpx.get(f"{server.url}/v1/models/large", headers=key).status_code == 404
    assert httpx.get(f"{server.url}/v1/models").status_code == 401
    assert httpx.get(f"{server.url}/key", headers=key).json()["models"] == ["exact", "fast", "gone"]


def test_a_key_whose_models_are_all_gone_is_refused(server: RunningServer) -> None:
    key = key_with(server, "gone")
    assert "The model 'gone' does not exist here." in chat(server, key).json()["detail"]
    assert httpx.get(f"{server.url}/v1/models", headers=key).json()["data"] == []
    assert chat(server, key, model="fast").status_code == 404


def test_a_fallback_takes_over_whatever_its_name(server: RunningServer) -> None:
    key = key_with(server, "broken")
    assert chat(server, key).json()["metadata"]["provider"] == "other"


def test_every_route_that_chats_keeps_to_the_models_of_the_key(server: RunningServer) -> None:
    """Also routes that are newer than this test."""
    key = key_with(server, "fast")
    bodies: dict[str, dict[str, Any]] = {
        "/chat": {"message": "hello"},
        "/v1/responses": {"input": "hello"},
        "/v1/completions": {"prompt": "hello"},
        "/v1/messages": {"max_tokens": 9, **QUESTION},
    }
    document = httpx.get(f"{server.url}/schema/openapi.json").json()
    paths = [path for path in document["paths"] if "post" in document["paths"][path]]
    chats = [path for path in paths if path in bodies or path.endswith("/chat/completions")]
    assert {"/chat", "/v1/chat/completions"} <= set(chats)
    for path in chats:
        body = {"model": "large", **bodies.get(path, QUESTION)}
        response = httpx.post(f"{server.url}{path}", json=body, headers=key, timeout=30)
        assert response.status_code == 404, (path, response.text)


def test_the_list_says_what_models_can_do(tmp_path: Path) -> None:
    config = {
        "able": {},
        "away": {"use": "able", "away": True},
        "models": {
            "default": "one",
            "one": {"provider": "able"},
            "two": {"provider": "able", "model": "large"},
            "both": {"provider": ["able", "away"]},
        },
    }
    with serve(config, tmp_path, {"able": Able}) as server:
        key = {"X-API-Key": server.key}
        listed = httpx.get(f"{server.url}/v1/models", headers=key).json()["data"]
        one = httpx.get(f"{server.url}/v1/models/two", headers=key).json()
    assert [(model["id"], model["context_length"], model["supports"]) for model in listed] == [
        ("one", 4096, ["tools"]),
        ("two", 8192, ["images", "tools"]),
        ("both", 4096, []),  # one of its providers does not say
    ]
    assert one == listed[1]
