"""Signing in to the operator's page: the cookie, how long it is good for, and what other pages cannot do with it."""

import time
from http.cookies import SimpleCookie

import httpx
import pytest

from orbit.auth.attempts import Attempts
from orbit.testing import serve

TOKEN = "the-administrators-own-token"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
        with serve({"echo": {}}, tmp_path_factory.mktemp("admin")) as running:
            yield running


@pytest.fixture
def anyone(server):
    with httpx.Client(base_url=server.url) as client:
        yield client


class Page(httpx.Client):
    """A browser's page."""

    csrf: dict[str, str]


@pytest.fixture
def page(server):
    """A client that has signed in, with the token that its changing requests send."""
    with Page(base_url=server.url) as client:
        made = client.post("/admin/session", headers=RIGHT)
        assert made.status_code == 201, made.text
        client.csrf = {"X-CSRF-Token": made.json()["csrf_token"]}
        yield client


def cookie_of(response):
    (morsel,) = SimpleCookie(response.headers["set-cookie"]).values()
    return morsel


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(anyone):
    response = anyone.post("/admin/session", headers=RIGHT)
    cookie = cookie_of(response)
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "strict"
    assert cookie["path"] == "/admin"
    assert not cookie["secure"]
    assert 7 * 3600 < int(cookie["max-age"]) <= 8 * 3600
    assert time.time() < response.json()["expires_at"] <= time.time() + 8 * 3600
    assert TOKEN not in cookie.value
    assert response.headers["cache-control"] == "no-store"


def test_over_https_the_cookie_is_for_https_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    proxied = {"echo": {}, "general": {"trusted_proxies": ["127.0.0.1"]}}
    with serve(proxied, tmp_path) as running:
        headers = {**RIGHT, "X-Forwarded-Proto": "https"}
        assert cookie_of(httpx.post(f"{running.url}/admin/session", headers=headers))["secure"]


def test_signed_in_everything_is_open(page):
    assert page.get("/admin/session").json()["csrf_token"] == page.csrf["X-CSRF-Token"]
    assert page.get("/admin/api-keys").status_code == 200
    made = page.post("/admin/prompts", json={"name": "by session", "prompt": "x"}, headers=page.csrf)
    assert made.status_code == 201
    assert page.delete(f"/admin/prompts/{made.json()['id']}", headers=page.csrf).status_code == 200


def test_only_the_token_signs_in(server, anyone, page):
    assert anyone.post("/admin/session").status_code == 401
    without_cookie = anyone.get("/admin/session", headers=RIGHT)
    assert (without_cookie.status_code, "no cookie of a sign-in" in without_cookie.text) == (401, True)
    assert anyone.post("/admin/session", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert anyone.post("/admin/session", headers={"Authorization": f"Bearer {server.key}"}).status_code == 403
    assert page.post("/admin/session", headers=page.csrf).status_code == 401  # a session does not prolong itself
    assert "set-cookie" not in anyone.post("/admin/session", headers={"Authorization": "Bearer wrong"}).headers


def test_wrong_tokens_are_limited_as_everywhere(server, anyone, monkeypatch, tmp_path):
    monkeypatch.setattr(server.services.admin_guard, "_attempts", Attempts(tmp_path / "attempts", TOKEN, burst=3))
    statuses = [anyone.post("/admin/session", headers={"X-Admin-Token": "wrong"}).status_code for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    assert anyone.post("/admin/session", headers=RIGHT).status_code == 201, "guesses of others lock nobody out"


def test_signing_out_ends_the_session_for_whoever_has_the_cookie(server, page):
    copied = dict(page.cookies)
    done = page.delete("/admin/session", headers=page.csrf)
    assert done.status_code == 200
    assert cookie_of(done)["max-age"] == "0"
    assert not page.cookies
    refused = httpx.get(f"{server.url}/admin/api-keys", cookies=copied)
    assert (refused.status_code, refused.json()["detail"]) == (401, "Your sign-in has expired; sign in again.")
    assert httpx.get(f"{server.url}/admin/api-keys", headers=RIGHT, cookies=copied).status_code == 200


def test_signing_out_where_that_cannot_be_kept_is_503(server, page, monkeypatch, tmp_path):
    (tmp_path / "file").touch()  # where the folder should be
    monkeypatch.setattr(server.services.admin_guard.sign_ins, "_folder", tmp_path / "file")
    refused = page.delete("/admin/session", headers=page.csrf)
    assert refused.status_code == 503, refused.text


def test_with_the_token_itself_there_is_no_session(anyone):
    assert anyone.get("/admin/session", headers=RIGHT).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "0" * 64},
        {"X-CSRF-Token": "é"},
    ],
)
def test_without_the_sessions_token_nothing_is_changed(page, headers):
    encoded = {name: value.encode() for name, value in headers.items()}
    refused = page.post("/admin/prompts", json={"name": "forged", "prompt": "x"}, headers=encoded)
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_csrf_token")
    assert "forged" not in page.get("/admin/prompts").text


def test_the_token_of_another_session_does_not_fit(server, page):
    with httpx.Client(base_url=server.url) as other:
        token = other.post("/admin/session", headers=RIGHT).json()["csrf_token"]
    refused = page.post("/admin/prompts", json={"name": "forged", "prompt": "x"}, headers={"X-CSRF-Token": token})
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("sent", "reads", "changes"),
    [
        ({}, 200, 201),
        ({"Sec-Fetch-Site": "same-origin"}, 200, 201),
        ({"Sec-Fetch-Site": "none"}, 200, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403, 403),
        ({"Origin": "{server}"}, 200, 201),
        ({"Origin": "http://127.0.0.1:1"}, 403, 403),
        ({"Origin": "https://elsewhere.example"}, 403, 403),
        ({"Origin": "null"}, 403, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://name.that.a.proxy.hides"}, 200, 201),
        ({"Sec-Fetch-Site": "same-site", "Origin": "{server}"}, 403, 403),
    ],
)
def test_pages_of_other_origins_can_do_nothing_even_with_the_cookie(server, page, sent, reads, changes):
    headers = {name: value.format(server=server.url) for name, value in sent.items()}
    assert page.get("/admin/api-keys", headers=headers).status_code == reads
    made = page.post("/admin/prompts", json={"name": "other", "prompt": "x"}, headers={**headers, **page.csrf})
    assert made.status_code == changes
    if made.status_code == 201:
        page.delete(f"/admin/prompts/{made.json()['id']}", headers=page.csrf)


def test_the_cookie_opens_no_route_elsewhere(server, page):
    everywhere = {"Cookie": "; ".join(f"{name}={value}" for name, value in page.cookies.items())}
    assert httpx.get(f"{server.url}/metrics", headers=everywhere).status_code == 200  # for Prometheus it is a sign-in
    assert httpx.get(f"{server.url}/health", headers=everywhere).json() == {"status": "ok"}
    assert httpx.post(f"{server.url}/chat", json={"message": "hi"}, headers=everywhere).status_code == 401
