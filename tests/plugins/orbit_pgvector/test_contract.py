"""The pgvector provider keeps the contracts of stores and retrievers: exact, with an index, and in partitions."""

import socket
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from orbit.testing import BaseIndexContract, BaseRetrieveContract


class PgvectorFixtures:
    extra: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def plugin_name(self) -> str:
        return "pgvector"

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        return {"bag": {}}

    @pytest.fixture
    def settings(self, section: dict[str, Any]) -> dict[str, Any]:
        return {**section, **self.extra}

    @pytest.fixture
    def down_settings(self) -> Iterator[dict[str, Any]]:
        with socket.socket() as taken:  # bound, so that nobody else listens there
            taken.bind(("127.0.0.1", 0))
            yield {"host": "127.0.0.1", "port": taken.getsockname()[1]}


class TestExact(PgvectorFixtures, BaseIndexContract, BaseRetrieveContract):
    pass


class TestIndexed(PgvectorFixtures, BaseIndexContract, BaseRetrieveContract):
    extra: ClassVar[dict[str, Any]] = {"index_from": 0, "partitions": 3}
