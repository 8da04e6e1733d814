"""A key's requests per minute, with and without the database."""

import asyncio
import time

import pytest

from orbit.auth.rate_limits import RateLimited, RateLimiter
from orbit.database import ApiKey
from orbit.database.quota import Quota
from orbit.database.sqlite import SqliteDatabase
from orbit.errors import DatabaseUnavailable


async def admitted(limiter: RateLimiter, key: ApiKey) -> Quota:
    quota = await limiter.admit(key)
    assert quota is not None
    return quota


async def test_limits_hold_over_all_workers(database, make):
    _, key = await make(requests_per_minute=3)
    async with SqliteDatabase(database.path) as other:
        limiters = [RateLimiter(database), RateLimiter(other)]
        results = await asyncio.gather(*(limiters[i % 2].admit(key) for i in range(12)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, RateLimited)]
    assert len(refused) == 9
    assert all(0 < error.retry_after <= 61 for error in refused)


async def test_a_key_without_limit_is_not_counted(database, make):
    _, key = await make()
    assert await RateLimiter(database).admit(key) is None


async def test_limits_hold_while_the_database_is_away(database, make):
    _, key = await make(requests_per_minute=2)
    limiter = RateLimiter(database)
    database.away = True
    assert (await admitted(limiter, key)).remaining == 1
    assert (await admitted(limiter, key)).remaining == 0
    with pytest.raises(RateLimited):
        await limiter.admit(key)


async def test_a_refusal_says_when_to_come_back(database, make):
    _, key = await make(requests_per_minute=1)
    limiter = RateLimiter(database)
    assert (await admitted(limiter, key)).remaining == 0
    with pytest.raises(RateLimited) as caught:
        await limiter.admit(key)
    error = caught.value
    sentence = f"This key may make 1 requests a minute; try again in {error.retry_after} s."
    assert (str(error), error.client, error.code) == (sentence, sentence, "rate_limited")
    assert (b"ratelimit-remaining", b"0") in error.headers()
    assert error.retry_after == error.quota.reset


async def test_a_request_without_a_place_is_given_back(database, make):
    _, key = await make(requests_per_minute=2)
    limiter = RateLimiter(database)
    quota = await admitted(limiter, key)
    assert (await limiter.give_back(key, quota)).remaining == quota.remaining + 1 == 2
    assert [(await admitted(limiter, key)).remaining for _ in range(2)] == [1, 0]


async def test_a_request_counted_alone_is_given_back_alone(database, make):
    _, key = await make(requests_per_minute=2)
    limiter = RateLimiter(database)
    database.away = True
    for _ in range(3):
        quota = await admitted(limiter, key)
        assert (await limiter.give_back(key, quota)).remaining == 2


async def test_what_cannot_be_given_back_counts(database, make, monkeypatch):
    _, key = await make(requests_per_minute=2)
    limiter = RateLimiter(database)
    quota = await admitted(limiter, key)

    async def away(*_):
        raise DatabaseUnavailable("switched off")

    monkeypatch.setattr(database, "uncount_request", away)
    await limiter.give_back(key, quota)
    assert (await admitted(limiter, key)).remaining == 0


async def test_a_database_that_was_away_is_asked_again_a_second_later(database, make, monkeypatch):
    _, key = await make(requests_per_minute=10)
    limiter, start = RateLimiter(database), time.monotonic()
    database.away = True
    for seconds, counted in ((0, 1), (0.5, 1), (0.99, 1), (1.01, 2), (1.5, 2)):
        monkeypatch.setattr(time, "monotonic", lambda: start + seconds)  # noqa: B023  # called before the loop goes on
        await limiter.admit(key)
        assert database.counted == counted, seconds
    database.away = False
    monkeypatch.setattr(time, "monotonic", lambda: start + 3)
    assert (await admitted(limiter, key)).remaining == 9  # the database's count: what was counted alone is forgotten
    database.away = True
    assert (await admitted(limiter, key)).remaining == 9


async def test_a_minute_counted_alone_passes(database, make, monkeypatch):
    _, key = await make(requests_per_minute=2)
    limiter, start = RateLimiter(database), 1_000_000.0
    database.away = True
    monkeypatch.setattr(time, "monotonic", lambda: start)
    expected = [(0, 1, 61), (20, 0, 41), (30, None, 31), (59, None, 2), (59.5, None, 1), (60, 0, 21), (61, None, 20)]
    for seconds, remaining, reset in expected:
        monkeypatch.setattr(time, "time", lambda: start + seconds)  # noqa: B023  # called before the loop goes on
        if remaining is None:
            with pytest.raises(RateLimited) as caught:
                await limiter.admit(key)
            quota = caught.value.quota
            assert (quota.remaining, quota.limit) == (0, 2)
        else:
            quota = await admitted(limiter, key)
            assert (quota.allowed, quota.limit, quota.remaining) == (True, 2, remaining)
        assert quota.reset == reset, seconds


async def test_a_limit_of_none_at_all_says_a_minute(database, make):
    _, key = await make(requests_per_minute=0)
    database.away = True
    with pytest.raises(RateLimited) as caught:
        await RateLimiter(database).admit(key)
    assert caught.value.retry_after == 60
