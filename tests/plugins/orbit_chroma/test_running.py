"""Starting, failing, recovering: what an operator sees."""

import asyncio
import contextlib
import socket
import sqlite3
import subprocess
import sys
import threading
from typing import Any, cast

import msgspec
import pytest
from orbit_chroma import ChromaProvider, ChromaSettings

import orbit

CONTEXT = orbit.CallContext(request_id="test")

DOCUMENT = orbit.Document(id="1", text="one two", source="a", digest="d")


def test_the_section_operators_have_loads_and_means_a_server():
    settings = msgspec.convert({"host": "localhost", "port": 8000, "collection": "docs"}, ChromaSettings)
    provider = ChromaProvider("chroma", settings, host=None)  # type: ignore[arg-type]  # asks nothing of the host
    assert list(provider.validate()) == []
    assert provider.exclusive() == ""


def test_embedded_is_for_one_process():
    provider = ChromaProvider("chroma", ChromaSettings(), host=None)  # type: ignore[arg-type]  # the same
    assert "run a Chroma server" in provider.exclusive()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"collection": "a b"}, "collection: 'a b' cannot name"),
        ({"host": "http://chroma:8000"}, "HTTPS by ssl: true"),
    ],
)
def test_settings_that_cannot_be_meant(host, settings, said):
    (problem,) = ChromaProvider("chroma", ChromaSettings(**settings), host).validate()
    assert said in problem


def test_importing_it_is_light():
    code = "import sys, orbit_chroma; print([m for m in ('chromadb', 'numpy', 'httpx') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


async def test_without_embeddings_it_does_not_start(host, opened):
    host.embedding = ""
    with pytest.raises(orbit.ConfigError, match="none is enabled"):
        async with opened(host):
            pass


async def test_data_survives_a_restart(host, opened):
    async with opened(host, collection="docs") as store:
        await store.index("docs", [DOCUMENT], CONTEXT)
    async with opened(host, collection="docs") as store:
        assert [found.id for found in await store.retrieve(orbit.Query("one"), 1, CONTEXT)] == ["1"]
    assert (host.data_dir / "chroma" / "chroma.sqlite3").is_file()


async def test_collections_from_elsewhere_are_refused_with_the_reason(host, opened):
    import chromadb

    path = host.data_dir / "chroma"
    with cast("Any", chromadb.PersistentClient(path=path)) as client:
        for name, metadata, space in (
            ("unmarked", {"by": "hand"}, "cosine"),
            ("euclid", {"orbit_embedding": "fake/words", "orbit_dimension": 64}, "l2"),
        ):
            client.create_collection(
                name, metadata=metadata, configuration={"hnsw": {"space": space}}, embedding_function=None
            )
    async with opened(host) as store:
        for name, said in (("unmarked", "does not record"), ("euclid", "uses the metric l2 instead of cosine")):
            with pytest.raises(orbit.ProviderError, match=f"{said}.*orbit collections adopt {name}.*orbit collections"):
                await store.retrieve(orbit.Query("x", collection=name), 1, CONTEXT)
        assert [collection.embedding for collection in await store.list_collections()] == ["fake/words", ""]


@pytest.mark.parametrize("broken", ["garbage", "file"])
async def test_a_broken_database_is_refused_at_the_start(host, opened, broken):
    folder = host.data_dir / "chroma"
    if broken == "garbage":
        folder.mkdir()
        (folder / "chroma.sqlite3").write_bytes(b"garbage " * 1000)
    else:
        folder.write_text("not a folder")
    with pytest.raises(orbit.ProviderError, match=r"the Chroma database in .*chroma failed: .*(not a database|exists)"):
        async with opened(host):
            pass


async def test_a_database_of_another_shape_is_refused_at_the_start(host, opened):
    folder = host.data_dir / "chroma"
    folder.mkdir()
    with sqlite3.connect(folder / "chroma.sqlite3") as database:
        database.execute("CREATE TABLE migrations (dir TEXT, version INTEGER)")
    database.close()
    with pytest.raises(orbit.ProviderError, match="the Chroma database in"):
        async with opened(host):
            pass


async def test_queries_leave_the_event_loop_free(host, opened, monkeypatch):
    from chromadb.api.models.Collection import Collection

    entered, release = threading.Event(), threading.Event()
    query = Collection.query

    def slow(self, **arguments):
        entered.set()
        assert release.wait(10)
        return query(self, **arguments)

    async with opened(host, collection="docs") as store:
        await store.index("docs", [DOCUMENT], CONTEXT)
        monkeypatch.setattr(Collection, "query", slow)
        asked = asyncio.create_task(store.retrieve(orbit.Query("one"), 1, CONTEXT))
        while not entered.is_set():  # noqa: ASYNC110 - the event is set in a thread; that the loop turns is the point
            await asyncio.sleep(0.001)
        release.set()
        assert await asked


async def test_a_server_that_stops_and_comes_back(own_server, host, opened):
    async with opened(host, host="127.0.0.1", port=own_server.port, collection="docs") as store:
        await store.index("docs", [DOCUMENT], CONTEXT)
        assert await store.health() == orbit.Health()

        own_server.stop()
        with pytest.raises(orbit.ProviderError, match=r"server at 127.0.0.1:\d+ cannot be reached") as caught:
            await store.retrieve(orbit.Query("one"), 1, CONTEXT)
        assert (caught.value.kind, caught.value.retryable) == ("unavailable", True)
        assert (await store.health()).status == "down"

        own_server.start()
        assert (await store.health()).status == "ok"
        assert [found.id for found in await store.retrieve(orbit.Query("one"), 1, CONTEXT)] == ["1"]


async def test_a_server_that_comes_up_after_orbit(own_server, host, opened):
    own_server.stop()
    async with opened(host, host="127.0.0.1", port=own_server.port, collection="docs") as store:
        assert (await store.health()).status == "down"
        own_server.start()
        assert (await store.health()).status == "ok"
        assert await store.index("docs", [DOCUMENT], CONTEXT) == 1


async def test_a_server_without_the_tenant_is_refused_at_the_start(shared_server, host, opened):
    with pytest.raises(orbit.ProviderError, match="no database 'default_database' of tenant 'acme'"):
        async with opened(host, host="127.0.0.1", port=shared_server.port, tenant="acme"):
            pass


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (401, "failed", "rejected the credentials; set them under headers"),
        (403, "failed", "rejected the credentials"),
        (404, "failed", "or is not a Chroma server"),
        (503, "unavailable", "answers 503"),
    ],
)
async def test_what_a_server_answers_is_told(host, opened, status, kind, said):
    async def answer(reader, writer):
        assert b"x-chroma-token: secret" in (await reader.readuntil(b"\r\n\r\n")).lower()
        writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    settings = {
        "host": "127.0.0.1",
        "port": server.sockets[0].getsockname()[1],
        "headers": {"X-Chroma-Token": "secret"},
    }
    async with server:
        provider = ChromaProvider("chroma", ChromaSettings(**settings), host)
        with pytest.raises(orbit.ProviderError) as caught:
            async with provider:
                await provider.list_sources("docs")
    assert (caught.value.kind, said in caught.value.message) == (kind, True)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("api", "version"), [("v2", "0.6.3"), ("v1", "0.4.24")])
async def test_an_old_server_is_named_with_its_version(host, api, version):
    async def answer(reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        body = f'"{version}"'.encode()
        found = request.startswith(f"GET /api/{api}/version ".encode())
        writer.write(b"HTTP/1.1 %s\r\nConnection: close\r\n" % (b"200 OK" if found else b"404 Not Found"))
        writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        provider = ChromaProvider("chroma", ChromaSettings(host="127.0.0.1", port=port), host)
        with pytest.raises(orbit.ProviderError, match=f"is Chroma {version}, but this plugin needs 1.0 or newer"):
            async with provider:
                pass


async def test_a_server_that_hangs_is_given_up(host, opened):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        async with opened(host, host="127.0.0.1", port=port, collection="docs", timeout=0.2) as store:
            with pytest.raises(orbit.ProviderError, match="does not answer in time") as caught:
                await store.retrieve(orbit.Query("one"), 1, CONTEXT)
            assert (caught.value.kind, caught.value.retryable) == ("timeout", True)
            assert (await store.health()).status == "down"


async def test_closed_it_says_so(host, opened):
    async with opened(host, collection="docs") as store:
        pass
    with pytest.raises(orbit.ProviderError, match="not open"):
        await store.retrieve(orbit.Query("one"), 1, CONTEXT)
    assert (await store.health()).status == "down"


@pytest.mark.parametrize(
    ("header", "body", "said"),
    [
        (b"Content-Length: 1000000000", b" " * 65_536, "a response of more than 256 MiB; the rest was not read"),
        (b"Content-Encoding: gzip\r\nContent-Length: 1000000000", b"\0" * 65_536, "compresses its responses with gzip"),
    ],
)
async def test_an_answer_has_a_limit(host, header, body, said):
    written = 0

    async def answer(reader, writer):
        nonlocal written
        assert b"accept-encoding: identity" in (await reader.readuntil(b"\r\n\r\n")).lower()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%s\r\n\r\n" % header)
        with contextlib.suppress(ConnectionError):
            while written < 1_000_000_000:
                writer.write(body)
                await writer.drain()
                written += len(body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        provider = ChromaProvider("chroma", ChromaSettings(host="127.0.0.1", port=port), host)
        with pytest.raises(orbit.ProviderError, match=said):
            async with provider:
                pass
    assert written < 300_000_000
