"""HTTPS: certificates that are checked, renewed under load, and broken; and what plain HTTP is for beside it."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from certificates import Pair, chain_pem, key_pem, make_key, signed_pem
from click.testing import CliRunner
from cryptography import x509

from orbit.cli.chat import chat
from orbit.cli.check import check
from orbit.cli.keys import keys
from orbit.config.model import General, Https
from orbit.errors import ConfigError
from orbit.serving.tls import tls_problems
from orbit.testing import serve


def presented(url: str, **versions: Any) -> int:
    """The serial number of the certificate that a new connection gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, version in versions.items():
        setattr(context, name, version)
    host, port = url.removeprefix("https://").split(":")
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain) as secure:
        der = secure.getpeercert(binary_form=True)
        assert der is not None
        return x509.load_der_x509_certificate(der).serial_number


async def eventually_presented(url: str, serial: int) -> None:
    async with asyncio.timeout(20):
        while await asyncio.to_thread(presented, url) != serial:  # noqa: ASYNC110  # what is watched is outside
            await asyncio.sleep(0.1)


async def test_renewing_twenty_times_under_load_drops_nothing(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    config = {"script": {"words": 5, "delay": 0.01}, "general": {"https": pair.section()}}
    with serve(config, tmp_path) as server:
        done = asyncio.Event()
        answered: list[str] = []
        headers = {"X-API-Key": server.key}
        insecure: dict[str, Any] = {"verify": False, "base_url": server.https_url, "headers": headers, "timeout": 30}

        async def keep_asking(*, kept: bool) -> None:
            """Over one connection, or over a new one each time."""
            client = httpx.AsyncClient(**insecure)
            while not done.is_set():
                if not kept:
                    await client.aclose()
                    client = httpx.AsyncClient(**insecure)
                response = await client.post("/chat", json={"message": "hello"})
                assert response.status_code == 200
                assert '"finish_reason":"stop"' in response.text
                answered.append(response.headers["x-request-id"])
            await client.aclose()

        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(keep_asking(kept=number % 2 == 0))
            try:
                for renewal in range(20):
                    serial = 100 + renewal
                    pair.renew(serial, "rsa" if renewal % 5 == 4 else "ec")
                    await eventually_presented(server.https_url, serial)
            finally:
                done.set()
    assert len(answered) > 40


async def test_a_broken_renewal_keeps_the_certificate_and_is_logged(tmp_path: Path, caplog: Any) -> None:
    pair = Pair(tmp_path)
    with serve({"echo": {}, "general": {"https": pair.section()}}, tmp_path) as server:
        url = server.https_url
        assert presented(url) == 1
        for breaking in (
            lambda: pair.chain.write_bytes(chain_pem(make_key(), 2)),  # another key's
            lambda: pair.chain.write_bytes(b"half a"),
            pair.chain.unlink,
        ):
            caplog.clear()
            breaking()
            async with asyncio.timeout(20):
                while "stays in force" not in caplog.text:  # noqa: ASYNC110  # the same
                    await asyncio.sleep(0.1)
            assert presented(url) == 1
        pair.renew(3)
        await eventually_presented(url, 3)


async def test_a_renewal_that_clients_would_refuse_waits_while_the_certificate_is_valid(
    tmp_path: Path, caplog: Any
) -> None:
    pair = Pair(tmp_path)
    with serve({"echo": {}, "general": {"https": pair.section()}}, tmp_path) as server:
        for serial, days, fault in ((2, -1, "has expired on"), (3, 5, "is not valid before")):
            caplog.clear()
            pair.renew(serial, days=days)
            async with asyncio.timeout(20):
                while fault not in caplog.text:  # noqa: ASYNC110  # the same
                    await asyncio.sleep(0.1)
            assert presented(server.https_url) == 1
            assert [entry.levelname for entry in caplog.records if fault in entry.getMessage()] == ["ERROR"]
        pair.renew(4)
        await eventually_presented(server.https_url, 4)


async def test_an_expired_certificate_makes_way_for_any_other(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.renew(1, days=-1)
    with serve({"echo": {}, "general": {"https": pair.section()}}, tmp_path) as server:
        pair.renew(2, days=-0.5)
        await eventually_presented(server.https_url, 2)


def test_nothing_older_than_tls_1_2(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    with serve({"echo": {}, "general": {"https": pair.section()}}, tmp_path) as server:
        assert presented(server.https_url, maximum_version=ssl.TLSVersion.TLSv1_2) == 1
        assert presented(server.https_url, minimum_version=ssl.TLSVersion.TLSv1_3) == 1
        with pytest.warns(DeprecationWarning, match="TLSv1_1"), pytest.raises((ssl.SSLError, ConnectionResetError)):
            presented(server.https_url, maximum_version=ssl.TLSVersion.TLSv1_1)


def test_plain_http_serves_challenges_and_leads_to_https(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    folder = tmp_path / "acme"
    folder.mkdir()
    (folder / "a-Token_1").write_text("the answer")
    (tmp_path / "secret").write_text("not for you")
    (folder / "link.txt").write_text("a dot is in no challenge")
    https = pair.section(redirect_http=True, acme_folder=str(folder), port=3443, hsts_seconds=600)
    with serve({"echo": {}, "general": {"https": https}}, tmp_path) as server:
        challenge = httpx.get(f"{server.url}/.well-known/acme-challenge/a-Token_1")
        assert (challenge.status_code, challenge.text) == (200, "the answer")
        for name in ("other", "", "../secret", "..%2fsecret", "%2e%2e/secret", "a-Token_1/../../secret", "link.txt"):
            url = f"{server.url}/.well-known/acme-challenge/"
            response = httpx.get(httpx.URL(url).copy_with(raw_path=f"/.well-known/acme-challenge/{name}".encode()))
            assert response.status_code in (308, 404)
            assert "not for you" not in response.text
        sent_on = httpx.post(f"{server.url}/chat?a=b%20c", json={"message": "hello"})
        assert sent_on.status_code == 308
        assert sent_on.headers["location"] == "https://127.0.0.1:3443/chat?a=b%20c"
        assert sent_on.headers["x-request-id"]
        odd = httpx.get(f"{server.url}/chat", headers={"Host": "evil.example/x?"})
        assert odd.status_code == 400
        split = httpx.get(f"{server.url}/a%0d%0aSet-Cookie:%20x=y")
        assert "set-cookie" not in split.headers
        asked = httpx.post(
            f"{server.https_url}/chat",
            json={"message": "hello", "stream": False},
            headers={"X-API-Key": server.key},
            verify=False,
        )
        assert asked.json()["response"] == "hello"
        assert asked.headers["strict-transport-security"] == "max-age=600"


def test_plain_http_serves_all_only_if_asked_to(tmp_path: Path) -> None:
    body = {"message": "hello", "stream": False}
    for redirect, status in ((None, 308), (True, 308), (False, 200)):
        pair = Pair(tmp_path)
        section = pair.section() if redirect is None else pair.section(redirect_http=redirect)
        with serve({"echo": {}, "general": {"https": section}}, tmp_path) as server:
            for path in ("/health", "/health/live", "/health/ready"):
                assert httpx.get(server.url + path).status_code == 200
            assert httpx.get(f"{server.https_url}/health/live", verify=False).status_code == 200
            headers = {"X-API-Key": server.key}
            assert httpx.post(f"{server.url}/chat", json=body, headers=headers).status_code == status
            assert httpx.get(f"{server.url}/", headers=headers).status_code == status


def test_commands_trust_the_certificate_of_their_own_configuration(tmp_path: Path) -> None:
    pair, key = Pair(tmp_path), make_key()
    pair.chain.write_bytes(signed_pem(key, make_key(), "chat.example.org"))
    pair.key.write_bytes(key_pem(key))
    with serve({"echo": {}, "general": {"https": pair.section()}}, tmp_path) as server:
        port = server.https_url.rpartition(":")[2]
        here = tmp_path / "config.yaml"
        https = f"{{enabled: true, port: {port}, cert_file: {pair.chain}, key_file: {pair.key}}}"
        here.write_text(f"general:\n  data_dir: {tmp_path}/data\n  https: {https}\necho: {{}}\n")
        there = tmp_path / "elsewhere.yaml"
        there.write_text(here.read_text().replace(str(pair.chain), str(tmp_path / "other.pem")))
        (tmp_path / "other.pem").write_bytes(signed_pem(key, make_key(), "chat.example.org"))

        asked = CliRunner().invoke(chat, ["--config", str(here), "--key", server.key, "hello"])
        of_another = CliRunner().invoke(chat, ["--config", str(there), "--key", server.key, "hello"])
        by_address = CliRunner().invoke(chat, ["--url", server.https_url, "--key", server.key, "hello"])
        keys_there = CliRunner().invoke(keys, ["list", "--config", str(here), "--url", server.https_url])
    assert asked.output == "hello\n"
    for refused, code in ((of_another, 1), (by_address, 1), (keys_there, 3)):
        assert refused.exit_code == code, refused.output
        assert f"{server.https_url} answers, but its certificate is not trusted:" in refused.output
        assert "SSL_CERT_FILE=FILE" in refused.output


@pytest.mark.parametrize(
    ("mistake", "path", "sentence"),
    [
        ("no cert", "cert_file", "is missing: HTTPS needs a PEM file with the certificate chain."),
        ("no key", "key_file", "is missing: HTTPS needs a PEM file with the private key."),
        ("cert gone", "cert_file", "cannot be read: No such file or directory."),
        ("key is a folder", "key_file", "cannot be read: Is a directory."),
        ("swapped", "cert_file", "does not hold the certificate chain in PEM form."),
        ("mismatch", "key_file", "is not the key of the certificate in"),
        ("other kind", "key_file", "is not the key of the certificate in"),
        ("encrypted", "key_file", "is encrypted; ORBIT needs a key without a passphrase."),
        ("garbage", "", "cannot be used:"),
    ],
)
def test_each_mistake_is_one_sentence(tmp_path: Path, mistake: str, path: str, sentence: str) -> None:
    pair = Pair(tmp_path)
    section = pair.section()
    if mistake == "no cert":
        section["cert_file"] = ""
    elif mistake == "no key":
        section["key_file"] = ""
    elif mistake == "cert gone":
        pair.chain.unlink()
    elif mistake == "key is a folder":
        section["key_file"] = str(tmp_path)
    elif mistake == "swapped":
        section["cert_file"] = section["key_file"]
    elif mistake == "mismatch":
        pair.key.write_bytes(key_pem(make_key()))
    elif mistake == "other kind":
        pair.key.write_bytes(key_pem(make_key("rsa")))
    elif mistake == "encrypted":
        key = make_key()
        pair.chain.write_bytes(chain_pem(key, 5))
        pair.key.write_bytes(key_pem(key, b"passphrase"))
    elif mistake == "garbage":
        pair.chain.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (problem,) = tls_problems(General(https=Https(**section)))
    assert problem.path == (f"general.https.{path}" if path else "general.https")
    assert sentence in problem.message


def test_other_mistakes(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    general = General(port=3443, https=Https(**pair.section(port=3443, acme_folder=str(tmp_path / "nowhere"))))
    assert [problem.path for problem in tls_problems(general)] == ["general.https.acme_folder", "general.https.port"]
    (only,) = tls_problems(General(https=Https(redirect_http=True)))
    assert only.path == "general.https.redirect_http"


def test_check_tells_all_of_it_at_once(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "general:\n  https: {enabled: true, cert_file: /nowhere.pem}\n  trusted_proxies: [10.0.0.0/8, proxy]\n"
        "ollama: {no_such: 1}\n"
    )
    done = CliRunner().invoke(check, ["--config", str(file)])
    assert isinstance(done.exception, ConfigError)
    paths = [problem.path for problem in done.exception.problems]
    assert {"general.https.cert_file", "general.https.key_file", "general.trusted_proxies[1]"} < set(paths)
    assert any(path.startswith("ollama") for path in paths)
