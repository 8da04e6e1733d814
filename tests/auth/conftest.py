import pytest

from orbit.auth.keys import new_key
from orbit.database.sqlite import SqliteDatabase
from orbit.errors import DatabaseUnavailable


class WatchedDatabase(SqliteDatabase):
    """A real database that counts its look-ups and can be switched off."""

    away = False
    lookups = 0

    counted = 0

    async def find_by_digest(self, digest):
        self.lookups += 1
        self.last_digest = digest
        if self.away:
            raise DatabaseUnavailable("switched off")
        return await super().find_by_digest(digest)

    async def count_request(self, key_id, limit, now):
        self.counted += 1
        if self.away:
            raise DatabaseUnavailable("switched off")
        return await super().count_request(key_id, limit, now)

    async def count_use(self, key_id, budgets, day):
        if self.away:
            raise DatabaseUnavailable("switched off")
        return await super().count_use(key_id, budgets, day)

    async def add_use(self, key_id, day, requests, tokens):
        if self.away:
            raise DatabaseUnavailable("switched off")
        return await super().add_use(key_id, day, requests, tokens)

    async def use_of(self, key_id, day):
        if self.away:
            raise DatabaseUnavailable("switched off")
        return await super().use_of(key_id, day)


@pytest.fixture
async def database(tmp_path):
    async with WatchedDatabase(tmp_path / "orbit.db") as database:
        yield database


@pytest.fixture
def make(database):
    async def make_key(**fields):
        secret, key = new_key("client", **fields)
        return secret, await database.create_key(key)

    return make_key
