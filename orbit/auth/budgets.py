"""The budgets of keys: what a turn costs, and the refusal of turns once a budget is used up."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from types import TracebackType
from typing import Final, Self

import msgspec
from msgspec.structs import astuple

from orbit.auth.rate_limits import AWAY_SECONDS
from orbit.database.base import Database
from orbit.database.budgets import Budgets, Use, day_of, month_of, resets_at, total_use
from orbit.database.keys import ApiKey
from orbit.errors import DatabaseUnavailable, OrbitError

logger = logging.getLogger("orbit.budgets")

_ATTEMPTS: Final = 10
"""Attempts to count a turn while others give back what they counted."""


class BudgetExceeded(OrbitError):
    """A key has used up a budget."""

    code = "budget_exceeded"

    def __init__(self, budget: str, limit: int, day: str, now: float) -> None:
        self.budget = budget
        self.resets_at = resets_at(budget, day)
        self.retry_after = max(1, math.ceil(self.resets_at - now))
        resets = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.resets_at))
        what = budget.replace("_per_", " a ")
        self.client = f"This key has used up its budget of {limit:,} {what}. It resets on {resets}."
        super().__init__(self.client)


class Charge:
    """A turn that a key pays for. Leave it, or ``settle`` it, to count what the turn has cost.

    A turn costs nothing unless it was answered or its model wrote something.
    """

    def __init__(self, ledger: Ledger, key_id: str, budgets: Budgets, day: str) -> None:
        self.tokens = 0
        """The tokens that the models of the turn read and wrote."""
        self.wrote = False
        """Whether a model has written anything."""
        self._ledger = ledger
        self._key_id = key_id
        self._budgets = budgets
        self._day = day
        self._settled = False

    def add(self, tokens: int) -> None:
        """Add what a model has done."""
        self.tokens += tokens
        self.wrote = True

    async def settle(self, *, answered: bool = False) -> None:
        """Count what the turn has cost; later calls do nothing."""
        if self._settled:
            return
        self._settled = True
        costs = answered or self.wrote
        requests = costs - self._budgets.of_requests  # those with a budget were counted before the turn
        tokens = self.tokens if self._budgets.of_tokens else 0
        if requests or tokens:
            await self._ledger.add(self._key_id, self._day, requests, tokens)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.settle(answered=kind is None)


class Ledger:
    """Enforces the budgets of keys. The database counts for all workers together.

    Requests count before their turn, so that no turn starts above a budget of requests; tokens count when the turn has
    ended. While the database is unavailable, each worker goes on alone from what it last read, and writes what it
    counted when the database is back.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unwritten: dict[tuple[str, str], tuple[int, int]] = {}
        """Requests and tokens by key and day that the database does not have yet."""
        self._read: dict[str, tuple[str, Use]] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self._told: dict[str, tuple[str, int, float]] = {}
        self._away_until = 0.0

    async def admit(self, key: ApiKey, budgets: Budgets) -> Charge:
        """Begin a turn of a key. Raises BudgetExceeded."""
        now = time.time()
        day = day_of(now)
        allowed, use = await self._begin(key.id, budgets, day)
        if not allowed:
            budget = budgets.used_up(use)
            error = BudgetExceeded(budget, getattr(budgets, budget), day, now)
            self._tell(key, error)
            raise error
        return Charge(self, key.id, budgets, day)

    async def add(self, key_id: str, day: str, requests: int, tokens: int) -> None:
        """Count what a turn has cost, even if its task is cancelled."""
        task = asyncio.create_task(self._add(key_id, day, requests, tokens), name="count what a turn has cost")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        await asyncio.shield(task)

    async def close(self) -> None:
        """Write everything that has been counted."""
        await asyncio.gather(*self._writing)
        self._away_until = 0.0
        await self._write_rest()

    async def _begin(self, key_id: str, budgets: Budgets, day: str) -> tuple[bool, Use]:
        """Count the request of a turn if requests have a budget; return whether it may begin, and what is used."""
        if await self._write_rest():
            try:
                return await self._begin_together(key_id, budgets, day)
            except DatabaseUnavailable:
                self._away_until = time.monotonic() + AWAY_SECONDS
        use = self._own_use(key_id, day)
        allowed = not budgets.used_up(use)
        if allowed and budgets.of_requests:
            self._keep(key_id, day, 1, 0)
        return allowed, use

    async def _begin_together(self, key_id: str, budgets: Budgets, day: str) -> tuple[bool, Use]:
        for _ in range(_ATTEMPTS):
            if budgets.of_requests:
                allowed, use = await self._database.count_use(key_id, budgets, day)
            else:
                use = await self._database.use_of(key_id, day)
                allowed = not budgets.used_up(use)
            self._read[key_id] = day, use
            if allowed or budgets.used_up(use):
                return allowed, use
        raise DatabaseUnavailable("the budgets of a key changed too often while a request was counted.")

    async def _add(self, key_id: str, day: str, requests: int, tokens: int) -> None:
        if await self._write_rest():
            try:
                await self._database.add_use(key_id, day, requests, tokens)
            except DatabaseUnavailable:
                self._away_until = time.monotonic() + AWAY_SECONDS
            else:
                return
        self._keep(key_id, day, requests, tokens)

    async def _write_rest(self) -> bool:
        """Write what was counted while the database was away; return whether it is back."""
        if time.monotonic() < self._away_until:
            return False
        while self._unwritten:
            place, (requests, tokens) = self._unwritten.popitem()
            try:
                await self._database.add_use(*place, requests, tokens)
            except BaseException as error:
                self._keep(*place, requests, tokens)
                if not isinstance(error, DatabaseUnavailable):
                    raise
                self._away_until = time.monotonic() + AWAY_SECONDS
                return False
        return True

    def _keep(self, key_id: str, day: str, requests: int, tokens: int) -> None:
        counted = self._unwritten.get((key_id, day), (0, 0))
        self._unwritten[key_id, day] = counted[0] + requests, counted[1] + tokens

    def _own_use(self, key_id: str, day: str) -> Use:
        """Return what was last read, with what this worker has counted since."""
        at, use = self._read.get(key_id, (day, Use()))
        if month_of(at) != month_of(day):
            use = Use()
        elif at != day:
            use = msgspec.structs.replace(use, requests_per_day=0, tokens_per_day=0)
        counts = {at: count for (owner, at), count in self._unwritten.items() if owner == key_id}
        since = total_use(counts, day)
        return Use(*(one + other for one, other in zip(astuple(use), astuple(since), strict=True)))

    def _tell(self, key: ApiKey, error: BudgetExceeded) -> None:
        """Tell operators once that a budget is used up."""
        told = error.budget, getattr(key, error.budget), error.resets_at
        if self._told.get(key.id) != told:
            self._told[key.id] = told
            logger.warning("key %s of %s is refused: %s", key.id, key.client_name, error)
