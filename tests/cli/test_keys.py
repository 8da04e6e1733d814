"""``orbit keys``, on the database and through a server."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_kit import create, runner, works

from orbit.database.sqlite import SqliteDatabase
from orbit.testing import serve


def test_a_created_key_works_and_is_shown_once(orbit, tmp_path):
    made = create(orbit, "--collection", "books", "--notes", "first")
    assert works(tmp_path, made["api_key"]).key.collection_name == "books"
    assert made["collection"] == "books"
    listed = orbit("keys", "list")
    assert made["api_key"] not in listed.output
    assert "***" + made["api_key"][-4:] in listed.output
    assert "Ana" in listed.output


def test_people_are_told_to_keep_the_key(orbit):
    result = orbit("keys", "create", "--name", "Ana")
    assert "api_" in result.stdout
    assert "cannot show it again" in result.stderr


def test_all_keys_are_listed_beyond_one_page(orbit, tmp_path):
    from orbit.auth.keys import new_key

    async def fill():
        async with SqliteDatabase(tmp_path / "data" / "orbit.db") as database:
            for number in range(230):
                await database.create_key(new_key(f"client {number}")[1])

    asyncio.run(fill())
    listed = json.loads(orbit("keys", "list", "--json").stdout)
    assert len(listed) == 230
    assert len(orbit("keys", "list").stdout.splitlines()) == 231


def test_an_empty_list_says_how_to_begin(orbit):
    assert "orbit keys create" in orbit("keys", "list").output
    assert json.loads(orbit("keys", "list", "--json").stdout) == []


@pytest.mark.parametrize("named", [["{id}"], ["--key", "{id}"], ["{key}"], ["--key", "{key}"]])
def test_status_by_id_or_key(orbit, named):
    made = create(orbit)
    arguments = [part.format(id=made["id"], key=made["api_key"]) for part in named]
    found = json.loads(orbit("keys", "status", *arguments, "--json").stdout)
    assert found["id"] == made["id"]
    assert found["status"] == "active"
    assert found["api_key"] == "***" + made["api_key"][-4:]


def test_deactivate_and_delete(orbit, tmp_path):
    made = create(orbit)
    orbit("keys", "deactivate", made["id"])
    assert works(tmp_path, made["api_key"]) is None
    assert json.loads(orbit("keys", "status", made["id"], "--json").stdout)["status"] == "inactive"
    orbit("keys", "delete", made["id"])
    orbit("keys", "status", made["id"], code=1)


def test_expiry_and_limit(orbit):
    end = int(time.time()) + 1000
    made = create(orbit, "--expires-at", str(end), "--requests-per-minute", "5")
    assert made["expires_at"] == end
    assert made["requests_per_minute"] == 5
    made = create(orbit, "--expires-at", "2099-01-01T00:00:00Z")
    assert made["expires_at"] == 4070908800


def test_budgets_are_set_shown_and_removed(orbit):
    made = create(orbit, "--requests-per-day", "2000", "--tokens-per-month", "5000000")
    assert (made["requests_per_day"], made["tokens_per_month"], made["tokens_per_day"]) == (2000, 5_000_000, None)
    assert [(one["name"], one["limit"], one["used"]) for one in made["budgets"]] == [
        ("tokens_per_month", 5_000_000, 0),
        ("requests_per_day", 2000, 0),
    ]
    for shown in (orbit("keys", "list"), orbit("keys", "status", made["id"])):
        assert "0 of 5,000,000 tokens a month until 20" in shown.stdout
        assert "0 of 2,000 requests a day until 20" in shown.stdout
    changes = ["--requests-per-day", "0", "--requests-per-month", "7", "--tokens-per-day", "9"]
    changed = json.loads(orbit("keys", "update", made["id"], *changes, "--json").stdout)
    assert {one["name"]: one["limit"] for one in changed["budgets"]} == {
        "requests_per_month": 7,
        "tokens_per_day": 9,
        "tokens_per_month": 5_000_000,
    }
    assert "0 of 7 requests a month" in orbit("keys", "update", made["id"], "--notes", "n").stdout
    orbit("keys", "update", made["id"], "--tokens-per-day", "-1", code=2)
    orbit("keys", "create", "--name", "a", "--requests-per-day", "0", code=2)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["keys", "create", "--name", "a", "--expires-at", "5"], 1, "expires_at lies in the past"),
        (
            ["keys", "create", "--name", "a", "--expires-at", "tomorrow"],
            2,
            "--expires-at: this is not a time",
        ),
        (["keys", "create", "--name", "a", "--requests-per-minute", "0"], 2, "0 is not in the range x>=1"),
        (["keys", "create", "--name", "  "], 2, "--name: this must not be empty"),
        (["keys", "create", "--name", "n" * 201], 2, "--name: this may have 200 characters at most"),
        (
            ["keys", "create", "--name", "a", "--collection", "c" * 201],
            2,
            "--collection: this may have 200 characters at most",
        ),
        (["keys", "create", "--name", "a", "--model", ""], 2, "--model: this must not be empty"),
        (["prompts", "create", "--name", "a", "--file", os.devnull], 2, "--file: this must not be empty"),
        (["keys", "create"], 2, "Missing option '--name'"),
        (["keys", "status"], 2, ""),
        (["keys", "status", "one", "--key", "two"], 2, ""),
        (["keys", "status", "unknown"], 1, "There is no such API key"),
        (["keys", "deactivate", "unknown"], 1, "There is no such API key"),
        (["keys", "delete", "unknown"], 1, "There is no such API key"),
        (["prompts", "create", "--name", "p", "--file", "gone"], 2, "gone cannot be read: No such file or directory\n"),
    ],
)
def test_mistakes_have_exit_codes(orbit, arguments, code, sentence):
    result = orbit(*arguments, code=code)
    assert result.stderr
    assert sentence in result.stderr
    assert "Traceback" not in result.output


def test_a_database_that_cannot_be_opened_is_exit_code_3(tmp_path):
    (tmp_path / "data").write_text("in the way")
    (tmp_path / "config.yaml").write_text(f"general: {{data_dir: {tmp_path}/data}}\n")
    result = runner("--config", str(tmp_path / "config.yaml"))("keys", "list", code=3)
    assert "data" in result.stderr


def test_a_missing_configuration_is_an_error(tmp_path):
    result = runner("--config", str(tmp_path / "none.yaml"))("keys", "list", code=1)
    assert "none.yaml" in str(result.exception)


def test_a_key_is_tried_as_a_client_would(orbit):
    made = create(orbit, "--collection", "books")
    assert "books" in orbit("keys", "test", "--key", made["api_key"]).output
    assert json.loads(orbit("keys", "test", "--key", made["api_key"], "--json").stdout)["client_name"] == "Ana"
    orbit("keys", "deactivate", made["id"])
    for wrong in (made["api_key"], made["id"]):
        assert orbit("keys", "test", "--key", wrong, code=4).stderr.startswith("Error: This key is not valid: ")


def test_rotation_shows_the_new_key_once(orbit, tmp_path):
    made = create(orbit)
    new = json.loads(orbit("keys", "rotate", made["id"], "--grace", "600", "--json").stdout)
    assert works(tmp_path, made["api_key"])
    assert works(tmp_path, new["api_key"])
    newest = json.loads(orbit("keys", "rotate", "--key", new["api_key"], "--json").stdout)
    assert works(tmp_path, newest["api_key"])
    assert works(tmp_path, new["api_key"]) is None
    assert works(tmp_path, made["api_key"])  # its grace time goes on
    orbit("keys", "rotate", made["id"], "--grace", "-1", code=2)


def test_a_key_is_changed(orbit, tmp_path):
    made = create(orbit, "--collection", "books", "--requests-per-minute", "5", "--expires-at", "2099-01-01")
    changes = ["--collection", "", "--requests-per-minute", "0", "--expires-at", "", "--name", "Bo", "--notes", "n"]
    changed = json.loads(orbit("keys", "update", made["id"], *changes, "--json").stdout)
    expected = {"collection": None, "requests_per_minute": None, "expires_at": None, "client_name": "Bo", "notes": "n"}
    assert changed == {**made, **expected, "api_key": changed["api_key"]}
    orbit("keys", "deactivate", made["id"])
    orbit("keys", "update", made["id"], "--activate")
    assert works(tmp_path, made["api_key"])
    orbit("keys", "update", made["id"], code=2)
    orbit("keys", "update", made["id"], "--expires-at", "5", code=1)
    orbit("keys", "update", made["id"], "--requests-per-minute", "-1", code=2)
    orbit("keys", "update", "unknown", "--notes", "x", code=1)


def test_a_key_has_groups_of_its_own(orbit):
    made = create(orbit, "--group", "hr", "--group", "board of directors")
    assert made["groups"] == ["hr", "board of directors"]
    changed = json.loads(orbit("keys", "update", made["id"], "--group", "legal", "--json").stdout)
    assert changed["groups"] == ["legal"]
    assert "legal" in orbit("keys", "list").stdout
    assert json.loads(orbit("keys", "update", made["id"], "--notes", "n", "--json").stdout)["groups"] == ["legal"]
    assert json.loads(orbit("keys", "update", made["id"], "--group", "", "--json").stdout)["groups"] == []
    assert "--group: this has a character that it may not have, such as a comma" in (
        orbit("keys", "update", made["id"], "--group", "hr,legal", code=2).output
    )


def test_a_key_has_models_of_its_own(orbit):
    made = create(orbit, "--model", "fast", "--model", "exact", "--model", "fast")
    assert made["models"] == ["fast", "exact"]
    assert "fast, exact" in orbit("keys", "list").output
    changed = json.loads(orbit("keys", "update", made["id"], "--model", "large", "--json").stdout)
    assert changed["models"] == ["large"]
    assert json.loads(orbit("keys", "update", made["id"], "--notes", "n", "--json").stdout)["models"] == ["large"]
    assert json.loads(orbit("keys", "update", made["id"], "--model", "", "--json").stdout)["models"] == []
    orbit("keys", "update", made["id"], "--model", "", "--model", "fast", code=2)


MODELS = {"default": "fast", "fast": {"provider": "echo"}, "exact": {"provider": "echo"}}


@pytest.fixture(params=["database", "server"])
def with_models(request, config, tmp_path, monkeypatch):
    monkeypatch.delenv("ORBIT_URL", raising=False)
    parts = {"echo": {}, "models": {**MODELS, "inner": {"provider": "echo", "internal": True}}}
    if request.param == "database":
        with Path(config).open("a") as file:
            file.write("".join(f"{name}: {json.dumps(part)}\n" for name, part in parts.items()))
        yield runner("--config", config)
    else:
        monkeypatch.setenv("ORBIT_ADMIN_TOKEN", "the-administrators-own-token")
        with serve(parts, tmp_path / "data") as server:
            yield runner("--url", server.url)


def test_models_that_the_server_lacks_are_named(with_models):
    orbit = with_models
    result = orbit("keys", "create", "--name", "Ana", "--model", "fast", "--model", "fats", "--json")
    made = json.loads(result.stdout)
    assert "there is no model 'fats': requests of this key for it are refused. Models: fast, exact." in result.stderr
    assert "no model" not in orbit("keys", "update", made["id"], "--model", "EXACT").stderr
    assert "no model 'inner'" in orbit("keys", "update", made["id"], "--model", "inner").stderr
    assert "no model" not in orbit("keys", "update", made["id"], "--model", "").stderr


def test_the_module_imports_nothing_heavy():
    program = (
        "import sys, orbit.cli.keys, orbit.cli.prompts; "
        "heavy = {'aiosqlite', 'rich', 'litestar', 'httpx', 'msgspec', 'chromadb', 'asyncpg'} & set(sys.modules); "
        "print(heavy)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {name for name in ("aiosqlite", "litestar", "httpx") if name in done.stdout} == set()


@pytest.mark.parametrize("name", ["Größe", "my docs", "a..b", "192.168.0.1", "guide.next"])
def test_a_name_that_cannot_name_a_collection_is_refused_with_the_key(orbit, name):
    refused = orbit("keys", "create", "--name", "Ana", "--collection", name, code=1)
    assert f"'{name}' cannot name a collection; " in refused.stderr
    assert json.loads(orbit("keys", "list", "--json").stdout) == []
    key = create(orbit)
    assert "cannot name a collection" in orbit("keys", "update", key["id"], "--collection", name, code=1).stderr
