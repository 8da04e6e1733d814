import asyncio
import time

import pytest

from orbit.auth.keys import Authenticator, RateLimited, RateLimiter, find_key, new_key
from orbit.database.keys import KeyChanges
from orbit.database.prompts import PromptChanges
from orbit.database.secrets import generate_secret
from orbit.database.sqlite import SqliteDatabase
from orbit.errors import DatabaseUnavailable, Unauthorized


class WatchedDatabase(SqliteDatabase):
    """A real database that counts its look-ups and can be switched off."""

    away = False
    lookups = 0

    async def find_by_digest(self, digest):
        self.lookups += 1
        self.last_digest = digest
        if self.away:
            raise DatabaseUnavailable("switched off")
        return await super().find_by_digest(digest)

    async def count_request(self, key_id, limit, now):
        if self.away:
            raise DatabaseUnavailable("switched off")
        return await super().count_request(key_id, limit, now)


@pytest.fixture
async def database(tmp_path):
    async with WatchedDatabase(tmp_path / "orbit.db") as database:
        yield database


@pytest.fixture
def authenticator(database):
    return Authenticator(database)


async def make(database, **fields):
    secret, key = new_key("client", **fields)
    return secret, await database.create_key(key)


def test_a_secret_is_long_and_safe_in_urls():
    secrets = {generate_secret() for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        assert secret.startswith("api_")
        assert len(secret) == 4 + 43  # 32 bytes in base64
        assert secret.replace("-", "").replace("_", "").isalnum()


async def test_a_valid_key_stands_for_its_record_and_prompt(database, authenticator):
    prompt = await database.create_prompt("guide", "Be kind.")
    secret, key = await make(database, collection_name="books", system_prompt_id=prompt.id)
    identity = await authenticator.authenticate(secret)
    assert identity.key == key
    assert identity.prompt == prompt


async def test_a_key_without_prompt(database, authenticator):
    secret, _ = await make(database)
    assert (await authenticator.authenticate(secret)).prompt is None


async def test_every_invalid_key_gets_the_same_answer_and_one_look_up(database, authenticator):
    _, other = await make(database)
    inactive, key = await make(database)
    await database.update_key(key.id, KeyChanges(active=False))
    expired, _ = await make(database, expires_at=time.time() - 1)
    bad = [None, "", "wrong", "x" * 1_048_576, inactive, expired, other.digest, "ÿþ\x00", "\udcff", '{"$ne": null}']
    sentences = set()
    for raw in bad:
        before = database.lookups
        with pytest.raises(Unauthorized) as caught:
            await authenticator.authenticate(raw)
        sentences.add((caught.value.code, str(caught.value)))
        assert database.lookups == before + 1
        assert len(database.last_digest) == 64
    assert len(sentences) == 1


async def test_a_valid_key_with_something_appended_is_not_valid(database, authenticator):
    secret, _ = await make(database)
    for raw in (secret + "x", secret + "x" * 1000, " " + secret, secret[:-1]):
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(raw)


async def test_a_known_key_is_not_asked_for_again(database, authenticator):
    secret, _ = await make(database)
    for _ in range(5):
        await authenticator.authenticate(secret)
    assert database.lookups == 1


async def test_requests_at_the_same_time_share_a_look_up(database, authenticator):
    secret, _ = await make(database)
    identities = await asyncio.gather(*(authenticator.authenticate(secret) for _ in range(50)))
    assert len(identities) == 50
    assert database.lookups == 1


async def test_a_waiting_request_that_is_cancelled_harms_no_other(database, authenticator):
    secret, key = await make(database)
    first, second = (asyncio.create_task(authenticator.authenticate(secret)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).key == key
    assert not authenticator._running


async def test_a_change_in_this_process_counts_at_once(database, authenticator):
    secret, key = await make(database)
    await authenticator.authenticate(secret)
    await database.update_key(key.id, KeyChanges(active=False))
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)


async def test_a_change_by_another_process_counts_at_once(database, authenticator):
    secret, key = await make(database)
    await authenticator.authenticate(secret)
    async with SqliteDatabase(database.path) as other:
        await other.delete_key(key.id)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)


async def test_a_changed_prompt_guides_the_next_request(database, authenticator):
    prompt = await database.create_prompt("guide", "Be kind.")
    secret, key = await make(database)
    assert (await authenticator.authenticate(secret)).prompt is None
    await database.update_key(key.id, KeyChanges(system_prompt_id=prompt.id))
    assert (await authenticator.authenticate(secret)).prompt.prompt == "Be kind."
    await database.update_prompt(prompt.id, PromptChanges(prompt="Be brief."))
    assert (await authenticator.authenticate(secret)).prompt.prompt == "Be brief."


async def test_a_look_up_overtaken_by_a_change_is_not_remembered(database, authenticator):
    secret, key = await make(database)
    find = database.find_by_digest

    async def slow(digest):
        found = await find(digest)
        await database.update_key(key.id, KeyChanges(active=False))
        return found

    database.find_by_digest = slow
    await authenticator.authenticate(secret)
    database.find_by_digest = find
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)


async def test_expiry_holds_for_known_keys(database, authenticator):
    secret, _ = await make(database, expires_at=time.time() + 0.3)
    await authenticator.authenticate(secret)
    await asyncio.sleep(0.35)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)


async def test_a_former_secret_works_until_its_grace_time_ends(database, authenticator):
    secret, key = await make(database)
    new, fresh = new_key("client")
    await database.rotate_key(key.id, fresh.digest, fresh.hint, time.time() + 0.3)
    assert (await authenticator.authenticate(secret)).key.id == key.id
    assert (await authenticator.authenticate(new)).key.id == key.id
    await asyncio.sleep(0.35)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)
    assert (await authenticator.authenticate(new)).key.id == key.id


async def test_an_outage_is_told_from_a_wrong_key(database):
    authenticator = Authenticator(database, cache_seconds=0.3)
    secret, _ = await make(database)
    await authenticator.authenticate(secret)
    database.away = True
    await authenticator.authenticate(secret)  # known
    for raw in ("unknown", None, "x" * 1_000_000):
        with pytest.raises(DatabaseUnavailable):
            await authenticator.authenticate(raw)
    await asyncio.sleep(0.35)
    with pytest.raises(DatabaseUnavailable):
        await authenticator.authenticate(secret)
    database.away = False
    await authenticator.authenticate(secret)


async def test_the_cache_is_bounded(database):
    authenticator = Authenticator(database, cache_size=3)
    for _ in range(6):
        await authenticator.authenticate((await make(database))[0])
    assert len(authenticator._known) == 3


async def test_wrong_keys_are_not_remembered(authenticator):
    for number in range(20):
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(f"wrong{number}")
    assert not authenticator._known
    assert not authenticator._running


async def test_no_clear_key_is_held_in_memory(database, authenticator):
    secret, _ = await make(database)
    await authenticator.authenticate(secret)
    assert secret not in repr(vars(authenticator))


async def test_a_key_is_found_by_id_or_secret(database):
    secret, key = await make(database)
    assert await find_key(database, key.id) == await find_key(database, secret) == key
    assert await find_key(database, "nothing") is None
    assert await find_key(database, key.digest) is None


async def test_limits_hold_over_all_workers(database):
    _, key = await make(database, requests_per_minute=3)
    async with SqliteDatabase(database.path) as other:
        limiters = [RateLimiter(database), RateLimiter(other)]
        results = await asyncio.gather(*(limiters[i % 2].admit(key) for i in range(12)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, RateLimited)]
    assert len(refused) == 9
    assert all(0 < error.retry_after <= 61 for error in refused)


async def test_a_key_without_limit_is_not_counted(database):
    _, key = await make(database)
    assert await RateLimiter(database).admit(key) is None


async def test_limits_hold_while_the_database_is_away(database):
    _, key = await make(database, requests_per_minute=2)
    limiter = RateLimiter(database)
    database.away = True
    assert (await limiter.admit(key)).remaining == 1
    assert (await limiter.admit(key)).remaining == 0
    with pytest.raises(RateLimited):
        await limiter.admit(key)
