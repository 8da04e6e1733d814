"""Starting, failing, recovering: what an operator sees."""

import asyncio
import socket
import ssl
import struct
import subprocess
import sys
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest
from certificates import Pair
from click.testing import CliRunner
from orbit_pgvector import PgvectorProvider, PgvectorSettings
from postgres_kit import PASSWORD

import orbit

CONTEXT = orbit.CallContext(request_id="test")
DOCUMENT = orbit.Document(id="1", text="one two", source="a", digest="d")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"collection": "a\nb"}, "cannot name a collection"),
        ({"host": "postgresql://db"}, "host is a name or an address"),
        ({"host": "db:5432"}, "its port is set by port"),
        ({"verify_certs": False}, "have no effect without ssl: true"),
        ({"ssl": True, "ca_certs": "/nowhere.pem"}, "ca_certs: the file '/nowhere.pem' does not exist"),
    ],
)
def test_settings_that_cannot_be_meant(settings, said):
    (problem,) = PgvectorProvider("pgvector", PgvectorSettings(**settings), host=None).validate()  # type: ignore[arg-type]
    assert said in problem


def test_importing_it_is_light():
    code = "import sys, orbit_pgvector; print([m for m in ('asyncpg', 'pgvector', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


async def test_without_embeddings_it_does_not_start(section, host, opened):
    host.embedding = ""
    with pytest.raises(orbit.ConfigError, match="none is enabled"):
        async with opened(host, **section):
            pass


async def test_a_default_collection_of_another_model_is_refused_at_the_start(section, host, opened):
    async with opened(host, **section) as store:
        await store.index("docs", [DOCUMENT], CONTEXT)
    host.embedding = "fake/others"
    with pytest.raises(orbit.ConfigError, match="orbit collections re-embed docs"):
        async with opened(host, **section, collection="docs"):
            pass


async def test_several_servers_that_start_at_once(section, host, opened):
    async def start():
        async with opened(host, **section) as store:
            await store.index("docs", [orbit.Document(str(id(store)), "one", str(id(store)))], CONTEXT)

    await asyncio.gather(*(start() for _ in range(5)))
    async with opened(host, **section) as store:
        (collection,) = await store.list_collections()
    assert (collection.documents, collection.embedding, collection.dimension) == (5, "fake/words", 64)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": "wrong"}, "rejected the credentials; set user and password"),
        ({"user": "nobody"}, "rejected the credentials"),
        ({"database": "absent"}, "has no such database"),
    ],
)
async def test_what_cannot_work_is_refused_at_the_start(section, host, opened, change, said):
    with pytest.raises(orbit.ProviderError, match=said) as caught:
        async with opened(host, **section | change):
            pass
    assert not caught.value.retryable
    assert PASSWORD not in str(caught.value)


async def test_a_user_without_rights_learns_what_to_run(section, host, opened):
    admin = await asyncpg.connect(
        host="127.0.0.1", port=section["port"], user="orbit", password=PASSWORD, database="postgres"
    )
    try:
        await admin.execute("DROP DATABASE IF EXISTS bare")
        await admin.execute("CREATE DATABASE bare")
        await admin.execute("CREATE ROLE humble LOGIN PASSWORD 'humble'")
        change = {"user": "humble", "password": "humble", "database": "bare"}
        with pytest.raises(orbit.ProviderError, match="as a superuser run in the database 'bare': CREATE EXTENSION"):
            async with opened(host, **section | change):
                pass
    finally:
        await admin.execute("DROP DATABASE bare")
        await admin.execute("DROP ROLE humble")
        await admin.close()


async def test_a_server_that_crashes_and_comes_back(own_postgres, host, opened):
    async with opened(host, **own_postgres.section, collection="docs") as store:
        await store.index("docs", [DOCUMENT], CONTEXT)
        assert await store.health() == orbit.Health()

        await asyncio.to_thread(own_postgres.stop)
        with pytest.raises(orbit.ProviderError, match=r"server at 127.0.0.1:\d+ cannot be reached") as caught:
            await store.retrieve(orbit.Query("one"), 1, CONTEXT)
        assert (caught.value.kind, caught.value.retryable) == ("unavailable", True)
        assert (await store.health()).status == "down"

        await asyncio.to_thread(own_postgres.start)
        assert (await store.health()).status == "ok"
        assert [found.id for found in await store.retrieve(orbit.Query("one"), 1, CONTEXT)] == ["1"]


async def test_a_server_that_comes_up_after_orbit(own_postgres, host, opened):
    await asyncio.to_thread(own_postgres.stop)
    async with opened(host, **own_postgres.section, collection="docs") as store:
        assert (await store.health()).status == "down"
        await asyncio.to_thread(own_postgres.start)
        assert (await store.health()).status == "ok"
        assert await store.index("docs", [DOCUMENT], CONTEXT) == 1


async def test_a_server_that_hangs_is_given_up(host, opened):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        async with opened(host, host="127.0.0.1", port=port, collection="docs", timeout=0.2) as store:
            with pytest.raises(orbit.ProviderError, match="does not answer in time") as caught:
                await store.retrieve(orbit.Query("one"), 1, CONTEXT)
            assert (caught.value.kind, caught.value.retryable) == ("timeout", True)


async def test_a_server_without_tls_is_not_used_with_ssl(section, host, opened):
    with pytest.raises(orbit.ProviderError, match="TLS"):
        async with opened(host, **section, ssl=True):
            pass


@asynccontextmanager
async def with_tls(port, pair):
    """The server at ``port`` behind TLS: the one of the package speaks none."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.chain, pair.key)

    async def carry(reader, writer):
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader, writer):
        assert await reader.readexactly(8) == struct.pack(">II", 8, 80_877_103), "no request for TLS"
        writer.write(b"S")
        try:
            await writer.start_tls(context)
        except (ssl.SSLError, ConnectionError):  # the client does not trust it
            writer.close()
            return
        behind = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(reader, behind[1]), carry(behind[0], writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_server_with_tls(section, host, opened, tmp_path):
    pair = Pair(tmp_path)
    async with with_tls(section["port"], pair) as port:
        settings = section | {"host": "localhost", "port": port, "ssl": True}
        with pytest.raises(orbit.ProviderError, match="certificate verify failed"):
            async with opened(host, **settings):
                pass
        async with opened(host, **settings, verify_certs=False) as store:
            assert await store.index("docs", [DOCUMENT], CONTEXT) == 1


async def test_thresholds(section, host, opened):
    async with opened(host, **section, relevance_threshold=0.6, confidence_threshold=0.9) as store:
        await store.index("docs", [DOCUMENT, orbit.Document("2", "one three", "b")], CONTEXT)
        for text, found in (("one two", ["1"]), ("one four", []), ("one", [])):
            passages = await store.retrieve(orbit.Query(text, collection="docs"), 5, CONTEXT)
            assert [one.id for one in passages] == found


async def test_closed_it_says_so(section, host, opened):
    async with opened(host, **section, collection="docs") as store:
        pass
    with pytest.raises(orbit.ProviderError, match="not open"):
        await store.retrieve(orbit.Query("one"), 1, CONTEXT)
    assert (await store.health()).status == "down"


async def test_the_command_builds_an_index(section, host, opened):
    import click

    async with opened(host, **section, index_from=None) as store:
        await store.index("docs", [DOCUMENT], CONTEXT)
        group = click.Group()
        store.register_commands(group)
        for name, said in (("docs", "built the index of docs: 1 pas"), ("docs", "has its index"), ("no", "not exist")):
            result = await asyncio.to_thread(CliRunner().invoke, group, ["index", name])
            assert said in result.output
        assert [found.id for found in await store.retrieve(orbit.Query("one", "docs"), 1, CONTEXT)] == ["1"]
