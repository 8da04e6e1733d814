import asyncio
import json
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from orbit.auth.keys import Authenticator
from orbit.cli import orbit as orbit_command
from orbit.database.sqlite import SqliteDatabase
from orbit.errors import Unauthorized
from orbit.testing import serve


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(f"general:\n  data_dir: {tmp_path}/data\n")
    return str(file)


@pytest.fixture(params=["database", "server"])
def orbit(request, config, tmp_path, monkeypatch):
    """Run a command: directly on the database, and through a server that uses it."""
    monkeypatch.delenv("ORBIT_URL", raising=False)
    if request.param == "database":
        yield runner("--config", config)
    else:
        monkeypatch.setenv("ORBIT_ADMIN_TOKEN", "the-administrators-own-token")
        with serve({"script": {}}, tmp_path / "data") as server:
            run = runner("--url", server.url)
            for key in json.loads(run("keys", "list", "--json").stdout):
                run("keys", "delete", key["id"])
            yield run


def runner(*where):
    def run(*arguments, code=0, stdin=None):
        result = CliRunner().invoke(orbit_command, [*arguments, *where], input=stdin)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


def create(orbit, *arguments):
    return json.loads(orbit("keys", "create", "--name", "Ana", *arguments, "--json").stdout)


def works(tmp_path, secret):
    async def check():
        async with SqliteDatabase(tmp_path / "data" / "orbit.db") as database:
            try:
                return await Authenticator(database).authenticate(secret)
            except Unauthorized:
                return None

    return asyncio.run(check())


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
    assert "cannot be shown again" in result.stderr


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


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["keys", "create", "--name", "a", "--expires-at", "5"], 1),
        (["keys", "create", "--name", "a", "--expires-at", "tomorrow"], 2),
        (["keys", "create", "--name", "  "], 2),
        (["keys", "create"], 2),
        (["keys", "status"], 2),
        (["keys", "status", "one", "--key", "two"], 2),
        (["keys", "status", "unknown"], 1),
        (["keys", "deactivate", "unknown"], 1),
        (["keys", "delete", "unknown"], 1),
    ],
)
def test_mistakes_have_exit_codes(orbit, arguments, code):
    result = orbit(*arguments, code=code)
    assert result.stderr
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
    orbit("keys", "test", "--key", made["api_key"], code=4)
    orbit("keys", "test", "--key", made["id"], code=4)


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


def make_prompt(orbit, tmp_path, name="guide", text="Be kind.", *more):
    file = tmp_path / f"{name}.txt"
    file.write_text(text)
    return json.loads(orbit("prompts", "create", "--name", name, "--file", str(file), *more, "--json").stdout)


def test_prompts_from_creation_to_deletion(orbit, tmp_path):
    made = make_prompt(orbit, tmp_path, "guide", "Be kind.\nAlways.", "--version", "2.0")
    assert (made["name"], made["prompt"], made["version"]) == ("guide", "Be kind.\nAlways.", "2.0")
    listed = orbit("prompts", "list").output
    assert "guide" in listed
    assert "Be kind." in listed
    assert "Always." not in listed
    for reference in ([made["id"]], ["--id", made["id"]], ["guide"]):
        assert json.loads(orbit("prompts", "get", *reference, "--json").stdout) == made
    changed = json.loads(
        orbit("prompts", "update", "guide", "--file", "-", "--name", "leader", "--json", stdin="Be brief.").stdout
    )
    assert (changed["prompt"], changed["version"], changed["name"]) == ("Be brief.", "2.1", "leader")
    history = json.loads(orbit("prompts", "versions", "leader", "--json").stdout)
    assert [version["version"] for version in history] == ["2.1", "2.0"]
    assert "2.0" in orbit("prompts", "versions", "leader").output
    orbit("prompts", "delete", "leader")
    orbit("prompts", "get", made["id"], code=1)
    assert json.loads(orbit("prompts", "list", "--json").stdout) == []


def test_keys_are_tied_to_prompts(orbit, tmp_path):
    prompt = make_prompt(orbit, tmp_path)
    made = create(orbit, "--prompt-id", prompt["id"])
    assert works(tmp_path, made["api_key"]).prompt.prompt == "Be kind."
    named = create(orbit, "--prompt-name", "guide")
    assert named["system_prompt_id"] == prompt["id"]
    (tmp_path / "new.txt").write_text("Be brief.")
    fresh = create(orbit, "--prompt-name", "brief", "--prompt-file", str(tmp_path / "new.txt"))
    assert works(tmp_path, fresh["api_key"]).prompt.prompt == "Be brief."
    orbit("prompts", "associate", "--key", fresh["id"], "--prompt-id", "guide")
    assert works(tmp_path, fresh["api_key"]).prompt.prompt == "Be kind."
    refused = orbit("prompts", "delete", "guide", code=1)
    assert "Ana" in refused.stderr
    orbit("prompts", "associate", "--key", fresh["id"], "--detach")
    assert works(tmp_path, fresh["api_key"]).prompt is None
    orbit("prompts", "delete", "guide", "--force")
    assert works(tmp_path, made["api_key"]).prompt is None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["prompts", "create", "--name", "a"], 2),
        (["prompts", "create", "--name", "a", "--file", "/no/such/file"], 2),
        (["prompts", "create", "--name", "", "--file", __file__], 2),
        (["prompts", "get", "unknown"], 1),
        (["prompts", "get"], 2),
        (["prompts", "update", "unknown", "--version", "2"], 1),
        (["prompts", "update", "unknown"], 2),
        (["prompts", "versions", "unknown"], 1),
        (["prompts", "delete", "unknown"], 1),
        (["prompts", "associate", "--key", "unknown", "--detach"], 1),
        (["prompts", "associate", "--key", "unknown"], 2),
        (["prompts", "associate", "--key", "unknown", "--detach", "--prompt-id", "x"], 2),
        (["keys", "create", "--name", "a", "--prompt-file", __file__], 2),
        (["keys", "create", "--name", "a", "--prompt-id", "unknown"], 1),
        (["keys", "create", "--name", "a", "--prompt-id", "x", "--prompt-name", "y"], 2),
        (["keys", "create", "--name", "a", "--prompt-name", "unknown"], 1),
        (["keys", "create", "--name", "a", "--requests-per-minute", "0"], 2),
    ],
)
def test_mistakes_with_prompts_have_exit_codes(orbit, arguments, code):
    result = orbit(*arguments, code=code)
    assert result.stderr
    assert "Traceback" not in result.output


def test_a_taken_name_is_refused(orbit, tmp_path):
    make_prompt(orbit, tmp_path)
    result = orbit("prompts", "create", "--name", "guide", "--file", str(tmp_path / "guide.txt"), code=1)
    assert "guide" in result.stderr


class TestThroughAServer:
    @pytest.fixture
    def server(self, tmp_path, monkeypatch):
        monkeypatch.delenv("ORBIT_ADMIN_TOKEN", raising=False)
        with serve({"script": {}}, tmp_path / "data") as server:
            yield server

    def test_the_token_comes_from_a_file_or_the_configuration(self, server, tmp_path, config, monkeypatch):
        token_file = tmp_path / "data" / "admin-token"
        runner("--url", server.url, "--token-file", str(token_file))("keys", "list")
        runner("--url", server.url, "--config", config)("keys", "list")
        monkeypatch.setenv("ORBIT_ADMIN_TOKEN", token_file.read_text().strip())
        runner("--url", server.url)("keys", "list")
        monkeypatch.setenv("ORBIT_URL", server.url)
        runner()("keys", "list")

    def test_without_the_right_token_it_is_exit_code_4(self, server, monkeypatch):
        for token in ("wrong", server.key):
            monkeypatch.setenv("ORBIT_ADMIN_TOKEN", token)
            result = runner("--url", server.url)("keys", "list", code=4)
            assert "token" in result.stderr
            assert token not in result.output

    def test_testing_a_key_needs_no_token(self, server, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        runner("--url", server.url)("keys", "test", "--key", server.key)

    @pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "http://", "ftp://127.0.0.1"])
    def test_no_server_is_exit_code_3(self, url, monkeypatch):
        monkeypatch.setenv("ORBIT_ADMIN_TOKEN", "any-token")
        result = runner("--url", url)("keys", "list", code=3)
        assert "reached" in result.stderr

    def test_migration_is_work_on_the_database(self, server, monkeypatch):
        monkeypatch.setenv("ORBIT_ADMIN_TOKEN", "any-token")
        result = runner("--url", server.url)("keys", "migrate", code=1)
        assert "without --url" in result.stderr


def test_the_module_imports_nothing_heavy():
    program = (
        "import sys, orbit.cli.keys, orbit.cli.prompts; "
        "heavy = {'aiosqlite', 'rich', 'litestar', 'httpx', 'msgspec', 'chromadb', 'asyncpg'} & set(sys.modules); "
        "print(heavy)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {name for name in ("aiosqlite", "litestar", "httpx") if name in done.stdout} == set()
