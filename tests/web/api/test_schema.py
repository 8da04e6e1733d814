"""``/schema``: a valid OpenAPI document of every route, and a page that asks no other host for anything."""

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from openapi_spec_validator import validate
from ruamel.yaml import YAML

from orbit.testing import make_host, serve
from orbit.web.app import create_app

UNDESCRIBED = "/schema"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with serve({"script": {}}, tmp_path_factory.mktemp("schema")) as server:
        return httpx.get(f"{server.url}/schema/openapi.json").json()


def test_the_document_is_valid(document: Any) -> None:
    validate(document)
    names = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(part)


def test_generators_of_clients_understand_it(document: Any) -> None:
    for node in _nodes(document):
        assert "prefixItems" not in node, node
        if node.get("type") == "array":
            assert isinstance(node["items"], dict), node
    schemas = document["components"]["schemas"]
    session = schemas["ChatRequest"]["properties"]["session_id"]
    assert next(node["minLength"] for node in _nodes(session) if "minLength" in node) == 1
    for path in ("/chat", "/v1/chat/completions", "/v1/responses", "/v1/messages"):
        stream = document["paths"][path]["post"]["responses"]["200"]["content"]["text/event-stream"]["schema"]
        assert stream["type"] == "string"
        assert "data:" in stream["description"]
    upload = document["paths"]["/admin/collections/{collection}/documents"]["post"]["requestBody"]["content"]
    assert upload["multipart/form-data"]["schema"]["properties"]["files"]["items"]["format"] == "binary"


def test_a_generated_python_client_asks(document: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    # The generator knows no lines of JSON, and its formatter need not run.
    config = {"content_type_overrides": {"application/x-ndjson": "application/octet-stream"}, "post_hooks": []}
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json", "--meta", "none"]
    command += ["--config", "config.json", "--output-path", "orbit_client", "--fail-on-warning"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    client = importlib.import_module("orbit_client")
    ask = importlib.import_module("orbit_client.api.chat.chat")
    models = importlib.import_module("orbit_client.models")
    with serve({"script": {}}, tmp_path) as server:
        authenticated = client.AuthenticatedClient(server.url, server.key, prefix="", auth_header_name="X-API-Key")
        with authenticated:
            answer = ask.sync(client=authenticated, body=models.ChatRequest("hello", stream=False))
            refused = ask.sync(client=authenticated, body=models.ChatRequest("", stream=False))
    assert answer.finish_reason == "stop"
    assert isinstance(answer, models.ChatResponse)
    assert isinstance(refused, models.ProblemDetails)


async def test_every_served_route_is_in_it(document: Any, tmp_path: Path) -> None:
    app = create_app((made := make_host({"script": {}}, tmp_path)).config, made)
    async with app.litestar.lifespan():
        described = {
            route.path_format
            for route in app.litestar.routes
            if any(handler.resolve_include_in_schema() for handler in getattr(route, "route_handlers", ()))
        }
        hidden = {route.path_format for route in app.litestar.routes} - described
    assert {"/chat", "/v1/chat/completions", "/v1/models/{model}", "/v1/embeddings"} < described
    assert document["paths"].keys() == described
    pages = {path for path in hidden if not path.startswith(UNDESCRIBED)}
    # What is hidden is for browsers: pages and their files.
    assert not {path for path in pages if path.startswith(("/chat", "/key", "/health", "/metrics", "/plugins", "/v1"))}


def test_answers_are_as_described(document: Any, tmp_path: Path) -> None:
    with serve({"script": {}, "wordllama": {}, "shelf": {}}, tmp_path) as server:
        headers = {"X-API-Key": server.key, "Authorization": f"Bearer {server.key}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=20) as client:
            talk = {"model": "orbit", "messages": [{"role": "user", "content": "hello"}]}
            answers = {
                ("/chat", "post"): client.post("/chat", json={"message": "x", "stream": False, "session_id": "s"}),
                ("/chat/sessions/{session_id}", "get"): client.get("/chat/sessions/s"),
                ("/v1/chat/completions", "post"): client.post("/v1/chat/completions", json=talk),
                ("/v1/models", "get"): client.get("/v1/models"),
                ("/v1/models/{model}", "get"): client.get("/v1/models/orbit"),
                ("/v1/embeddings", "post"): client.post(
                    "/v1/embeddings", json={"model": "l2_supercat-256", "input": "x"}
                ),
                ("/key", "get"): client.get("/key"),
                ("/health", "get"): client.get("/health"),
            }
            errors = {
                ("/chat", "post"): client.post("/chat", json={}),
                ("/chat/sessions/{session_id}", "get"): client.get("/chat/sessions/other"),
                ("/v1/chat/completions", "post"): client.post("/v1/chat/completions", json={}),
                ("/admin/api-keys", "post"): client.post("/admin/api-keys", json={}),
            }
    assert {response.status_code for response in answers.values()} == {200}
    assert not any(response.is_success for response in errors.values())
    for (path, method), response in [*answers.items(), *errors.items()]:
        responses = document["paths"][path][method]["responses"]
        described = responses["200" if response.is_success else "default"]["content"]
        schema = described[response.headers["content-type"].partition(";")[0]]["schema"]
        jsonschema.validate(response.json(), {**schema, "components": document["components"]})


def test_who_may_use_what(document: Any) -> None:
    schemes = document["components"]["securitySchemes"]
    assert {(scheme["type"], scheme.get("name") or scheme.get("scheme")) for scheme in schemes.values()} == {
        ("apiKey", "X-API-Key"),
        ("apiKey", "X-Admin-Token"),
        ("apiKey", "X-CSRF-Token"),
        ("apiKey", "orbit_admin_*"),
        ("http", "bearer"),
    }

    def access(path: str, method: str) -> list[str]:
        return ["+".join(choice) for choice in document["paths"][path][method]["security"]]

    assert access("/chat", "post") == ["apiKey"]
    assert access("/chat/sessions/{session_id}", "delete") == ["apiKey"]
    assert access("/v1/chat/completions", "post") == ["bearerKey", "apiKey"]
    assert access("/admin/api-keys", "post") == ["adminToken", "adminTokenHeader", "adminSession+csrfToken"]
    assert access("/admin/api-keys", "get") == ["adminToken", "adminTokenHeader", "adminSession"]
    assert access("/admin/session", "post") == ["adminToken", "adminTokenHeader"]
    assert access("/health/live", "get") == [""]
    assert "" in access("/health", "get")


def test_administration_lets_in_whom_the_document_says(
    document: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each alternative lets in, and nothing less than all of it; what is asked for need not exist."""
    token = "the-operators-own-token"
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", token)
    (tmp_path / "config.yaml").write_text("misspelled: {}\n")  # a reload that is let in finds nothing to start
    monkeypatch.setenv("ORBIT_CONFIG", str(tmp_path / "config.yaml"))
    with serve({"script": {}, "shelf": {}}, tmp_path) as server, httpx.Client(base_url=server.url) as client:

        def refused(path: str, method: str, shown: dict[str, dict[str, str]]) -> bool:
            headers = {name: value for scheme in shown.values() for name, value in scheme.items()}
            client.cookies.clear()
            with client.stream(method, re.sub(r"\{.*?\}", "nothing", path), headers=headers) as response:
                return response.status_code in (401, 403)

        for path, item in document["paths"].items():
            for method, operation in item.items() if path.startswith("/admin") else ():
                made = client.post("/admin/session", headers={"Authorization": f"Bearer {token}"})
                (cookie,) = made.headers["set-cookie"].split(";")[:1]
                described = document["components"]["securitySchemes"]["adminSession"]["name"]
                assert cookie.startswith(described.removesuffix("*"))
                credentials = {
                    "adminToken": {"Authorization": f"Bearer {token}"},
                    "adminTokenHeader": {"X-Admin-Token": token},
                    "adminSession": {"Cookie": cookie},
                    "csrfToken": {"X-CSRF-Token": made.json()["csrf_token"]},
                }
                assert refused(path, method, {}), f"{method} {path} needs something"
                for alternative in operation["security"]:
                    chosen = {scheme: credentials[scheme] for scheme in alternative}
                    for scheme in chosen:
                        less = {other: shown for other, shown in chosen.items() if other != scheme}
                        assert refused(path, method, less), f"{method} {path} needs {scheme}"
                    assert not refused(path, method, chosen), f"{method} {path} is open to {list(chosen)}"


def test_the_pages_stay_at_home(tmp_path: Path) -> None:
    with serve({"script": {}}, tmp_path) as server:
        page = httpx.get(f"{server.url}/schema")
        yaml = httpx.get(f"{server.url}/schema/openapi.yaml")
        json = httpx.get(f"{server.url}/schema/openapi.json").json()
        others = [httpx.get(f"{server.url}/schema/{name}") for name in ("swagger", "redoc", "rapidoc", "elements")]
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"(src|href|url\()\s*=?\s*[\"']?(https?:)?//", page.text)
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "POST /chat<" in page.text
    assert "POST /v1/chat/completions<" in page.text
    assert YAML(typ="safe", pure=True).load(yaml.text) == json
    assert {response.status_code for response in others} == {404}
