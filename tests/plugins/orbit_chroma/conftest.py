"""A real Chroma, embedded or as a server on loopback."""

import pytest
from chroma_kit import ChromaServer
from orbit_chroma import ChromaProvider
from store_kit import WordHost, opener


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory):
    server = ChromaServer(tmp_path_factory.mktemp("chroma-server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_server(tmp_path):
    """A server that the test may stop."""
    folder = tmp_path / "own-server"
    folder.mkdir()
    server = ChromaServer(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def host(tmp_path):
    return WordHost(tmp_path)


@pytest.fixture
def opened():
    """``async with opened(lender, **settings)`` gives a provider that is started and ready."""

    return opener(ChromaProvider, "chroma")
