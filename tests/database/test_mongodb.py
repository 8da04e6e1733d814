"""The database on MongoDB's wire: a server from a package, FerretDB, and the one that ORBIT_TEST_MONGODB_URL names."""

import asyncio
import gc
import os
import time
import warnings
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from database_contract import OPERATORS, DatabaseContract
from mongo_server import FerretServer, MongoServer, free_port
from pymongo import AsyncMongoClient
from real_servers import missing, program

from orbit.auth.keys import Authenticator, new_key
from orbit.auth.rate_limits import RateLimiter
from orbit.config.load import parse_config
from orbit.config.model import Mongodb
from orbit.database import open_database
from orbit.database.keys import KeyChanges
from orbit.database.mongodb import MongoDatabase
from orbit.database.prompts import PromptChanges
from orbit.database.secrets import digest_of
from orbit.errors import ConfigError, DatabaseUnavailable, Unauthorized

REAL = os.environ.get("ORBIT_TEST_MONGODB_URL", "")


@pytest.fixture(scope="module")
def wire(tmp_path_factory):
    with MongoServer(tmp_path_factory.mktemp("mongo")) as server:
        yield server.uri


@pytest.fixture(autouse=True)
def sockets_of_the_driver():
    """The driver may leave a socket behind if it is closed while it connects; let it go here, not in another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def ferret(tmp_path_factory):
    if program("ferretdb") is None:
        pytest.skip(missing("ferretdb"))
    with FerretServer(tmp_path_factory.mktemp("ferret")) as server:
        yield server.uri


@pytest.fixture(params=["wire", "ferret", *(["real"] if REAL else [])])
def settings(request):
    uri = REAL if request.param == "real" else request.getfixturevalue(request.param)
    return Mongodb(uri=uri, database=f"orbit_test_{ObjectId()}")


@pytest.fixture
async def mongo(settings):
    client: AsyncMongoClient[Any] = AsyncMongoClient(settings.uri, tz_aware=True)
    yield client[settings.database]
    await client.drop_database(settings.database)
    await client.close()


@pytest.fixture
def open_another(settings, mongo, tmp_path):
    return lambda: MongoDatabase(settings, tmp_path / "mongodb-changes")


@pytest.fixture
async def database(open_another):
    async with open_another() as database:
        yield database


UNLIKE_MONGODB = {
    "the wire server of the package does not find texts with a NUL character": (
        "wire",
        {"test_a_nul_character_is_data"},
    ),
    "FerretDB 1 loses one of two changes at the same moment": (
        "ferret",
        {
            "test_rotating_at_the_same_time_loses_no_secret",
            "test_updating_at_the_same_time_loses_no_text",
            "test_budgets_are_exact_for_all_together",
            "test_all_processes_add_to_what_is_used",
        },
    ),
    "FerretDB 1 stores no lists in lists, so that each process counts for itself": (
        "ferret",
        {
            "test_requests_are_counted_exactly_by_all_together",
            "test_counts_leave_the_window_and_are_kept_apart",
            "test_a_request_that_was_counted_can_be_taken_back_once",
            "test_changes_are_announced_and_new_records_are_not",
        },
    ),
}


class TestMongodb(DatabaseContract):
    @pytest.fixture(autouse=True)
    def as_far_as_the_server_goes(self, request):
        for reason, (server, tests) in UNLIKE_MONGODB.items():
            if server in request.node.callspec.id and request.node.originalname in tests:
                pytest.skip(reason)


async def test_a_server_that_keeps_less_than_mongodb_is_named(request, open_another, caplog):
    async with open_another():
        pass
    assert ("is FerretDB v1." in caplog.text) == ("ferret" in request.node.name)


def old_key(secret, **fields):
    """A document as earlier servers wrote it."""
    return {
        "api_key": secret,
        "collection_name": "city",
        "client_name": "City Assistant",
        "notes": None,
        "created_at": datetime(2025, 4, 1, 12, tzinfo=UTC),
        "active": True,
        **fields,
    }


async def dump(mongo):
    text = ""
    for name in await mongo.list_collection_names():
        text += repr(await mongo[name].find().to_list())
    return text


async def test_a_clear_key_works_and_stays_readable_to_an_earlier_server_until_it_is_migrated(open_another, mongo):
    secret = "api_legacylegacylegacylegacy1234"
    prompt = await mongo.system_prompts.insert_one({"name": "guide", "prompt": "Be kind.", "version": "1.0"})
    made = await mongo.api_keys.insert_one(old_key(secret, system_prompt_id=prompt.inserted_id))
    unchanged = await mongo.api_keys.find_one({}, {"_id": 0})
    async with open_another() as database:
        before = await database.get_key(str(made.inserted_id))
        assert (before.hint, before.digest) == ("1234", digest_of(secret))
        identity = await Authenticator(database).authenticate(secret)
        assert identity.key == await database.get_key(str(made.inserted_id))
        assert (identity.key.client_name, identity.key.collection_name) == ("City Assistant", "city")
        assert identity.key.created_at == datetime(2025, 4, 1, 12, tzinfo=UTC).timestamp()
        assert identity.prompt is not None
        assert identity.prompt.prompt == "Be kind."
        assert await mongo.api_keys.find_one() == {"_id": made.inserted_id, **unchanged}
        assert await database.migrate() == 1
        assert secret not in await dump(mongo)
        stored = await mongo.api_keys.find_one()
        assert stored["digest"] == digest_of(secret)
        assert "api_key" not in stored
        assert (await Authenticator(database).authenticate(secret)).key == identity.key


async def test_a_key_of_an_earlier_server_gets_budgets(open_another, mongo):
    made = await mongo.api_keys.insert_one(old_key("api_old"))
    async with open_another() as database:
        key = (await Authenticator(database).authenticate("api_old")).key
        assert key.budgets is None
        changed = await database.update_key(str(made.inserted_id), KeyChanges(requests_per_day=1))
        assert changed.budgets is not None
        assert (await Authenticator(database).authenticate("api_old")).budgets == changed.budgets
        assert (await database.count_use(key.id, changed.budgets, "2026-11-29"))[0]
        assert not (await database.count_use(key.id, changed.budgets, "2026-11-29"))[0]


async def test_requests_with_a_clear_key_at_the_same_time_all_pass(open_another, mongo):
    await mongo.api_keys.insert_one(old_key("api_old"))
    async with open_another() as one, open_another() as two:
        checkers = [Authenticator(database) for database in (one, two) * 10]
        identities = await asyncio.gather(*(checker.authenticate("api_old") for checker in checkers))
    assert len(identities) == 20


async def test_an_inactive_clear_key_stays_refused(open_another, mongo):
    await mongo.api_keys.insert_one(old_key("api_old", active=False))
    await mongo.api_keys.insert_one(old_key(""))
    async with open_another() as database:
        for secret in ("api_old", "api_old", "", None):
            with pytest.raises(Unauthorized):
                await Authenticator(database).authenticate(secret)


async def test_all_clear_keys_are_replaced_at_once(open_another, mongo):
    secrets = [f"api_legacy{number:04d}" for number in range(120)]
    await mongo.api_keys.insert_many([old_key(secret) for secret in secrets])
    async with open_another() as database:
        _, new = new_key("new")
        await database.create_key(new)
        assert await database.migrate() == 120
        assert await database.migrate() == 0
        text = await dump(mongo)
        assert not any(secret in text for secret in secrets)
        for secret in secrets[::40]:
            assert (await Authenticator(database).authenticate(secret)).key.hint == secret[-4:]
        assert len([key async for key in database.all_keys()]) == 121


async def test_a_clear_key_can_be_rotated_changed_and_deleted(open_another, mongo):
    ids = (await mongo.api_keys.insert_many([old_key(f"api_old{number}") for number in range(3)])).inserted_ids
    rotated, changed, deleted = (str(key_id) for key_id in ids)
    async with open_another() as database:
        await database.rotate_key(rotated, "1" * 64, "1111", time.time() + 100)
        assert (await Authenticator(database).authenticate("api_old0")).key.id == rotated
        await database.update_key(changed, KeyChanges(active=False))
        await database.delete_key(deleted)
        for secret in ("api_old1", "api_old2"):
            with pytest.raises(Unauthorized):
                await Authenticator(database).authenticate(secret)
    assert "api_old0" not in await dump(mongo)


async def test_the_unique_index_of_earlier_servers_gives_way(open_another, mongo):
    await mongo.api_keys.create_index("api_key", unique=True)
    await mongo.system_prompts.create_index("name", unique=True)
    await mongo.api_keys.insert_many([old_key("api_a"), old_key("api_b")])
    async with open_another() as database, open_another():
        assert await database.migrate() == 2
        for _ in range(3):
            await database.create_key(new_key("new")[1])
        assert len(await database.list_keys()) == 5


async def test_documents_have_the_fields_that_operators_know(database, mongo):
    prompt = await database.create_prompt("guide", "Be kind.")
    secret, key = new_key("Ana", "books", system_prompt_id=prompt.id, notes="first")
    await database.create_key(key)
    stored = await mongo.api_keys.find_one()
    assert stored["_id"] == ObjectId(key.id)
    assert stored["system_prompt_id"] == ObjectId(prompt.id)
    assert (stored["client_name"], stored["collection_name"], stored["notes"]) == ("Ana", "books", "first")
    assert stored["active"] is True
    assert isinstance(stored["created_at"], datetime)
    assert secret not in repr(stored)
    stored = await mongo.system_prompts.find_one()
    assert {"name", "prompt", "version", "created_at", "updated_at"} <= set(stored)


async def test_an_earlier_prompt_can_be_changed(open_another, mongo):
    made = await mongo.system_prompts.insert_one({"name": "old", "prompt": "One.", "version": "1.0"})
    async with open_another() as database:
        changed = await database.update_prompt(str(made.inserted_id), PromptChanges(prompt="Two."))
        assert (changed.version, changed.revision) == ("1.1", 2)
        assert [item.prompt for item in await database.prompt_versions(str(made.inserted_id))] == ["Two.", "One."]


async def test_a_digest_is_no_key(open_another, mongo):
    key = new_key("Ana")[1]
    async with open_another() as database:
        await database.create_key(key)
        for raw in (key.digest, str(key.id), *OPERATORS, "\udcff"):
            with pytest.raises(Unauthorized):
                await Authenticator(database).authenticate(raw)


async def test_other_collections_may_be_named(settings, mongo, tmp_path):
    text = {"uri": settings.uri, "database": settings.database, "apikey_collection": "k", "prompts_collection": "p"}
    config, problems = parse_config({"general": {"data_dir": str(tmp_path)}, "mongodb": text}, "test", {})
    assert not problems
    async with open_database(config) as database:
        await database.create_key(new_key("a")[1])
        await database.create_prompt("p", "x")
    assert {"k", "p"} <= set(await mongo.list_collection_names())


def test_a_disabled_section_leaves_the_embedded_database(tmp_path):
    data = {"general": {"data_dir": str(tmp_path)}, "mongodb": {"enabled": False, "host": "x"}}
    config, _ = parse_config(data, "test", {})
    assert type(open_database(config)).__name__ == "SqliteDatabase"


@pytest.mark.parametrize(
    "mongodb", [{"uri": "mongodb://me:se%ret@x"}, {"uri": "nonsense"}, {"uri": "mongodb://me:secret@x:port"}]
)
async def test_settings_without_sense_are_refused_without_showing_them(mongodb, tmp_path):
    config, _ = parse_config({"general": {"data_dir": str(tmp_path)}, "mongodb": mongodb}, "test", {})
    with pytest.raises(ConfigError) as caught:
        async with open_database(config):
            pass
    assert "se" + "cret" not in str(caught.value)
    assert "me:" not in str(caught.value)


async def test_no_server_is_said_with_its_address_and_without_the_password(tmp_path):
    uri = f"mongodb://me:secret@127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=200"
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1") as caught:
        async with MongoDatabase(Mongodb(uri=uri), tmp_path / "changes"):
            pass
    assert "secret" not in str(caught.value)


async def test_an_outage_under_load(tmp_path):
    """Known keys keep working for the cache's time, others get DatabaseUnavailable, and all is well soon after."""
    folder = tmp_path / "mongo"
    folder.mkdir()
    server = MongoServer(folder)
    server.start()
    try:
        async with MongoDatabase(Mongodb(uri=server.uri), tmp_path / "changes") as database:
            known, key = new_key("known", requests_per_minute=100_000)
            await database.create_key(key)
            other, unknown = new_key("other")
            await database.create_key(unknown)
            authenticator, limiter = Authenticator(database, cache_seconds=20), RateLimiter(database)
            await authenticator.authenticate(known)
            results: list[tuple[str, str]] = []

            async def ask(secret):
                while not stopped.is_set():
                    try:
                        identity = await authenticator.authenticate(secret)
                        await limiter.admit(identity.key)
                        results.append((secret, "ok"))
                    except (DatabaseUnavailable, Unauthorized) as error:
                        results.append((secret, type(error).__name__))
                    await asyncio.sleep(0.02)

            stopped = asyncio.Event()
            clients = [asyncio.create_task(ask(secret)) for secret in [known] * 5 + [other, "api_wrong"]]
            server.stop()
            results.clear()
            await asyncio.sleep(3)
            during = set(results)
            server.start()
            results.clear()
            async with asyncio.timeout(5):
                while (other, "ok") not in results:  # noqa: ASYNC110  # other tasks append to it
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)
            stopped.set()
            await asyncio.gather(*clients)
    finally:
        server.stop()
    assert during == {(known, "ok"), (other, "DatabaseUnavailable"), ("api_wrong", "DatabaseUnavailable")}
    assert results[-1][1] in {"ok", "Unauthorized"}
    assert ("api_wrong", "Unauthorized") in results
    assert (known, "Unauthorized") not in results
