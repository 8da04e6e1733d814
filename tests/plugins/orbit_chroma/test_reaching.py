"""How a Chroma server is reached: its certificate, a proxy, and what is no host."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest
from orbit_chroma import ChromaProvider
from proxy_kit import proxy
from tls_kit import Authority

import orbit

CONTEXT = orbit.CallContext("test")
DOCUMENT = orbit.Document("1", "cats purr", "cats.md")


@asynccontextmanager
async def behind_tls(port: int, context: ssl.SSLContext):
    """Serve TLS before a port; yield the port of that."""

    async def copy(reader, writer):
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def relay(reader, writer):
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    async with await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def works(store) -> bool:
    await store.index("docs", [DOCUMENT], CONTEXT)
    found = await store.retrieve(orbit.Query("cats purr", "docs"), 1, CONTEXT)
    return [document.text for document in found] == ["cats purr"]


async def test_a_private_authority(tmp_path, shared_server, host, opened):
    shared_server.clean()
    authority = Authority(tmp_path)
    async with behind_tls(shared_server.port, authority.server()) as port:
        where = {"host": "localhost", "port": port, "ssl": True}
        async with opened(host, **where, ca_certs=str(authority.file)) as store:
            assert await works(store)
        async with opened(host, **where, verify_certs=False) as store:
            assert await works(store)
        with pytest.raises(orbit.ProviderError) as raised:
            async with opened(host, **where):
                pass
    assert raised.value.message == (
        f"the Chroma server at localhost:{port} cannot be reached: certificate verify failed: self-signed certificate "
        "in certificate chain. Set ca_certs to the certificate of the authority that signed it."
    )


@pytest.mark.parametrize(
    ("name", "how", "sentence"),
    [("localhost", {"expired": True}, "certificate has expired"), ("elsewhere", {}, "not valid for 'localhost'")],
)
async def test_the_certificate_is_the_reason(tmp_path, shared_server, host, opened, name, how, sentence):
    authority = Authority(tmp_path)
    async with behind_tls(shared_server.port, authority.server(name, **how)) as port:
        with pytest.raises(orbit.ProviderError, match=sentence):
            async with opened(host, host="localhost", port=port, ssl=True, ca_certs=str(authority.file)):
                pass


async def test_a_proxy_is_used_with_its_own_password_and_the_environment_is_not(
    shared_server, host, opened, monkeypatch
):
    shared_server.clean()
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    where = {"host": "127.0.0.1", "port": shared_server.port}
    async with opened(host, **where) as store:
        assert await works(store)
    async with proxy("me:secret") as (url, seen):
        async with opened(host, **where, proxy=url.replace("://", "://me:secret@")) as store:
            assert await works(store)
        assert any(path.endswith("/query") for path in seen)
    async with opened(host, **where, proxy="http://me:secret@127.0.0.1:9") as store:
        health = await store.health()
    assert health.status == "down"
    assert "cannot be reached: Connection refused." in health.detail
    assert "secret" not in health.detail


def test_settings_of_a_connection_that_cannot_be_meant(host):
    def problems(**settings):
        settings = {"host": "chroma"} | settings
        return list(ChromaProvider("chroma", ChromaProvider.Settings(**settings), host).validate())

    (told,) = problems(host="http://svc:S3cret@chroma:8000")
    assert "host is a name or an address, not 'http://chroma:8000'" in told
    assert "S3cret" not in told + str(problems(host="svc:S3cret@chroma"))
    assert "does not exist" in problems(ssl=True, ca_certs="/gone.pem")[0]
    assert "no effect without ssl" in problems(verify_certs=False)[0]
    assert "proxy 'socks5://h:1' is not of the form" in problems(proxy="socks5://h:1")[0]
    assert problems(host="::1", ssl=True, verify_certs=False) == []
