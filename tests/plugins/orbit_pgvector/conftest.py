"""A real PostgreSQL with pgvector on loopback."""

import uuid

import pytest
from orbit_pgvector import PgvectorProvider
from postgres_kit import PostgresServer
from store_kit import WordHost, opener


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

    return opener(PgvectorProvider, "pgvector")
