import asyncio
import time

import pytest

from orbit.auth.keys import Authenticator, RateLimited, RateLimiter, find_key, new_key
from orbit.database.keys import KeyChanges
from orbit.database.prompts import PromptChanges
from orbit.database.secrets import generate_secret
from orbit.database.sqlite import SqliteStore
from orbit.errors import StoreUnavailable, Unauthorized


class WatchedStore(SqliteStore):
    """A real store that counts its look-ups and can be switched off."""

    away = False
    lookups = 0

    async def find_by_digest(self, digest):
        self.lookups += 1
        self.last_digest = digest
        if self.away:
            raise StoreUnavailable("switched off")
        return await super().find_by_digest(digest)

    async def count_request(self, key_id, limit, now):
        if self.away:
            raise StoreUnavailable("switched off")
        return await super().count_request(key_id, limit, now)


@pytest.fixture
async def store(tmp_path):
    async with WatchedStore(tmp_path / "orbit.db") as store:
        yield store


@pytest.fixture
def authenticator(store):
    return Authenticator(store)


async def make(store, **fields):
    secret, key = new_key("client", **fields)
    return secret, await store.create_key(key)


def test_a_secret_is_long_and_safe_in_urls():
    secrets = {generate_secret() for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        assert secret.startswith("api_")
        assert len(secret) == 4 + 43  # 32 bytes in base64
        assert secret.replace("-", "").replace("_", "").isalnum()


async def test_a_valid_key_stands_for_its_record_and_prompt(store, authenticator):
    prompt = await store.create_prompt("guide", "Be kind.")
    secret, key = await make(store, collection_name="books", system_prompt_id=prompt.id)
    identity = await authenticator.authenticate(secret)
    assert identity.key == key
    assert identity.prompt == prompt


async def test_a_key_without_prompt(store, authenticator):
    secret, _ = await make(store)
    assert (await authenticator.authenticate(secret)).prompt is None


async def test_every_invalid_key_gets_the_same_answer_and_one_look_up(store, authenticator):
    _, other = await make(store)
    inactive, key = await make(store)
    await store.update_key(key.id, KeyChanges(active=False))
    expired, _ = await make(store, expires_at=time.time() - 1)
    bad = [None, "", "wrong", "x" * 1_048_576, inactive, expired, other.digest, "ÿþ\x00", "\udcff", '{"$ne": null}']
    sentences = set()
    for raw in bad:
        before = store.lookups
        with pytest.raises(Unauthorized) as caught:
            await authenticator.authenticate(raw)
        sentences.add((caught.value.code, str(caught.value)))
        assert store.lookups == before + 1
        assert len(store.last_digest) == 64
    assert len(sentences) == 1


async def test_a_valid_key_with_something_appended_is_not_valid(store, authenticator):
    secret, _ = await make(store)
    for raw in (secret + "x", secret + "x" * 1000, " " + secret, secret[:-1]):
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(raw)


async def test_a_known_key_is_not_asked_for_again(store, authenticator):
    secret, _ = await make(store)
    for _ in range(5):
        await authenticator.authenticate(secret)
    assert store.lookups == 1


async def test_requests_at_the_same_time_share_a_look_up(store, authenticator):
    secret, _ = await make(store)
    identities = await asyncio.gather(*(authenticator.authenticate(secret) for _ in range(50)))
    assert len(identities) == 50
    assert store.lookups == 1


async def test_a_waiting_request_that_is_cancelled_harms_no_other(store, authenticator):
    secret, key = await make(store)
    first, second = (asyncio.create_task(authenticator.authenticate(secret)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).key == key
    assert not authenticator._running


async def test_a_change_in_this_process_counts_at_once(store, authenticator):
    secret, key = await make(store)
    await authenticator.authenticate(secret)
    await store.update_key(key.id, KeyChanges(active=False))
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)


async def test_a_change_by_another_process_counts_at_once(store, authenticator):
    secret, key = await make(store)
    await authenticator.authenticate(secret)
    async with SqliteStore(store.path) as other:
        await other.delete_key(key.id)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)


async def test_a_changed_prompt_guides_the_next_request(store, authenticator):
    prompt = await store.create_prompt("guide", "Be kind.")
    secret, key = await make(store)
    assert (await authenticator.authenticate(secret)).prompt is None
    await store.update_key(key.id, KeyChanges(system_prompt_id=prompt.id))
    assert (await authenticator.authenticate(secret)).prompt.prompt == "Be kind."
    await store.update_prompt(prompt.id, PromptChanges(prompt="Be brief."))
    assert (await authenticator.authenticate(secret)).prompt.prompt == "Be brief."


async def test_a_look_up_overtaken_by_a_change_is_not_remembered(store, authenticator):
    secret, key = await make(store)
    find = store.find_by_digest

    async def slow(digest):
        found = await find(digest)
        await store.update_key(key.id, KeyChanges(active=False))
        return found

    store.find_by_digest = slow
    await authenticator.authenticate(secret)
    store.find_by_digest = find
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)


async def test_expiry_holds_for_known_keys(store, authenticator):
    secret, _ = await make(store, expires_at=time.time() + 0.3)
    await authenticator.authenticate(secret)
    await asyncio.sleep(0.35)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)


async def test_a_former_secret_works_until_its_grace_time_ends(store, authenticator):
    secret, key = await make(store)
    new, fresh = new_key("client")
    await store.rotate_key(key.id, fresh.digest, fresh.hint, time.time() + 0.3)
    assert (await authenticator.authenticate(secret)).key.id == key.id
    assert (await authenticator.authenticate(new)).key.id == key.id
    await asyncio.sleep(0.35)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)
    assert (await authenticator.authenticate(new)).key.id == key.id


async def test_an_outage_is_told_from_a_wrong_key(store):
    authenticator = Authenticator(store, cache_seconds=0.3)
    secret, _ = await make(store)
    await authenticator.authenticate(secret)
    store.away = True
    await authenticator.authenticate(secret)  # known
    for raw in ("unknown", None, "x" * 1_000_000):
        with pytest.raises(StoreUnavailable):
            await authenticator.authenticate(raw)
    await asyncio.sleep(0.35)
    with pytest.raises(StoreUnavailable):
        await authenticator.authenticate(secret)
    store.away = False
    await authenticator.authenticate(secret)


async def test_the_cache_is_bounded(store):
    authenticator = Authenticator(store, cache_size=3)
    for _ in range(6):
        await authenticator.authenticate((await make(store))[0])
    assert len(authenticator._known) == 3


async def test_wrong_keys_are_not_remembered(authenticator):
    for number in range(20):
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(f"wrong{number}")
    assert not authenticator._known
    assert not authenticator._running


async def test_no_clear_key_is_held_in_memory(store, authenticator):
    secret, _ = await make(store)
    await authenticator.authenticate(secret)
    assert secret not in repr(vars(authenticator))


async def test_a_key_is_found_by_id_or_secret(store):
    secret, key = await make(store)
    assert await find_key(store, key.id) == await find_key(store, secret) == key
    assert await find_key(store, "nothing") is None
    assert await find_key(store, key.digest) is None


async def test_limits_hold_over_all_workers(store):
    _, key = await make(store, requests_per_minute=3)
    async with SqliteStore(store.path) as other:
        limiters = [RateLimiter(store), RateLimiter(other)]
        results = await asyncio.gather(*(limiters[i % 2].admit(key) for i in range(12)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, RateLimited)]
    assert len(refused) == 9
    assert all(0 < error.retry_after <= 61 for error in refused)


async def test_a_key_without_limit_is_not_counted(store):
    _, key = await make(store)
    assert await RateLimiter(store).admit(key) is None


async def test_limits_hold_while_the_store_is_away(store):
    _, key = await make(store, requests_per_minute=2)
    limiter = RateLimiter(store)
    store.away = True
    assert (await limiter.admit(key)).remaining == 1
    assert (await limiter.admit(key)).remaining == 0
    with pytest.raises(RateLimited):
        await limiter.admit(key)
