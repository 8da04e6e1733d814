import logging

import httpx
import pytest

from orbit.testing import serve
from orbit.web.http.redaction import redacted

TOKEN = "the-administrators-own-token"


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    with serve({"script": {}, "logging": {"access": True}}, tmp_path) as running:
        yield running


@pytest.fixture
def anyone(server):
    with httpx.Client(base_url=server.url) as client:
        yield client


def test_wrong_tokens_are_refused_and_limited_for_a_moment_only(anyone, caplog):
    right = {"Authorization": f"Bearer {TOKEN}"}
    statuses = []

    def guess():
        return anyone.get("/admin/prompts", headers={"X-Admin-Token": "wrong-value"})

    with caplog.at_level(logging.WARNING, "orbit.admin"):
        for number in range(60):
            headers = {"Authorization": f"Bearer wrong-value-{number}"}
            statuses.append(anyone.get("/admin/prompts", headers=headers).status_code)
    assert set(statuses) == {401, 429}
    assert statuses[:20] == [401] * 20
    refused = next(reply for reply in iter(guess, None) if reply.status_code != 401)
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (
        429,
        "too_many_attempts",
        "1",
    )
    assert anyone.get("/admin/prompts", headers=right).status_code == 200, "guesses of others lock nobody out"
    assert "wrong-value" not in caplog.text
    assert TOKEN not in caplog.text
    assert "127.0.0.1" in caplog.text


def test_malformed_credentials_are_only_client_errors(anyone):
    seeds = [
        b"",
        b" ",
        b"\xff\xfe",
        b"Bearer",
        b"Bearer ",
        b"Basic Og==",
        b'{"$ne": null}',
        b"x" * 8000,
        b"api_",
        b"\t",
    ]
    statuses = set()
    for number in range(1000):
        value = seeds[number % 10] + (b"%d" % number if number >= 10 else b"")
        name = (b"Authorization", b"X-Admin-Token", b"X-API-Key")[number % 3]
        headers = [(name, value.strip())]
        if name == b"X-API-Key":
            response = anyone.post("/chat", json={"message": "hi"}, headers=headers)
        else:
            response = anyone.get("/admin/api-keys", headers=headers)
        statuses.add(response.status_code)
    assert statuses <= {400, 401, 403, 429, 431}


def test_metrics_refuse_a_guesser_and_let_the_right_token_pass(anyone):
    guesses = [anyone.get("/metrics", headers={"X-Admin-Token": f"wrong-{number}"}) for number in range(40)]
    assert {guess.status_code for guess in guesses} == {401, 429}
    refused = next(guess for guess in guesses if guess.status_code == 429)
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("too_many_attempts", "1")
    assert anyone.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/admin/api-keys/api_abcdefghij/status", "/admin/api-keys/***/status"),
        ("/admin/api-keys/0123456789abcdef01234567", "/admin/api-keys/***"),
        ("/admin/api-keys/any%20old%20key/prompt?x=1", "/admin/api-keys/***/prompt?x=1"),
        ("/admin/api-keys/deactivate", "/admin/api-keys/deactivate"),
        ("/admin/api-keys?after=1", "/admin/api-keys?after=1"),
        ("/chat?key=api_abcdefghij", "/chat?key=api_***"),
    ],
)
def test_keys_in_paths_are_not_logged(path, logged):
    assert redacted(path) == logged


def test_the_access_log_shows_no_key(server, anyone, caplog):
    with caplog.at_level(logging.INFO):
        anyone.get(f"/admin/api-keys/{server.key}/status", headers={"Authorization": f"Bearer {TOKEN}"})
    lines = [record.getMessage() for record in caplog.records if record.name.endswith(".access")]  # not the client's
    assert any("/admin/api-keys/***/status" in line for line in lines)
    assert server.key not in "".join(lines)
