import asyncio
import os
import sqlite3
import stat
import sys
import time

import pytest
from database_contract import DatabaseContract

from orbit.auth.keys import new_key
from orbit.config import load_config
from orbit.database import database_problems, open_database
from orbit.database.budgets import Budgets, Use
from orbit.database.keys import KeyChanges
from orbit.database.secrets import digest_of
from orbit.database.sqlite import SqliteDatabase
from orbit.database.sqlite.schema import MIGRATIONS
from orbit.errors import ConfigError, DatabaseUnavailable


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "orbit.db"


@pytest.fixture
def open_another(path):
    return lambda: SqliteDatabase(path)


class TestSqlite(DatabaseContract):
    pass


async def test_only_the_owner_can_read_any_file_of_the_database(path):
    old = os.umask(0)
    try:
        async with SqliteDatabase(path) as database:
            await database.create_key(new_key("a")[1])
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(old)
    assert len(modes) >= 3  # the database, its log and the change signal
    assert set(modes.values()) == {0o600}


async def test_no_clear_key_is_in_any_file(path):
    async with SqliteDatabase(path) as database:
        secret, key = new_key("a")
        await database.create_key(key)
        dump = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert secret.encode() not in dump
    assert secret[4:].encode() not in dump
    assert digest_of(secret).encode() in dump


async def change_from_outside(path, key_id, notes="from outside"):
    """Change the notes of a key in another process, as a command does."""
    program = (
        "import asyncio, sys, pathlib\n"
        "from orbit.database.sqlite import SqliteDatabase\n"
        "from orbit.database.keys import KeyChanges\n"
        "async def main():\n"
        "    async with SqliteDatabase(pathlib.Path(sys.argv[1])) as database:\n"
        "        await database.update_key(sys.argv[2], KeyChanges(notes=sys.argv[3]))\n"
        "asyncio.run(main())\n"
    )
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(path), key_id, notes)
    assert await other.wait() == 0


async def test_another_process_sees_changes_and_is_seen(path):
    async with SqliteDatabase(path) as database:
        _, key = new_key("a")
        await database.create_key(key)
        before = database.generation()
        await change_from_outside(path, key.id)
        assert database.generation() != before
        assert (await database.get_key(key.id)).notes == "from outside"


async def test_a_cancelled_change_leaves_the_database_usable(path):
    async with SqliteDatabase(path) as database:
        _, key = new_key("a")
        await database.create_key(key)
        for pause in (0, 0.0001, 0.0002, 0.0003, 0.0005, 0.001, 0.002) * 5:
            task = asyncio.create_task(database.update_key(key.id, KeyChanges(notes=str(pause))))
            await asyncio.sleep(pause)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        changed = await database.update_key(key.id, KeyChanges(notes="at last"))
        assert changed.notes == "at last"
        with sqlite3.connect(path, timeout=0) as other:  # nor is anyone else locked out
            other.execute("BEGIN IMMEDIATE")
        other.close()


async def test_a_newer_schema_is_left_alone(path):
    async with SqliteDatabase(path):
        pass
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 999")
    database.close()
    with pytest.raises(ConfigError, match="newer ORBIT"):
        async with SqliteDatabase(path):
            pass


async def test_the_keys_of_an_older_file_may_name_all_models_and_have_no_budgets(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        for step in MIGRATIONS[:2]:
            database.executescript(step)
        row = ("id", digest_of("secret"), "cret", "Ana", 1, "", 1.0)
        columns = "id, digest, hint, client_name, active, notes, created_at"
        database.execute(f"INSERT INTO api_keys ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)  # constants
        database.execute("PRAGMA user_version = 2")
    database.close()
    async with SqliteDatabase(path) as opened:
        assert (await opened.get_key("id")).models == ()
        assert (await opened.update_key("id", KeyChanges(models=("fast",)))).models == ("fast",)
        assert (await opened.get_key("id")).budgets is None
        assert (await opened.update_key("id", KeyChanges(tokens_per_day=5))).budgets == Budgets(tokens_per_day=5)
        assert await opened.count_use("id", Budgets(tokens_per_day=5), "2026-11-29") == (True, Use(1, 0, 1, 0))


@pytest.mark.parametrize("look", ["check", "open"])
async def test_a_second_look_in_the_same_process_keeps_the_locks_of_the_first(path, look):
    # Without its locks, a command removes the write-ahead log at its end, and changes of the next one stay unseen.
    config_file = path.parent.parent / "config.yaml"
    config_file.write_text(f"sqlite: {{path: {path}}}\n")
    async with SqliteDatabase(path) as database:
        _, key = new_key("a")
        await database.create_key(key)
        if look == "check":
            assert database_problems(load_config(str(config_file))) == []
        else:
            async with SqliteDatabase(path) as second:
                await second.ping()
        for notes in ("first", "second"):
            await change_from_outside(path, key.id, notes)
            assert (await database.get_key(key.id)).notes == notes


async def test_what_is_not_a_database_is_named(path):
    path.parent.mkdir()
    path.write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(DatabaseUnavailable, match=r"orbit\.db"):
        async with SqliteDatabase(path):
            pass


async def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseUnavailable, match="file"):
        async with SqliteDatabase(tmp_path / "file" / "orbit.db"):
            pass


async def test_many_processes_may_open_a_new_database_at_once(path):
    databases = [SqliteDatabase(path) for _ in range(8)]

    async def use(database):
        async with database:
            return await database.create_key(new_key("a")[1])

    made = await asyncio.gather(*(use(database) for database in databases))
    async with SqliteDatabase(path) as database:
        assert {key.id async for key in database.all_keys()} == {key.id for key in made}


async def test_a_new_database_waits_for_another_that_makes_it(path):
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    asyncio.get_running_loop().call_later(0.2, other.close)
    async with SqliteDatabase(path) as database:
        assert await database.list_keys() == []


async def test_a_locked_database_waits_and_then_is_unavailable(path, monkeypatch):
    monkeypatch.setattr("orbit.database.sqlite.connections.BUSY_SECONDS", 0.2)
    async with SqliteDatabase(path) as database:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable, match="locked"):
            await database.create_key(new_key("a")[1])
        with pytest.raises(DatabaseUnavailable):
            await database.count_request("k", 1, time.time())
        assert await database.list_keys() == []  # readers never wait for writers
        holder.execute("COMMIT")
        holder.close()
        await database.create_key(new_key("a")[1])


async def test_the_configuration_names_the_file(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(f"general: {{data_dir: {tmp_path}/d}}\nsqlite: {{path: keys.db}}\n")
    async with open_database(load_config(str(file))) as database:
        await database.ping()
    assert (tmp_path / "d" / "keys.db").exists()
