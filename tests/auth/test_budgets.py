"""The ledger of budgets: what turns cost, with and without the database."""

import asyncio
import logging
import time

import pytest

from orbit.auth.budgets import BudgetExceeded, Ledger
from orbit.database.budgets import Budgets, Use, day_of
from orbit.database.sqlite import SqliteDatabase


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noon of 29 November 2026, so that no test crosses midnight."""
    monkeypatch.setattr("time.time", lambda: 1795953600.0)


async def turn(ledger, key, tokens: int | None = 10, *, answered: bool = True) -> None:
    """Run a turn; None tokens are those of a model that wrote nothing."""
    charge = await ledger.admit(key, key.budgets)
    if tokens is not None:
        charge.add(tokens)
    await charge.settle(answered=answered)
    await charge.settle(answered=answered)  # again: nothing twice


async def used(database, key) -> Use:
    use: Use = await database.use_of(key.id, day_of(time.time()))
    return use


async def test_requests_are_exact_over_all_workers(database, make):
    _, key = await make(budgets=Budgets(requests_per_day=7, requests_per_month=9))
    async with SqliteDatabase(database.path) as other:
        ledgers = [Ledger(database), Ledger(other)]
        results = await asyncio.gather(*(turn(ledgers[i % 2], key) for i in range(30)), return_exceptions=True)
    assert results.count(None) == 7
    assert {getattr(error, "budget", None) for error in results if error} == {"requests_per_day"}
    assert await used(database, key) == Use(7, 0, 7, 0)  # without a budget, tokens are not written


async def test_a_turn_may_end_above_a_budget_of_tokens(database, make):
    _, key = await make(budgets=Budgets(tokens_per_month=25))
    ledger = Ledger(database)
    for _ in range(3):
        await turn(ledger, key)
    with pytest.raises(BudgetExceeded):
        await turn(ledger, key)
    assert await used(database, key) == Use(3, 30, 3, 30)


@pytest.mark.parametrize(
    "budgets", [Budgets(requests_per_day=2), Budgets(tokens_per_day=15), Budgets(requests_per_day=2, tokens_per_day=15)]
)
async def test_turns_without_a_word_cost_nothing(database, make, budgets):
    _, key = await make(budgets=budgets)
    ledger = Ledger(database)
    for _ in range(5):
        await turn(ledger, key, None, answered=False)
    assert await used(database, key) == Use()
    await turn(ledger, key, 10, answered=False)  # cancelled after some words
    await turn(ledger, key, None, answered=True)  # an answer that the client's stop left empty
    assert (await used(database, key)).requests_per_day == 2


async def test_a_refusal_says_what_is_used_up_and_until_when(database, make, caplog):
    _, key = await make(budgets=Budgets(requests_per_day=1, tokens_per_month=1000))
    ledger = Ledger(database)
    await turn(ledger, key, 5)
    with caplog.at_level(logging.WARNING, "orbit.budgets"):
        errors = await asyncio.gather(*(ledger.admit(key, key.budgets) for _ in range(3)), return_exceptions=True)
    error = errors[0]
    assert isinstance(error, BudgetExceeded)
    sentence = "This key has used up its budget of 1 requests a day. It resets on 2026-11-30 00:00 UTC."
    assert (str(error), error.client, error.code) == (sentence, sentence, "budget_exceeded")
    assert error.retry_after == 43_200
    assert [record.getMessage() for record in caplog.records] == [f"key {key.id} of client is refused: {sentence}"]
    await turn_of_tokens(ledger, database, key)


async def turn_of_tokens(ledger, database, key) -> None:
    await database.add_use(key.id, "2026-11-02", 0, 5000)
    with pytest.raises(BudgetExceeded, match=r"1,000 tokens a month. It resets on 2026-12-01 00:00 UTC") as caught:
        await ledger.admit(key, key.budgets)
    assert caught.value.retry_after == 43_200 + 86_400


async def test_without_the_database_a_worker_goes_on_from_what_it_read(database, make, monkeypatch):
    _, key = await make(budgets=Budgets(requests_per_day=4, tokens_per_day=1000))
    ledger = Ledger(database)
    await turn(ledger, key)
    database.away = True
    began = await ledger.admit(key, key.budgets)
    await turn(ledger, key)
    await turn(ledger, key, None, answered=False)
    began.add(7)
    await began.settle()
    await turn(ledger, key)
    with pytest.raises(BudgetExceeded):
        await ledger.admit(key, key.budgets)

    database.away = False
    later = time.monotonic() + 2
    monkeypatch.setattr("time.monotonic", lambda: later)
    with pytest.raises(BudgetExceeded):
        await ledger.admit(key, key.budgets)
    assert await used(database, key) == Use(4, 37, 4, 37)  # nothing is lost


async def test_what_was_counted_alone_is_written_when_the_server_stops(database, make):
    _, key = await make(budgets=Budgets(tokens_per_day=1000))
    ledger = Ledger(database)
    database.away = True
    await turn(ledger, key)
    database.away = False
    await ledger.close()
    assert await used(database, key) == Use(1, 10, 1, 10)


async def test_a_database_that_goes_away_again_loses_nothing(database, make):
    _, key = await make(budgets=Budgets(tokens_per_day=1000))
    ledger = Ledger(database)
    database.away = True
    await turn(ledger, key)
    await ledger.close()  # it is still away
    database.away = False
    await ledger.close()
    assert await used(database, key) == Use(1, 10, 1, 10)


async def test_a_turn_counts_for_the_day_on_which_it_began(database, make, monkeypatch):
    _, key = await make(budgets=Budgets(requests_per_month=5, tokens_per_month=100))
    ledger = Ledger(database)
    charge = await ledger.admit(key, key.budgets)
    charge.add(30)
    monkeypatch.setattr("time.time", lambda: 1795953600.0 + 2 * 86_400)
    await charge.settle()
    assert await database.use_of(key.id, "2026-11-29") == Use(1, 30, 1, 30)
    assert await used(database, key) == Use()


async def test_a_new_day_and_a_new_month_begin_anew_without_the_database(database, make, monkeypatch):
    _, key = await make(budgets=Budgets(requests_per_day=1, requests_per_month=2))
    ledger = Ledger(database)
    await turn(ledger, key)
    database.away = True
    for day, outcomes in enumerate([[False], [True, False], [True, False], [True, False], [False]]):
        monkeypatch.setattr("time.time", lambda: 1795953600.0 + day * 86_400)  # noqa: B023  # called in the loop
        for allowed in outcomes:
            if allowed:
                await turn(ledger, key)
            else:
                with pytest.raises(BudgetExceeded):
                    await ledger.admit(key, key.budgets)


async def test_a_cancelled_task_still_counts(database, make):
    _, key = await make(budgets=Budgets(tokens_per_day=100))
    ledger = Ledger(database)
    charge = await ledger.admit(key, key.budgets)
    charge.add(9)
    task = asyncio.create_task(charge.settle())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await ledger.close()
    assert await used(database, key) == Use(1, 9, 1, 9)
