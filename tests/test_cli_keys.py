import asyncio
import json
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from orbit.auth import Authenticator
from orbit.cli.keys import keys
from orbit.errors import Unauthorized
from orbit.store.sqlite import SqliteStore


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(f"general:\n  data_dir: {tmp_path}/data\n")
    return str(file)


@pytest.fixture
def orbit(config):
    def run(*arguments, code=0):
        result = CliRunner().invoke(keys, [*arguments, "--config", config])
        assert result.exit_code == code, result.output
        return result

    return run


def create(orbit, *arguments):
    return json.loads(orbit("create", "--name", "Ana", *arguments, "--json").stdout)


def works(tmp_path, secret):
    async def check():
        async with SqliteStore(tmp_path / "data" / "orbit.db") as store:
            try:
                return await Authenticator(store).authenticate(secret)
            except Unauthorized:
                return None

    return asyncio.run(check())


def test_a_created_key_works_and_is_shown_once(orbit, tmp_path):
    made = create(orbit, "--collection", "books", "--notes", "first")
    assert works(tmp_path, made["api_key"]).key.collection_name == "books"
    assert made["collection"] == "books"
    listed = orbit("list")
    assert made["api_key"] not in listed.output
    assert "***" + made["api_key"][-4:] in listed.output
    assert "Ana" in listed.output


def test_people_are_told_to_keep_the_key(orbit):
    result = orbit("create", "--name", "Ana")
    assert "api_" in result.stdout
    assert "cannot be shown again" in result.stderr


def test_all_keys_are_listed_beyond_one_page(orbit, tmp_path, config):
    from orbit.auth import new_key

    async def fill():
        async with SqliteStore(tmp_path / "data" / "orbit.db") as store:
            for number in range(230):
                await store.create_key(new_key(f"client {number}")[1])

    asyncio.run(fill())
    listed = json.loads(orbit("list", "--json").stdout)
    assert len(listed) == 230
    assert len(orbit("list").stdout.splitlines()) == 231


def test_an_empty_list_says_how_to_begin(orbit):
    assert "orbit keys create" in orbit("list").output
    assert json.loads(orbit("list", "--json").stdout) == []


@pytest.mark.parametrize("named", [["{id}"], ["--key", "{id}"], ["{key}"], ["--key", "{key}"]])
def test_status_by_id_or_key(orbit, named):
    made = create(orbit)
    arguments = [part.format(id=made["id"], key=made["api_key"]) for part in named]
    found = json.loads(orbit("status", *arguments, "--json").stdout)
    assert found["id"] == made["id"]
    assert found["status"] == "active"
    assert found["api_key"] == "***" + made["api_key"][-4:]


def test_deactivate_and_delete(orbit, tmp_path):
    made = create(orbit)
    orbit("deactivate", made["id"])
    assert works(tmp_path, made["api_key"]) is None
    assert json.loads(orbit("status", made["id"], "--json").stdout)["status"] == "inactive"
    orbit("delete", made["id"])
    orbit("status", made["id"], code=1)


def test_expiry_and_limit(orbit):
    end = int(time.time()) + 1000
    made = create(orbit, "--expires-at", str(end), "--requests-per-minute", "5")
    assert made["expires_at"] == end
    assert made["requests_per_minute"] == 5
    made = create(orbit, "--expires-at", "2099-01-01T00:00:00Z")
    assert made["expires_at"] == 4070908800


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["create", "--name", "a", "--expires-at", "5"], 1),
        (["create", "--name", "a", "--expires-at", "tomorrow"], 2),
        (["create", "--name", "  "], 2),
        (["create"], 2),
        (["status"], 2),
        (["status", "one", "--key", "two"], 2),
        (["status", "unknown"], 1),
        (["deactivate", "unknown"], 1),
        (["delete", "unknown"], 1),
    ],
)
def test_mistakes_have_exit_codes(orbit, arguments, code):
    result = orbit(*arguments, code=code)
    assert result.stderr
    assert "Traceback" not in result.output


def test_a_store_that_cannot_be_opened_is_exit_code_3(tmp_path):
    (tmp_path / "data").write_text("in the way")
    (tmp_path / "config.yaml").write_text(f"general: {{data_dir: {tmp_path}/data}}\n")
    result = CliRunner().invoke(keys, ["list", "--config", str(tmp_path / "config.yaml")])
    assert result.exit_code == 3
    assert "data" in result.stderr


def test_a_missing_configuration_is_named(tmp_path):
    result = CliRunner().invoke(keys, ["list", "--config", str(tmp_path / "none.yaml")])
    assert result.exit_code == 1
    assert "none.yaml" in result.stderr


def test_the_module_imports_nothing_heavy():
    program = (
        "import sys, orbit.cli.keys; "
        "heavy = {'aiosqlite', 'rich', 'litestar', 'httpx', 'msgspec', 'chromadb', 'asyncpg'} & set(sys.modules); "
        "print(heavy)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {name for name in ("aiosqlite", "litestar", "httpx") if name in done.stdout} == set()
