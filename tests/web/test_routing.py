"""Every route of the server keeps HTTP's rules: slashes, HEAD, OPTIONS, 405 with Allow, errors in one shape."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any, ClassVar

import httpx
import litestar
import pytest

import orbit
from orbit.testing import make_host, serve
from orbit.web.app import create_app

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Extra(orbit.Provider):
    """Adds a route for reading, one for writing and one with a HEAD of its own."""

    asked: ClassVar[list[str]] = []

    @orbit.hookimpl
    def register_routes(self) -> list[Any]:
        @litestar.get("/reading")
        async def reading() -> dict[str, str]:
            return {"read": "yes"}

        @litestar.post("/writing", operation_id="write")
        async def writing() -> dict[str, str]:
            return {"written": "yes"}

        @litestar.get("/own", operation_id="own")
        async def own() -> dict[str, str]:
            return {"own": "get"}

        @litestar.head("/own")
        async def own_head() -> None:
            self.asked.append("head")

        return [reading, writing, own, own_head]


CONFIG: dict[str, Any] = {"script": {}, "shelf": {}, "extra": {}, "pages": {"embed_origins": ["https://a.example"]}}
PLUGINS = {"extra": Extra}


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The methods of each path, with its parameters filled in."""
    made = make_host(CONFIG, tmp_path_factory.mktemp("routes"), PLUGINS)
    app = create_app(made.config, made)
    found: dict[str, set[str]] = {}

    async def look() -> None:
        async with app.litestar.lifespan():
            for route in app.litestar.routes:
                path = re.sub(r"\{.*?\}", "nothing", route.path_format)
                found.setdefault(path, set()).update(getattr(route, "methods", ()))

    asyncio.run(look())
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serve(CONFIG, tmp_path_factory.mktemp("server"), PLUGINS) as running:
        yield running


def test_all_parts_are_routed_by_litestar(routes: dict[str, set[str]]) -> None:
    expected = {"/v1/messages", "/v1/messages/count_tokens"}
    expected |= {"/chat", "/v1/chat/completions", "/v1/models", "/v1/embeddings", "/health/ready", "/metrics", "/key"}
    assert expected | {"/", "/admin", "/admin/api-keys", "/schema", "/plugins/extra/reading"} < set(routes)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/responses", "/v1/responses"),
        ("/v1/v1/messages", "/v1/messages"),
        ("/v1/chat", "/chat"),
    ],
)
def test_a_base_url_with_a_v1_too_few_or_too_many(server: Any, path: str, meant: str) -> None:
    with _client(server, with_key=True) as client:
        missing, wrong = client.post(path, json={}), client.post(meant, json={})
    assert missing.status_code == 404
    assert f"There is no such path. Did you mean {meant}?" in missing.text
    assert missing.json().keys() == wrong.json().keys() - {"param"}, "an error in the form that its clients read"


@pytest.mark.parametrize("with_key", [False, True])
def test_each_path_takes_its_methods_only(server: Any, routes: dict[str, set[str]], with_key: bool) -> None:
    with _client(server, with_key=with_key) as client:
        for path, methods in routes.items():
            for method in METHODS:
                answer = client.request(method, path)
                if method in methods:
                    assert answer.status_code != 405, (method, path)
                    continue
                assert answer.status_code == 405, (method, path)
                assert set(answer.headers["allow"].split(", ")) == methods, (method, path)
                if method != "HEAD":
                    _check_error(answer, path)


def test_head_is_get_without_a_body(server: Any, routes: dict[str, set[str]]) -> None:
    with _client(server, with_key=True) as client:
        for path, methods in routes.items():
            assert ("GET" in methods) <= ("HEAD" in methods), path
            if "GET" in methods and path != "/plugins/extra/own":
                got, head = client.get(path), client.head(path)
                assert (head.status_code, head.content) == (got.status_code, b""), path
                assert head.headers.get("content-type") == got.headers.get("content-type"), path


def test_a_plugins_own_head_is_called(server: Any) -> None:
    with _client(server, with_key=True) as client:
        assert client.head("/plugins/extra/own").status_code == 200
    assert Extra.asked


def test_options_name_the_methods_without_a_key(server: Any, routes: dict[str, set[str]]) -> None:
    with _client(server, with_key=False) as client:
        for path, methods in routes.items():
            answer = client.options(path)
            assert answer.status_code == 204, path
            assert set(answer.headers["allow"].split(", ")) == methods, path


@pytest.mark.parametrize("with_key", [False, True])
def test_a_trailing_slash_changes_nothing(server: Any, routes: dict[str, set[str]], with_key: bool) -> None:
    with _client(server, with_key=with_key) as client:
        for path, methods in routes.items():
            if path == "/":
                continue
            for method in methods - {"HEAD", "OPTIONS"}:
                plain, slash = client.request(method, path), client.request(method, f"{path}/")
                assert slash.status_code == plain.status_code, (method, path)
                assert not slash.is_redirect, (method, path)


@pytest.mark.parametrize("path", ["/nowhere", "/v1/nowhere", "/chat/nowhere/x", "/plugins/extra/nowhere", "/v1"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_paths(server: Any, path: str, method: str) -> None:
    with _client(server, with_key=False) as client:
        answer = client.request(method, path)
    assert answer.status_code == 404
    _check_error(answer, path)


def test_a_chat_with_a_slash_is_answered(server: Any) -> None:
    with _client(server, with_key=True) as client:
        for path in ("/chat", "/chat/"):
            answer = client.post(path, json={"message": "hello", "stream": False})
            assert (answer.status_code, answer.json()["finish_reason"]) == (200, "stop")
        talk = {"model": "orbit", "messages": [{"role": "user", "content": "hello"}]}
        assert client.post("/v1/chat/completions/", json=talk).status_code == 200


def _client(server: Any, *, with_key: bool) -> httpx.Client:
    def add_key(request: httpx.Request) -> None:
        # For administration and metrics a client's key is a failed attempt, and many of them get 429.
        if with_key and not request.url.path.startswith(("/admin", "/metrics")):
            request.headers["X-API-Key"] = server.key

    return httpx.Client(base_url=server.url, event_hooks={"request": [add_key]}, timeout=30)


def _check_error(answer: httpx.Response, path: str) -> None:
    request_id = answer.headers["x-request-id"]
    if path.startswith("/v1/messages"):
        body = answer.json()
        assert (body["type"], body["request_id"]) == ("error", request_id)
        assert body["error"].keys() == {"type", "message", "details"}
        return
    if path.startswith("/v1/") or path.endswith("/rerank"):
        assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
        return
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["request_id"]) == (answer.status_code, request_id)
    assert {"title", "code", "detail"} < problem.keys()
