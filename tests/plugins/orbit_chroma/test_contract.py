"""The Chroma provider keeps the contracts of stores and retrievers: embedded, and on a server."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import chromadb
import pytest

from orbit import CallContext, Document
from orbit.host.host import OrbitHost
from orbit.testing import BaseIndexContract, BaseRetrieveContract


class ChromaFixtures:
    @pytest.fixture
    def plugin_name(self) -> str:
        return "chroma"

    @pytest.fixture
    def config(self) -> dict[str, Any]:
        return {"bag": {}}


class TestEmbedded(ChromaFixtures, BaseIndexContract, BaseRetrieveContract):
    pass


class TestServer(ChromaFixtures, BaseIndexContract, BaseRetrieveContract):
    @pytest.fixture
    def settings(self, shared_server) -> Iterator[dict[str, Any]]:
        yield {"host": "127.0.0.1", "port": shared_server.port}
        shared_server.clean()

    @pytest.fixture
    def foreign(self, shared_server) -> Any:
        async def make(host: OrbitHost, documents: Sequence[Document]) -> str:
            texts = [document.text for document in documents]
            vectors = await host.embed(texts, "document", CallContext("test"))

            def write() -> None:
                client = chromadb.HttpClient("127.0.0.1", shared_server.port)
                made = client.create_collection("theirs", embedding_function=None)
                made.add(ids=[document.id for document in documents], documents=texts, embeddings=vectors)

            await asyncio.to_thread(write)
            return "theirs"

        return make

    @pytest.fixture
    def down_settings(self) -> Iterator[dict[str, Any]]:
        with socket.socket() as taken:  # bound, so that nobody else listens there
            taken.bind(("127.0.0.1", 0))
            yield {"host": "127.0.0.1", "port": taken.getsockname()[1]}
