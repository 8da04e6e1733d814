"""A real PostgreSQL with pgvector on loopback."""

import uuid
from contextlib import asynccontextmanager

import pytest
from chroma_kit import WordHost
from orbit_pgvector import PgvectorProvider
from postgres_kit import PostgresServer


@pytest.fixture(scope="session")
def shared_postgres():
    with PostgresServer() as server:
        yield server


@pytest.fixture
def own_postgres():
    """A server that the test may stop."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def section(shared_postgres):
    """Settings that lead to the shared server, each test in a schema of its own."""
    return {**shared_postgres.section, "schema": f"s{uuid.uuid4().hex}"}


@pytest.fixture
def host(tmp_path):
    return WordHost(tmp_path)


@pytest.fixture
def opened():
    """``async with opened(lender, **settings)`` gives a provider that is started and ready."""

    @asynccontextmanager
    async def open_provider(lender, /, **settings):
        provider = PgvectorProvider("pgvector", PgvectorProvider.Settings(**settings), lender)
        async with provider:
            await provider.ready()
            yield provider

    return open_provider
