import contextlib
import json
import logging
import sqlite3
import stat
import time

import httpx
import pytest

from orbit.auth.attempts import Attempts
from orbit.testing import serve

TOKEN = "the-administrators-own-token"
SCRIPT = {"script": {"words": 2}, "shelf": {}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
        patch.setattr(Attempts, "allow", lambda *_, **__: True)  # so many refusals as here are tested elsewhere
        with serve(SCRIPT, tmp_path_factory.mktemp("admin"), collection="books") as running:
            yield running


@pytest.fixture
def admin(server):
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


@pytest.fixture
def anyone(server):
    with httpx.Client(base_url=server.url) as client:
        yield client


def chat(server, key, message="hello"):
    return httpx.post(f"{server.url}/chat", json={"message": message, "stream": False}, headers={"X-API-Key": key})


def make_key(admin, **fields):
    response = admin.post("/admin/api-keys", json={"collection_name": "books", "client_name": "Ana", **fields})
    assert response.status_code == 201, response.text
    return response.json()


def make_prompt(admin, name, text="Be kind.", **fields):
    response = admin.post("/admin/prompts", json={"name": name, "prompt": text, **fields})
    assert response.status_code == 201, response.text
    return response.json()


ROUTES = [
    ("POST", "/admin/api-keys"),
    ("GET", "/admin/api-keys"),
    ("GET", "/admin/api-keys/some/status"),
    ("POST", "/admin/api-keys/deactivate"),
    ("DELETE", "/admin/api-keys/some"),
    ("PATCH", "/admin/api-keys/some"),
    ("POST", "/admin/api-keys/some/prompt"),
    ("POST", "/admin/api-keys/some/rotate"),
    ("POST", "/admin/prompts"),
    ("GET", "/admin/prompts"),
    ("GET", "/admin/prompts/some"),
    ("GET", "/admin/prompts/some/versions"),
    ("PUT", "/admin/prompts/some"),
    ("DELETE", "/admin/prompts/some"),
    ("POST", "/admin/session"),
    ("GET", "/admin/session"),
    ("DELETE", "/admin/session"),
    ("GET", "/admin/collections"),
    ("GET", "/admin/collections/some"),
    ("DELETE", "/admin/collections/some"),
    ("POST", "/admin/collections/some/copy"),
    ("POST", "/admin/collections/some/rename"),
    ("POST", "/admin/collections/some/re-embed"),
    ("GET", "/admin/collections/some/documents"),
    ("POST", "/admin/collections/some/documents"),
    ("DELETE", "/admin/collections/some/documents"),
    ("GET", "/admin/chats"),
    ("GET", "/admin/live"),
    ("GET", "/admin/models"),
    ("POST", "/admin/reload"),
    ("GET", "/admin/log-level"),
    ("PUT", "/admin/log-level"),
]
NAMES = {
    "/admin/api-keys/some": "/admin/api-keys/{api_key}",
    "/admin/collections/some": "/admin/collections/{collection}",
}


def is_problem(response, status, code):
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    assert response.json()["code"] == code
    assert response.json()["status"] == status
    return response.json()


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_the_token_every_route_is_closed(server, anyone, method, path):
    bare = anyone.request(method, path)
    is_problem(bare, 401, "unauthorized")
    assert bare.headers["www-authenticate"].startswith("Bearer")
    as_client = {"X-API-Key": server.key}, {"Authorization": f"Bearer {server.key}"}, {"X-Admin-Token": server.key}
    for headers in as_client:
        is_problem(anyone.request(method, path, headers=headers), 403, "forbidden")


def test_the_list_of_routes_is_complete(server, anyone):
    paths = anyone.get("/schema/openapi.json").json()["paths"]
    found = {
        (method.upper(), path) for path, methods in paths.items() for method in methods if path.startswith("/admin")
    }
    listed = set()
    for method, example in ROUTES:
        path = example
        for some, name in NAMES.items():
            path = path.replace(some, name)
        listed.add((method, path.replace("/some", "/{prompt_id}")))
    assert found == listed


@pytest.mark.parametrize("scheme", [{"Authorization": f"bearer {TOKEN}"}, {"X-Admin-Token": TOKEN}])
def test_the_token_is_taken_from_either_header(anyone, scheme):
    response = anyone.get("/admin/api-keys", headers=scheme)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"


def test_a_key_is_made_shown_once_and_works(server, admin):
    before = int(time.time())
    made = make_key(admin, notes="first")
    assert {"api_key", "client_name", "collection", "notes", "created_at", "active", "system_prompt_id"} <= set(made)
    assert made["collection"] == "books"
    assert before <= made["created_at"] <= time.time()
    assert chat(server, made["api_key"]).status_code == 200
    everything = json.dumps(admin.get("/admin/api-keys?limit=1000").json())
    assert made["api_key"] not in everything
    assert f"***{made['api_key'][-4:]}" in everything
    assert made["api_key"] not in admin.get(f"/admin/api-keys/{made['id']}/status").text


def test_a_collection_may_be_left_to_the_default(admin):
    made = admin.post("/admin/api-keys", json={"client_name": "Ana"}).json()
    assert made["collection"] is None


def test_status_deactivate_and_delete_by_key_or_id(server, admin):
    for name in ("api_key", "id"):
        made = make_key(admin)
        reference = made[name]
        status = admin.get(f"/admin/api-keys/{reference}/status").json()
        assert (status["id"], status["status"], status["system_prompt"]) == (made["id"], "active", None)
        assert chat(server, made["api_key"]).status_code == 200
        done = admin.post("/admin/api-keys/deactivate", json={"api_key": reference})
        assert (done.status_code, done.json()["active"]) == (200, False)
        is_problem(chat(server, made["api_key"]), 401, "unauthorized")
        assert admin.get(f"/admin/api-keys/{reference}/status").json()["status"] == "inactive"
        gone = admin.delete(f"/admin/api-keys/{reference}")
        assert (gone.status_code, gone.json()["status"]) == (200, "success")
        is_problem(admin.get(f"/admin/api-keys/{reference}/status"), 404, "unknown_key")
        is_problem(admin.delete(f"/admin/api-keys/{reference}"), 404, "unknown_key")


def test_listing_by_page_reaches_every_key(admin):
    made = {make_key(admin, client_name=f"client {number}")["id"] for number in range(12)}
    found, url = [], "/admin/api-keys?limit=5"
    while url:
        response = admin.get(url)
        found += [key["id"] for key in response.json()]
        url = response.links.get("next", {}).get("url")
    assert made <= set(found)
    assert len(found) == len(set(found))
    for bad in ("limit=0", "limit=1001", "limit=x"):
        is_problem(admin.get(f"/admin/api-keys?{bad}"), 400, "invalid_request")


def pass_seconds(monkeypatch, seconds):
    """Let the clock of the wall go forward at once."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + seconds)


def test_expiry(server, admin, monkeypatch):
    made = make_key(admin, expires_at=time.time() + 60)
    assert chat(server, made["api_key"]).status_code == 200
    pass_seconds(monkeypatch, 61)
    is_problem(chat(server, made["api_key"]), 401, "unauthorized")
    assert admin.get(f"/admin/api-keys/{made['id']}/status").json()["status"] == "expired"
    is_problem(admin.post("/admin/api-keys", json={"client_name": "a", "expires_at": 5}), 400, "bad_request")
    assert make_key(admin, expires_at="2099-01-01T00:00:00Z")["expires_at"] == 4070908800


def test_rotation_keeps_the_old_key_for_the_grace_time(server, admin, monkeypatch):
    made = make_key(admin)
    rotated = admin.post(f"/admin/api-keys/{made['id']}/rotate", json={"grace_seconds": 60}).json()
    assert rotated["id"] == made["id"]
    assert rotated["api_key"] != made["api_key"]
    assert chat(server, rotated["api_key"]).status_code == 200
    assert chat(server, made["api_key"]).status_code == 200
    former = admin.get(f"/admin/api-keys/{made['id']}/status").json()["former_secrets"]
    assert [secret["api_key"] for secret in former] == [f"***{made['api_key'][-4:]}"]
    pass_seconds(monkeypatch, 61)
    assert chat(server, made["api_key"]).status_code == 401
    assert chat(server, rotated["api_key"]).status_code == 200
    again = admin.post(f"/admin/api-keys/{made['id']}/rotate").json()  # no body: no grace
    assert chat(server, rotated["api_key"]).status_code == 401
    assert chat(server, again["api_key"]).status_code == 200


def test_limits_are_told_and_kept(server, admin):
    key = make_key(admin, requests_per_minute=3)["api_key"]
    answers = [chat(server, key) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers[:3]] == ["2", "1", "0"]
    problem = is_problem(answers[4], 429, "rate_limited")
    assert "3 requests a minute" in problem["detail"]
    for answer in answers:
        assert answer.headers["ratelimit-limit"] == "3"
        assert answer.headers["ratelimit-policy"] == "3;w=60"
        assert 0 < int(answer.headers["ratelimit-reset"]) <= 61
    assert 0 < int(answers[4].headers["retry-after"]) <= 61
    assert "ratelimit-limit" not in chat(server, server.key).headers


def test_a_key_can_be_changed(server, admin):
    made = make_key(admin, requests_per_minute=1, notes="before")
    assert [chat(server, made["api_key"]).status_code for _ in range(2)] == [200, 429]
    changed = admin.patch(
        f"/admin/api-keys/{made['id']}", json={"requests_per_minute": None, "client_name": "Bo"}
    ).json()
    assert (changed["requests_per_minute"], changed["client_name"], changed["notes"]) == (None, "Bo", "before")
    assert chat(server, made["api_key"]).status_code == 200
    admin.post("/admin/api-keys/deactivate", json={"api_key": made["id"]})
    assert chat(server, made["api_key"]).status_code == 401
    admin.patch(f"/admin/api-keys/{made['api_key']}", json={"active": True})
    assert chat(server, made["api_key"]).status_code == 200
    is_problem(admin.patch(f"/admin/api-keys/{made['id']}", json={"expires_at": 5}), 400, "bad_request")
    is_problem(admin.patch(f"/admin/api-keys/{made['id']}", json={"digest": "x"}), 400, "invalid_request")
    is_problem(admin.patch("/admin/api-keys/unknown", json={}), 404, "unknown_key")


def test_changes_are_logged_without_keys(admin, caplog):
    with caplog.at_level(logging.INFO, "orbit.admin"):
        made = make_key(admin, client_name="logged")
        new = admin.post(f"/admin/api-keys/{made['id']}/rotate").json()
        admin.patch(f"/admin/api-keys/{new['api_key']}", json={"notes": "private"})
        admin.delete(f"/admin/api-keys/{made['id']}")
    assert caplog.text.count(made["id"]) == 4
    assert "logged" in caplog.text
    for secret in (made["api_key"], new["api_key"], "private", TOKEN):
        assert secret not in caplog.text


def system_prompt_of(server, key):
    assert chat(server, key).status_code == 200
    messages, _, _ = server.provider("script").seen[-1]
    return messages[0].content


def test_a_prompt_guides_from_the_next_request_on(server, admin):
    made = make_key(admin)
    default = system_prompt_of(server, made["api_key"])
    prompt = make_prompt(admin, "guide", "Answer like a pirate.")
    tied = admin.post(f"/admin/api-keys/{made['id']}/prompt", json={"prompt_id": prompt["id"]})
    assert tied.json()["system_prompt_id"] == prompt["id"]
    assert system_prompt_of(server, made["api_key"]).startswith("Answer like a pirate.")
    admin.put(f"/admin/prompts/{prompt['id']}", json={"prompt": "Answer like a poet."})
    assert system_prompt_of(server, made["api_key"]).startswith("Answer like a poet.")
    status = admin.get(f"/admin/api-keys/{made['id']}/status").json()
    assert status["system_prompt"] == {"id": prompt["id"], "name": "guide", "version": "1.1"}
    admin.post(f"/admin/api-keys/{made['id']}/prompt", json={"prompt_id": None})
    assert system_prompt_of(server, made["api_key"]) == default
    unknown = admin.post(f"/admin/api-keys/{made['id']}/prompt", json={"prompt_id": "f" * 24})
    is_problem(unknown, 404, "unknown_prompt")
    straight = make_key(admin, system_prompt_id=prompt["id"])
    assert system_prompt_of(server, straight["api_key"]).startswith("Answer like a poet.")


def test_prompts_from_creation_to_deletion(admin):
    prompt = make_prompt(admin, "life", "One.", version="3.0")
    assert set(prompt) == {"id", "name", "prompt", "version", "created_at", "updated_at"}
    assert admin.get(f"/admin/prompts/{prompt['id']}").json() == prompt
    assert prompt in admin.get("/admin/prompts?limit=1000").json()
    is_problem(admin.post("/admin/prompts", json={"name": "life", "prompt": "x"}), 409, "duplicate_prompt")
    changed = admin.put(f"/admin/prompts/{prompt['id']}", json={"prompt": "Two.", "version": "4.0"}).json()
    assert (changed["prompt"], changed["version"], changed["created_at"]) == ("Two.", "4.0", prompt["created_at"])
    versions = admin.get(f"/admin/prompts/{prompt['id']}/versions").json()
    assert [(version["version"], version["prompt"]) for version in versions] == [("4.0", "Two."), ("3.0", "One.")]
    assert admin.delete(f"/admin/prompts/{prompt['id']}").status_code == 200
    for response in (
        admin.get(f"/admin/prompts/{prompt['id']}"),
        admin.get(f"/admin/prompts/{prompt['id']}/versions"),
        admin.put(f"/admin/prompts/{prompt['id']}", json={"prompt": "x"}),
        admin.delete(f"/admin/prompts/{prompt['id']}"),
    ):
        is_problem(response, 404, "unknown_prompt")


def test_a_prompt_in_use_goes_only_by_force(server, admin):
    prompt = make_prompt(admin, "used")
    made = make_key(admin, client_name="Bo", system_prompt_id=prompt["id"])
    problem = is_problem(admin.delete(f"/admin/prompts/{prompt['id']}"), 409, "prompt_in_use")
    assert problem["keys"] == [{"id": made["id"], "client_name": "Bo"}]
    assert admin.delete(f"/admin/prompts/{prompt['id']}?force=true").status_code == 200
    assert chat(server, made["api_key"]).status_code == 200
    assert admin.get(f"/admin/api-keys/{made['id']}/status").json()["system_prompt_id"] is None


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/admin/api-keys", {}, "client_name"),
        ("/admin/api-keys", {"client_name": ""}, "client_name"),
        ("/admin/api-keys", {"client_name": "   "}, "client_name"),
        ("/admin/api-keys", {"client_name": {"$ne": None}}, "client_name"),
        ("/admin/api-keys", {"client_name": "x" * 201}, "client_name"),
        ("/admin/api-keys", {"client_name": "a", "requests_per_minute": 0}, "requests_per_minute"),
        ("/admin/api-keys", {"client_name": "a", "requests_per_minute": 1.5}, "requests_per_minute"),
        (
            "/admin/api-keys",
            {"client_name": "a", "expires_at": "tomorrow"},
            "expires_at: this is not a time; give Unix",
        ),
        ("/admin/api-keys", {"client_name": "a", "expires_at": 1e300}, "expires_at"),
        ("/admin/api-keys", {"client_name": "a", "colection_name": "x"}, "colection_name"),
        ("/admin/api-keys/deactivate", {"api_key": {"$ne": None}}, "api_key"),
        ("/admin/prompts", {"name": "a"}, "prompt"),
        ("/admin/prompts", {"name": "a", "prompt": " "}, "prompt"),
        ("/admin/prompts", [], "body"),
    ],
)
def test_mistakes_in_a_body_are_named(admin, path, body, named):
    assert named in is_problem(admin.post(path, json=body), 400, "invalid_request")["detail"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b'"text"'])
def test_a_body_that_is_not_json_is_a_client_error(admin, content):
    response = admin.post("/admin/api-keys", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 400, response.text


def test_a_body_that_is_too_large_is_refused(admin):
    body = {"name": "large", "prompt": "x" * 2_000_000}
    assert admin.post("/admin/prompts", json=body).status_code == 413


def test_budgets_are_set_shown_and_removed(server, admin, anyone):
    made = make_key(admin, requests_per_day=5, tokens_per_month=1_000_000)
    assert (made["requests_per_day"], made["requests_per_month"], made["tokens_per_month"]) == (5, None, 1_000_000)
    assert chat(server, made["api_key"]).status_code == 200
    (listed,) = [key for key in admin.get("/admin/api-keys?limit=1000").json() if key["id"] == made["id"]]
    status = admin.get(f"/admin/api-keys/{made['id']}/status").json()
    own = anyone.get("/key", headers={"X-API-Key": made["api_key"]}).json()
    assert listed["budgets"] == status["budgets"] == own["budgets"]
    budgets = {budget["name"]: budget for budget in own["budgets"]}
    assert set(budgets) == {"requests_per_day", "tokens_per_month"}
    assert (budgets["requests_per_day"]["used"], budgets["requests_per_day"]["limit"]) == (1, 5)
    assert 0 < budgets["tokens_per_month"]["used"] < 100
    assert time.time() < budgets["requests_per_day"]["resets_at"] <= time.time() + 86_400
    changed = admin.patch(f"/admin/api-keys/{made['id']}", json={"requests_per_day": 1}).json()
    assert (changed["requests_per_day"], changed["tokens_per_month"]) == (1, 1_000_000)
    is_problem(chat(server, made["api_key"]), 429, "budget_exceeded")
    admin.patch(f"/admin/api-keys/{made['id']}", json={"requests_per_day": None})
    assert chat(server, made["api_key"]).status_code == 200
    for wrong in (0, -1, "many", 1.5, 10**13):
        is_problem(admin.patch(f"/admin/api-keys/{made['id']}", json={"tokens_per_day": wrong}), 400, "invalid_request")


@pytest.mark.parametrize(
    "reference", ["%7B%22$ne%22:null%7D", "%00", "..", "a%2Fb", "x" * 5000, "%F0%9F%90%99", "$where"]
)
def test_odd_references_name_no_key(admin, reference):
    assert admin.get(f"/admin/api-keys/{reference}/status").status_code in {400, 404, 414}
    if reference != "..":  # which leads to the operator's page
        assert admin.get(f"/admin/prompts/{reference}").status_code in {400, 404, 405, 414}


def test_a_client_may_ask_about_its_own_key(server, anyone):
    own = anyone.get("/key", headers={"X-API-Key": server.key})
    assert own.json() == {
        "api_key": f"***{server.key[-4:]}",
        "client_name": "test",
        "collection": "books",
        "expires_at": None,
        "requests_per_minute": None,
        "models": [],
        "budgets": [],
        "groups": [],
    }
    is_problem(anyone.get("/key"), 401, "unauthorized")
    is_problem(anyone.get("/key", headers={"X-API-Key": "wrong"}), 401, "unauthorized")


def test_a_key_that_is_known_is_shown_while_the_database_is_away(tmp_path):
    with serve({"script": {}, "auth": {"cache_seconds": 600}}, tmp_path) as running:
        own = {"X-API-Key": running.key}
        with contextlib.closing(sqlite3.connect(tmp_path / "orbit.db")) as database, database:
            database.execute("UPDATE api_keys SET requests_per_day = 5")
        assert httpx.get(f"{running.url}/key", headers=own).json()["budgets"][0]["used"] == 0
        with contextlib.closing(sqlite3.connect(tmp_path / "orbit.db")) as database:
            database.executescript("PRAGMA foreign_keys = OFF; DROP TABLE api_keys; DROP TABLE day_counts")
        shown = httpx.get(f"{running.url}/key", headers=own).json()
    assert (shown["client_name"], shown["budgets"][0]["limit"], shown["budgets"][0]["used"]) == ("test", 5, None)


def test_a_token_is_generated_once_for_its_owner_alone(tmp_path, monkeypatch, caplog):
    monkeypatch.delenv("ORBIT_ADMIN_TOKEN", raising=False)
    file = tmp_path / "admin-token"
    with caplog.at_level(logging.INFO, "orbit.admin"), serve(SCRIPT, tmp_path) as server:
        token = file.read_text().strip()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert len(token) >= 40
        headers = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{server.url}/admin/api-keys", headers=headers).status_code == 200
    assert str(file) in caplog.text
    assert token not in caplog.text
    with serve(SCRIPT, tmp_path) as server:
        assert httpx.get(f"{server.url}/admin/api-keys", headers=headers).status_code == 200
    assert [path.name for path in tmp_path.iterdir() if "admin-token" in path.name] == ["admin-token"]
