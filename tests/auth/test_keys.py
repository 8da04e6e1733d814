import asyncio
import time
from typing import Any

import msgspec
import pytest

from orbit.auth.keys import REFUSAL, Authenticator, find_key, new_key
from orbit.database.keys import KeyChanges, UnknownKey
from orbit.database.prompts import PromptChanges
from orbit.database.secrets import digest_of, generate_secret
from orbit.database.sqlite import SqliteDatabase
from orbit.errors import DatabaseUnavailable, Unauthorized


@pytest.fixture
def authenticator(database):
    return Authenticator(database)


def test_a_secret_is_long_and_safe_in_urls():
    secrets = {generate_secret() for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        assert secret.startswith("api_")
        assert len(secret) == 4 + 43  # 32 bytes in base64
        assert secret.replace("-", "").replace("_", "").isalnum()


async def test_a_valid_key_stands_for_its_record_and_prompt(database, authenticator, make):
    prompt = await database.create_prompt("guide", "Be kind.")
    secret, key = await make(collection_name="books", system_prompt_id=prompt.id)
    identity = await authenticator.authenticate(secret)
    assert identity.key == key
    assert identity.prompt == prompt


async def test_a_key_without_prompt(database, authenticator, make):
    secret, _ = await make()
    assert (await authenticator.authenticate(secret)).prompt is None


async def test_every_invalid_key_gets_the_same_answer_and_one_look_up(database, authenticator, make):
    _, other = await make()
    inactive, key = await make()
    await database.update_key(key.id, KeyChanges(active=False))
    expired, _ = await make(expires_at=time.time() - 1)
    bad = ["wrong", "x" * 1_048_576, inactive, expired, other.digest, "ÿþ\x00", "\udcff", '{"$ne": null}']
    sentences = set()
    for raw in bad:
        before = database.lookups
        with pytest.raises(Unauthorized) as caught:
            await authenticator.authenticate(raw)
        sentences.add((caught.value.code, str(caught.value)))
        assert database.lookups == before + 1
        assert len(database.last_digest) == 64
    assert len(sentences) == 1


async def test_a_valid_key_with_something_appended_is_not_valid(database, authenticator, make):
    secret, _ = await make()
    for raw in (secret + "x", secret + "x" * 1000, " " + secret, secret[:-1]):
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(raw)


async def test_a_known_key_is_not_asked_for_again(database, authenticator, make):
    secret, _ = await make()
    for _ in range(5):
        await authenticator.authenticate(secret)
    assert database.lookups == 1


async def test_a_key_that_was_looked_up_slowly_is_not_trusted_longer(database, make, monkeypatch):
    secret, _ = await make()
    authenticator = Authenticator(database, cache_seconds=10)
    find, clock = database.find_by_digest, [1000.0]
    monkeypatch.setattr("orbit.auth.keys.time.monotonic", lambda: clock[0])

    async def slowly(digest):
        found = await find(digest)
        clock[0] += 4  # the key may be revoked now, on another machine
        return found

    monkeypatch.setattr(database, "find_by_digest", slowly)
    await authenticator.authenticate(secret)
    clock[0] += 6.5
    await authenticator.authenticate(secret)
    assert database.lookups == 2


async def test_requests_at_the_same_time_share_a_look_up(database, authenticator, make):
    secret, _ = await make()
    identities = await asyncio.gather(*(authenticator.authenticate(secret) for _ in range(50)))
    assert len(identities) == 50
    assert database.lookups == 1


async def test_a_waiting_request_that_is_cancelled_harms_no_other(database, authenticator, make):
    secret, key = await make()
    first, second = (asyncio.create_task(authenticator.authenticate(secret)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).key == key
    assert not authenticator._running


async def test_a_change_in_this_process_counts_at_once(database, authenticator, make):
    secret, key = await make()
    await authenticator.authenticate(secret)
    await database.update_key(key.id, KeyChanges(active=False))
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)


async def test_a_change_by_another_process_counts_at_once(database, authenticator, make):
    secret, key = await make()
    await authenticator.authenticate(secret)
    async with SqliteDatabase(database.path) as other:
        await other.delete_key(key.id)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)


async def test_a_changed_prompt_guides_the_next_request(database, authenticator, make):
    prompt = await database.create_prompt("guide", "Be kind.")
    secret, key = await make()
    assert (await authenticator.authenticate(secret)).prompt is None
    await database.update_key(key.id, KeyChanges(system_prompt_id=prompt.id))
    assert (await authenticator.authenticate(secret)).prompt.prompt == "Be kind."
    await database.update_prompt(prompt.id, PromptChanges(prompt="Be brief."))
    assert (await authenticator.authenticate(secret)).prompt.prompt == "Be brief."


async def test_a_look_up_overtaken_by_a_change_is_not_remembered(database, authenticator, make):
    secret, key = await make()
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


async def test_an_identity_read_before_a_revocation_is_not_cached_after_it(database, authenticator, make):
    """The request of another key makes the cache current again while the look-up still runs."""
    secret, key = await make()
    other, _ = await make()
    find = database.find_by_digest

    async def overtaken(digest):
        found = await find(digest)
        database.find_by_digest = find
        await database.update_key(key.id, KeyChanges(active=False))
        await authenticator.authenticate(other)
        return found

    database.find_by_digest = overtaken
    await authenticator.authenticate(secret)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)


@pytest.mark.parametrize("raw", [None, ""])
async def test_a_request_without_a_key_costs_no_access(database, authenticator, raw):
    database.away = True
    with pytest.raises(Unauthorized) as caught:
        await authenticator.authenticate(raw)
    assert str(caught.value) == REFUSAL
    assert database.lookups == 0


def pass_seconds(monkeypatch, seconds):
    """Let the clock of the wall go forward at once."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + seconds)


async def test_expiry_holds_for_known_keys(authenticator, make, monkeypatch):
    secret, _ = await make(expires_at=time.time() + 60)
    await authenticator.authenticate(secret)
    pass_seconds(monkeypatch, 61)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)


async def test_a_former_secret_works_until_its_grace_time_ends(database, authenticator, make, monkeypatch):
    secret, key = await make()
    new, fresh = new_key("client")
    await database.rotate_key(key.id, fresh.digest, fresh.hint, time.time() + 60)
    assert (await authenticator.authenticate(secret)).key.id == key.id
    assert (await authenticator.authenticate(new)).key.id == key.id
    pass_seconds(monkeypatch, 61)
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(secret)
    assert (await authenticator.authenticate(new)).key.id == key.id


async def test_an_outage_is_told_from_a_wrong_key(database, make):
    authenticator = Authenticator(database, cache_seconds=0.3)
    secret, _ = await make()
    await authenticator.authenticate(secret)
    database.away = True
    await authenticator.authenticate(secret)  # known
    for raw in ("unknown", "x" * 1_000_000):
        with pytest.raises(DatabaseUnavailable):
            await authenticator.authenticate(raw)
    await asyncio.sleep(0.35)
    with pytest.raises(DatabaseUnavailable):
        await authenticator.authenticate(secret)
    database.away = False
    await authenticator.authenticate(secret)


async def test_the_cache_is_bounded(database, make):
    authenticator = Authenticator(database, cache_size=3)
    for _ in range(6):
        await authenticator.authenticate((await make())[0])
    assert len(authenticator._known) == 3


async def test_wrong_keys_are_not_remembered(authenticator):
    for number in range(20):
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(f"wrong{number}")
    assert not authenticator._known
    assert not authenticator._running


async def test_no_clear_key_is_held_in_memory(database, authenticator, make):
    secret, _ = await make()
    await authenticator.authenticate(secret)
    assert secret not in repr(vars(authenticator))


async def test_a_key_is_found_by_id_or_secret(database, make):
    secret, key = await make()
    assert await find_key(database, key.id) == await find_key(database, secret) == key
    assert await find_key(database, "nothing") is None
    assert await find_key(database, key.digest) is None


async def test_a_known_key_is_asked_for_again_after_the_cache_seconds(database, make, monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    authenticator = Authenticator(database)
    secret, _ = await make()
    for seconds, lookups in ((0, 1), (9.9, 1), (10.1, 2), (20.0, 2), (20.2, 3)):
        monkeypatch.setattr(time, "monotonic", lambda: now + seconds)  # noqa: B023  # called before the loop goes on
        await authenticator.authenticate(secret)
        assert database.lookups == lookups, seconds


async def test_without_cache_seconds_every_request_asks_the_database(database, make):
    authenticator = Authenticator(database, cache_seconds=0)
    secret, _ = await make()
    for number in range(1, 4):
        await authenticator.authenticate(secret)
        assert database.lookups == number
    assert not authenticator._known


async def test_the_oldest_identity_makes_room(database, make):
    authenticator = Authenticator(database, cache_size=2)
    first, second, third = [(await make())[0] for _ in range(3)]
    for secret, lookups in ((first, 1), (second, 2), (third, 3), (second, 3), (third, 3), (first, 4)):
        await authenticator.authenticate(secret)
        assert database.lookups == lookups


async def test_a_key_whose_prompt_was_deleted_meanwhile_works_without(database, authenticator, make):
    prompt = await database.create_prompt("guide", "Be kind.")
    secret, key = await make(system_prompt_id=prompt.id)
    find = database.find_by_digest

    async def overtaken(digest):
        found = await find(digest)
        await database.delete_prompt(prompt.id, force=True)
        return found

    database.find_by_digest = overtaken
    identity = await authenticator.authenticate(secret)
    assert (identity.key.id, identity.prompt) == (key.id, None)


async def test_a_look_up_that_failed_is_tried_again(database, authenticator, make):
    secret, key = await make()
    database.away = True
    results = await asyncio.gather(*(authenticator.authenticate(secret) for _ in range(3)), return_exceptions=True)
    assert {type(result) for result in results} == {DatabaseUnavailable}
    assert database.lookups == 1
    database.away = False
    assert (await authenticator.authenticate(secret)).key == key


class Clear(dict[str, Any]):
    """Keys in clear of an earlier server, as a database of these alone."""

    def generation(self):
        return 0

    async def find_by_digest(self, digest):
        return None

    async def get_key(self, key_id):
        raise UnknownKey

    async def find_clear(self, secret):
        digest, hint = digest_of(secret), secret[-4:]
        return msgspec.structs.replace(self[secret], digest=digest, hint=hint) if secret in self else None


async def test_keys_in_clear_of_earlier_servers_work(make):
    _, key = await make()
    database: Any = Clear({"api_old": key})
    identity = await Authenticator(database).authenticate("api_old")
    assert (identity.key.id, identity.key.digest, identity.key.hint) == (key.id, digest_of("api_old"), "_old")
    assert await find_key(database, "api_old") == identity.key
    for raw in ("api_ol", "api_older"):
        with pytest.raises(Unauthorized):
            await Authenticator(database).authenticate(raw)
        assert await find_key(database, raw) is None


def test_a_new_key_has_all_that_was_given():
    before = time.time()
    secret, key = new_key(
        "Ana", "books", system_prompt_id="p", notes="n", expires_at=before + 60, requests_per_minute=5
    )
    assert (key.digest, key.hint) == (digest_of(secret), secret[-4:])
    assert (key.client_name, key.collection_name, key.system_prompt_id, key.notes) == ("Ana", "books", "p", "n")
    assert (key.expires_at, key.requests_per_minute, key.active, key.former) == (before + 60, 5, True, ())
    assert before - 0.001 <= key.created_at <= time.time() + 0.001
    assert new_key("Ana")[1].notes == ""
