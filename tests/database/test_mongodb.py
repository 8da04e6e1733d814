"""The store on MongoDB's wire: a server from a package, and a real one when ``ORBIT_TEST_MONGODB_URL`` names it."""

import asyncio
import gc
import os
import time
import warnings
from datetime import UTC, datetime

import pytest
from bson import ObjectId
from mongo_server import MongoServer, free_port
from pymongo import AsyncMongoClient
from store_contract import OPERATORS, StoreContract

from orbit.auth.keys import Authenticator, RateLimiter, new_key
from orbit.config.load import parse_config
from orbit.config.model import Mongodb
from orbit.database import open_store
from orbit.database.keys import KeyChanges
from orbit.database.mongodb import MongoStore
from orbit.database.prompts import PromptChanges
from orbit.database.secrets import digest_of
from orbit.errors import ConfigError, StoreUnavailable, Unauthorized

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


@pytest.fixture(params=["wire", *(["real"] if REAL else [])])
def settings(request):
    uri = REAL if request.param == "real" else request.getfixturevalue("wire")
    return Mongodb(uri=uri, database=f"orbit_test_{ObjectId()}")


@pytest.fixture
async def database(settings):
    client = AsyncMongoClient(settings.uri, tz_aware=True)
    yield client[settings.database]
    await client.drop_database(settings.database)
    await client.close()


@pytest.fixture
def open_another(settings, database, tmp_path):
    return lambda: MongoStore(settings, tmp_path / "mongodb-changes")


@pytest.fixture
async def store(open_another):
    async with open_another() as store:
        yield store


class TestMongodb(StoreContract):
    async def test_a_nul_character_is_data(self, request, store):
        if "wire" in request.node.name:
            pytest.skip("the wire server of the package does not find texts with a NUL character")
        await super().test_a_nul_character_is_data(store)


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


async def dump(database):
    text = ""
    for name in await database.list_collection_names():
        text += repr(await database[name].find().to_list())
    return text


async def test_a_clear_key_works_and_is_upgraded_at_first_use(open_another, database):
    secret = "api_legacylegacylegacylegacy1234"
    prompt = await database.system_prompts.insert_one({"name": "guide", "prompt": "Be kind.", "version": "1.0"})
    made = await database.api_keys.insert_one(old_key(secret, system_prompt_id=prompt.inserted_id))
    async with open_another() as store:
        before = await store.get_key(str(made.inserted_id))
        assert (before.hint, before.digest) == ("1234", digest_of(secret))
        identity = await Authenticator(store).authenticate(secret)
        assert identity.key == await store.get_key(str(made.inserted_id))
        assert (identity.key.client_name, identity.key.collection_name) == ("City Assistant", "city")
        assert identity.key.created_at == datetime(2025, 4, 1, 12, tzinfo=UTC).timestamp()
        assert identity.prompt.prompt == "Be kind."
        assert secret not in await dump(database)
        stored = await database.api_keys.find_one()
        assert stored["digest"] == digest_of(secret)
        assert "api_key" not in stored
        assert (await Authenticator(store).authenticate(secret)).key == identity.key


async def test_requests_with_a_clear_key_at_the_same_time_all_pass(open_another, database):
    await database.api_keys.insert_one(old_key("api_old"))
    async with open_another() as one, open_another() as two:
        checkers = [Authenticator(store) for store in (one, two) * 10]
        identities = await asyncio.gather(*(checker.authenticate("api_old") for checker in checkers))
    assert len(identities) == 20


async def test_an_inactive_clear_key_stays_refused(open_another, database):
    await database.api_keys.insert_one(old_key("api_old", active=False))
    await database.api_keys.insert_one(old_key(""))
    async with open_another() as store:
        for secret in ("api_old", "api_old", "", None):
            with pytest.raises(Unauthorized):
                await Authenticator(store).authenticate(secret)


async def test_all_clear_keys_are_replaced_at_once(open_another, database):
    secrets = [f"api_legacy{number:04d}" for number in range(120)]
    await database.api_keys.insert_many([old_key(secret) for secret in secrets])
    async with open_another() as store:
        _, new = new_key("new")
        await store.create_key(new)
        assert await store.migrate() == 120
        assert await store.migrate() == 0
        text = await dump(database)
        assert not any(secret in text for secret in secrets)
        for secret in secrets[::40]:
            assert (await Authenticator(store).authenticate(secret)).key.hint == secret[-4:]
        assert len([key async for key in store.all_keys()]) == 121


async def test_a_clear_key_can_be_rotated_changed_and_deleted(open_another, database):
    ids = (await database.api_keys.insert_many([old_key(f"api_old{number}") for number in range(3)])).inserted_ids
    rotated, changed, deleted = (str(key_id) for key_id in ids)
    async with open_another() as store:
        await store.rotate_key(rotated, "1" * 64, "1111", time.time() + 100)
        assert (await Authenticator(store).authenticate("api_old0")).key.id == rotated
        await store.update_key(changed, KeyChanges(active=False))
        await store.delete_key(deleted)
        for secret in ("api_old1", "api_old2"):
            with pytest.raises(Unauthorized):
                await Authenticator(store).authenticate(secret)
    assert "api_old0" not in await dump(database)


async def test_the_unique_index_of_earlier_servers_gives_way(open_another, database):
    await database.api_keys.create_index("api_key", unique=True)
    await database.system_prompts.create_index("name", unique=True)
    await database.api_keys.insert_many([old_key("api_a"), old_key("api_b")])
    async with open_another() as store, open_another():
        assert await store.migrate() == 2
        for _ in range(3):
            await store.create_key(new_key("new")[1])
        assert len(await store.list_keys()) == 5


async def test_documents_have_the_fields_that_operators_know(store, database):
    prompt = await store.create_prompt("guide", "Be kind.")
    secret, key = new_key("Ana", "books", system_prompt_id=prompt.id, notes="first")
    await store.create_key(key)
    stored = await database.api_keys.find_one()
    assert stored["_id"] == ObjectId(key.id)
    assert stored["system_prompt_id"] == ObjectId(prompt.id)
    assert (stored["client_name"], stored["collection_name"], stored["notes"]) == ("Ana", "books", "first")
    assert stored["active"] is True
    assert isinstance(stored["created_at"], datetime)
    assert secret not in repr(stored)
    stored = await database.system_prompts.find_one()
    assert {"name", "prompt", "version", "created_at", "updated_at"} <= set(stored)


async def test_an_earlier_prompt_can_be_changed(open_another, database):
    made = await database.system_prompts.insert_one({"name": "old", "prompt": "One.", "version": "1.0"})
    async with open_another() as store:
        changed = await store.update_prompt(str(made.inserted_id), PromptChanges(prompt="Two."))
        assert (changed.version, changed.revision) == ("1.1", 2)
        assert [item.prompt for item in await store.prompt_versions(str(made.inserted_id))] == ["Two.", "One."]


async def test_a_digest_is_no_key(open_another, database):
    key = new_key("Ana")[1]
    async with open_another() as store:
        await store.create_key(key)
        for raw in (key.digest, str(key.id), *OPERATORS, "\udcff"):
            with pytest.raises(Unauthorized):
                await Authenticator(store).authenticate(raw)


async def test_other_collections_may_be_named(settings, database, tmp_path):
    text = {"uri": settings.uri, "database": settings.database, "apikey_collection": "k", "prompts_collection": "p"}
    config, problems = parse_config({"general": {"data_dir": str(tmp_path)}, "mongodb": text}, "test", {})
    assert not problems
    async with open_store(config) as store:
        await store.create_key(new_key("a")[1])
        await store.create_prompt("p", "x")
    assert {"k", "p"} <= set(await database.list_collection_names())


def test_a_disabled_section_leaves_the_embedded_store(tmp_path):
    data = {"general": {"data_dir": str(tmp_path)}, "mongodb": {"enabled": False, "host": "x"}}
    config, _ = parse_config(data, "test", {})
    assert type(open_store(config)).__name__ == "SqliteStore"


@pytest.mark.parametrize(
    "mongodb", [{"uri": "mongodb://me:se%ret@x"}, {"uri": "nonsense"}, {"uri": "mongodb://me:secret@x:port"}]
)
async def test_settings_without_sense_are_refused_without_showing_them(mongodb, tmp_path):
    config, _ = parse_config({"general": {"data_dir": str(tmp_path)}, "mongodb": mongodb}, "test", {})
    with pytest.raises(ConfigError) as caught:
        async with open_store(config):
            pass
    assert "se" + "cret" not in str(caught.value)
    assert "me:" not in str(caught.value)


async def test_no_server_is_said_with_its_address_and_without_the_password(tmp_path):
    uri = f"mongodb://me:secret@127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=200"
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1") as caught:
        async with MongoStore(Mongodb(uri=uri), tmp_path / "changes"):
            pass
    assert "secret" not in str(caught.value)


async def test_an_outage_under_load(tmp_path):
    """Known keys keep working for the cache's time, others get StoreUnavailable, and all is well soon after."""
    folder = tmp_path / "mongo"
    folder.mkdir()
    server = MongoServer(folder)
    server.start()
    try:
        async with MongoStore(Mongodb(uri=server.uri), tmp_path / "changes") as store:
            known, key = new_key("known", requests_per_minute=100_000)
            await store.create_key(key)
            other, unknown = new_key("other")
            await store.create_key(unknown)
            authenticator, limiter = Authenticator(store, cache_seconds=20), RateLimiter(store)
            await authenticator.authenticate(known)
            results: list[object] = []

            async def ask(secret):
                while not stopped.is_set():
                    try:
                        identity = await authenticator.authenticate(secret)
                        await limiter.admit(identity.key)
                        results.append((secret, "ok"))
                    except (StoreUnavailable, Unauthorized) as error:
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
    assert during == {(known, "ok"), (other, "StoreUnavailable"), ("api_wrong", "StoreUnavailable")}
    assert results[-1][1] in {"ok", "Unauthorized"}
    assert ("api_wrong", "Unauthorized") in results
    assert (known, "Unauthorized") not in results
