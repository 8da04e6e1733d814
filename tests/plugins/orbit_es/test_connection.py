"""Reaching Elasticsearch: addresses, credentials, certificates, rights, and what is prepared there."""

import asyncio
import contextlib
import gzip
import ssl
import subprocess

import pytest
from elasticsearch_kit import (
    elasticsearch_log,
    eventually,
    in_elasticsearch,
    logging_to,
    record,
    sent,
)
from elasticsearch_wire import FakeElasticsearch
from orbit_es.credentials import credentials

from orbit.host.host import OrbitHost


def test_credentials_are_read_beside_the_configuration(tmp_path, monkeypatch):
    monkeypatch.delenv("ORBIT_CONFIG", raising=False)
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    config = tmp_path / "config.yaml"
    config.write_text(f"general: {{data_dir: {tmp_path}/data}}\necho: {{}}\nelasticsearch: {{username: elastic}}\n")
    (problem,) = OrbitHost.from_file(str(config)).problems
    assert "password is missing: set it or ELASTICSEARCH_PASSWORD, or leave out username" in str(problem)
    (tmp_path / ".env").write_text("ELASTICSEARCH_PASSWORD=secret\n")
    host = OrbitHost.from_file(str(config))
    assert host.problems == ()
    assert credentials(host.registry["elasticsearch"].settings, host.environment)


async def test_credentials(tmp_path, monkeypatch, told):
    with FakeElasticsearch(api_key="c2VjcmV0") as wire:
        async with logging_to(tmp_path, wire.url) as (files, log):
            await files.log(record(0))
            await files.flush()
            detail = (await log.health()).detail
            assert "it requires credentials, but none are configured; set ELASTICSEARCH_API_KEY" in detail
        monkeypatch.setenv("ELASTICSEARCH_API_KEY", "d3Jvbmc=")
        async with logging_to(tmp_path, wire.url) as (_, log):
            detail = (await log.health()).detail
            assert "the credentials are not valid; check ELASTICSEARCH_API_KEY" in detail
            assert "HTTP 401: security_exception: unable to authenticate user" in detail
        monkeypatch.delenv("ELASTICSEARCH_API_KEY")
        (tmp_path / ".env").write_text("ELASTICSEARCH_API_KEY=c2VjcmV0\n")
        monkeypatch.setenv("ORBIT_CONFIG", str(tmp_path / "config.yaml"))
        async with logging_to(tmp_path, wire.url) as (_, log):
            await eventually(sent(tmp_path, 1))
        assert in_elasticsearch(wire) == ["r0"]
    with FakeElasticsearch(basic_auth=("elastic", "pässword")) as wire:
        (tmp_path / ".env").unlink()
        monkeypatch.setenv("ELASTICSEARCH_USERNAME", "elastic")
        monkeypatch.setenv("ELASTICSEARCH_PASSWORD", "pässword")
        async with logging_to(tmp_path, wire.url) as (_, log):
            assert (await log.health()).status == "ok"
        monkeypatch.delenv("ELASTICSEARCH_USERNAME")
        async with logging_to(tmp_path, wire.url, username="elastic", password="pässword") as (_, log):
            assert (await log.health()).status == "ok"
        node = wire.url.replace("://", "://elastic:p%C3%A4ssword@")
        async with logging_to(tmp_path, node) as (_, log):
            assert (await log.health()).status == "ok"
        async with logging_to(tmp_path, node.replace("p%C3", "wrong")) as (_, log):
            detail = (await log.health()).detail
            assert "the credentials are not valid" in detail
            assert "wrong" not in detail
    assert not any("c2VjcmV0" in text or "pässword" in text for text in told())


async def test_tls(tmp_path, told):
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    request += [
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
        "-subj",
        "/CN=stand-in",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    subprocess.run(request, cwd=tmp_path, check=True, capture_output=True)  # noqa: ASYNC221  nothing else waits
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    logs = tmp_path / "logs"
    with FakeElasticsearch(tls=tls) as wire:
        async with logging_to(logs, wire.url) as (files, log):
            await files.log(record(0))
            await files.flush()
            assert "certificate" in (await log.health()).detail
        async with logging_to(logs, wire.url, ca_certs=str(tmp_path / "cert.pem")) as (files, _):
            await eventually(sent(logs, 1))
        async with logging_to(logs, wire.url, verify_certs=False) as (files, _):
            await files.log(record(1))
            await eventually(sent(logs, 2))
    assert in_elasticsearch(wire) == ["r0", "r1"]


async def test_no_right_to_manage_templates(tmp_path, wire, told):
    wire.forbidden = {"/_index_template", "/_ilm"}
    async with logging_to(tmp_path, wire.url, retention_days=7) as (files, _):
        await files.log(record(0))
        await eventually(sent(tmp_path, 1))
    assert in_elasticsearch(wire) == ["r0"]
    assert len([text for text in told() if "Missing permission for the index template" in text]) == 1


async def test_something_else_than_elasticsearch(tmp_path):
    with FakeElasticsearch(product=False) as wire:
        async with logging_to(tmp_path, wire.url) as (files, log):
            await files.log(record(0))
            health = await log.health()
    assert health.status == "degraded"
    assert "not Elasticsearch" in health.detail


async def test_the_retention_of_daily_indices(tmp_path, wire):
    async with logging_to(tmp_path, wire.url, retention_days=30):
        pass
    assert wire.policies["orbit-chat-retention"]["phases"]["delete"]["min_age"] == "31d"
    template = wire.templates["orbit-chat-template"]
    assert template["index_patterns"] == ["orbit-chat-*.*.*"]
    assert template["template"]["settings"] == {"index.lifecycle.name": "orbit-chat-retention"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"node": "es.example.com:9200"}, "is not an address"),
        ({"node": "http://es.example.com"}, "has no port; write it as http://es.example.com:9200"),
        ({"nodes": ["http://a:9200", "b"]}, "'b' is not an address"),
        ({"index": "Chat"}, "cannot be a name in Elasticsearch"),
        ({"ca_certs": "/nowhere.pem"}, "the file '/nowhere.pem' does not exist"),
        ({"api_key": "a", "username": "b"}, "not both"),
        ({"username": "b"}, "password is missing: set it"),
        ({"password": "S3cret"}, "username is missing: set it"),
        ({"node": "https://svc:S3cret@es"}, "node: 'https://es' has no port; write it as https://es:9200"),
        ({"node": "svc:S3cret@es:9200"}, "node: 'es:9200' is not an address"),
        ({"node": "http://es:92000"}, "is not an address"),
        ({"node": "http://svc:S3cret@es:9200", "api_key": "a"}, "node contains a user, and api_key is set"),
    ],
)
def test_settings_without_sense_are_named(tmp_path, settings, message):
    log = elasticsearch_log(tmp_path, "http://a:9200", **settings)
    assert message in " ".join(log.validate())
    assert "S3cret" not in " ".join(log.validate())


async def test_another_node_takes_over(tmp_path, wire):
    with FakeElasticsearch() as dead:
        nowhere = dead.url
    async with logging_to(tmp_path, nowhere, nodes=[nowhere, wire.url]) as (files, _):
        await files.log(record(0))
        await eventually(sent(tmp_path, 1))
    assert in_elasticsearch(wire) == ["r0"]


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_has_a_limit(tmp_path, packed):
    """An answer that does not end, or that a few bytes stand for, is given up with a sentence."""
    written = 0
    body = gzip.compress(b" " * 200_000_000) if packed else b" " * 65_536
    header = b"Content-Encoding: gzip\r\n" if packed else b""

    async def answer(reader, writer):
        nonlocal written
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nX-Elastic-Product: Elasticsearch\r\nContent-Type: application/json\r\n")
        writer.write(header + b"Content-Length: %d\r\n\r\n" % (len(body) if packed else 1_000_000_000))
        with contextlib.suppress(ConnectionError):
            while not written or (not packed and written < 1_000_000_000):
                writer.write(body)
                await writer.drain()
                written += len(body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with logging_to(tmp_path, f"http://127.0.0.1:{port}") as (_, log):
            assert "the response exceeds 64 MiB; the rest was not read" in (await log.health()).detail
    assert written < 100_000_000
