"""How servers are addressed: users, passwords, queries, routes, proxies, certificates."""

from __future__ import annotations

import base64
import logging
import traceback
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from click.testing import CliRunner
from openai_kit import Start, ask, served_wire, text
from openai_wire import Fault, OpenAIWire
from orbit_openai import OpenAIProvider, OpenAISettings
from proxy_kit import proxy
from tls_kit import Authority
from upstream_contract import SECRET, with_user

from orbit import CallContext, ProviderError
from orbit.cli.check import check
from orbit.testing import serve


def problems(**settings: Any) -> str:
    own = msgspec.convert({"model": "m"} | settings, OpenAISettings)
    return "\n".join(OpenAIProvider("openai", own, host=None).validate())  # type: ignore[arg-type]  # not started


async def test_user_and_query_go_with_every_request(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=with_user(wire.url))

    await ask(provider, context)
    await provider.embed(["cats"], "document", context)

    expected = "Basic " + base64.b64encode(f"svc:{SECRET}".encode()).decode()
    assert len(wire.listings + wire.requests) == 3
    for request in wire.listings + wire.requests:
        assert request.headers["Authorization"] == expected
        assert request.query == "key=Qu3rySecret"
    assert [request.path for request in wire.requests] == ["/v1/chat/completions", "/v1/embeddings"]


def test_nothing_public_shows_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "orbit")
    with served_wire() as wire:
        config = {"openai": {"base_url": with_user(wire.url), "model": "llama", "max_retries": 0}}
        with serve(config, tmp_path) as server:
            wire.faults += [Fault("status", status=503), Fault("garbage")]
            headers = {"X-API-Key": server.key}
            chat = f"{server.url}/chat"
            told = [httpx.post(chat, json={"message": "hi"}, headers=headers).text for _ in wire.faults.copy()]
            told += [httpx.get(f"{server.url}/{path}", headers=headers).text for path in ("health", "metrics")]
    for words in (*told, caplog.text):
        assert SECRET not in words
        assert "Qu3rySecret" not in words


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("localhost:8000/v1", "it has no scheme, as in http://localhost:8000/v1"),
        (f"svc:{SECRET}@localhost:8000/v1", "it has no scheme, as in http://localhost:8000/v1"),
        ("http//localhost:8000/v1", "it has no scheme, as in http://localhost:8000/v1"),
        ("https:localhost:8000/v1", "it has no scheme, as in https://localhost:8000/v1"),
        ("ftp://localhost/v1", "its scheme is ftp"),
        ("http://localhost:80000/v1", "its port is not a number from 1 to 65535"),
        ("http://localhost:port/v1", "its port is not a number from 1 to 65535"),
        ("http://::1:8000/v1", "an IPv6 address needs brackets"),
        ("http://[::g]:8000/v1", "not an IPv6 address"),
        ("http://local host:8000/v1", "a space"),
        ("http:///v1", "it has no host"),
        ("http://<host>:8000/v1", "its host contains a character"),
        ("http://one:8000,http://two:8000", "write several servers as a list"),
        (f"http://svc:{SECRET}/x@localhost:8000/v1", "as %2F"),
        (f"http://svc:{SECRET}#x@localhost:8000/v1", "as %2F"),
        ("", "it is empty"),
    ],
)
def test_what_is_no_address_is_told_in_one_sentence(url: str, sentence: str) -> None:
    told = problems(base_url=url)

    assert sentence in told
    assert "is not of the form http://HOST:PORT/v1: " in told
    assert len(told.splitlines()) == 1
    assert SECRET not in told


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("Bearer secret-1", "api_key begins with 'Bearer', which is a part of the header; give what follows it alone."),
        ("authorization: Bearer secret-1", "api_key begins with 'authorization: Bearer'"),
        ("secret\x00-1", "api_key contains a line break or another control character"),
        ("sécret-1", "api_key contains a character outside ASCII"),
        ("bearer-1", ""),
    ],
)
def test_a_key_that_no_server_would_take_is_named_but_not_shown(key: str, sentence: str) -> None:
    told = problems(base_url="http://localhost:8000/v1", api_key=key)
    assert sentence in told
    assert bool(told) == bool(sentence)
    assert "-1" not in told


@pytest.mark.parametrize(
    "url", ["http://[::1]:8000/v1", "https://api.example.com/v1/", " http://gpu_1:8000/v1\n", "HTTP://localhost/v1?a=b"]
)
def test_odd_addresses_that_are_right(url: str) -> None:
    assert problems(base_url=url) == ""


def test_check_names_credentials_that_exclude_each_other(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"openai: {{base_url: 'http://svc:{SECRET}@localhost:8000/v1', model: m, api_key: other}}")

    result = CliRunner().invoke(check, ["--config", str(path)])

    assert result.exit_code != 0
    told = f"{result.output} {result.exception}"
    assert "openai: base_url contains a user, and api_key is set" in told
    assert SECRET not in told
    assert "headers.Authorization is set" in problems(base_url="http://a:b@h/v1", headers={"authorization": "x"})


async def test_a_route_at_the_end_is_left_out_with_a_notice(
    wire: OpenAIWire, start: Start, context: CallContext, caplog: pytest.LogCaptureFixture
) -> None:
    provider = await start(base_url=f"{wire.url}/chat/completions?api-version=1")

    assert text(await ask(provider, context)) == "one two three"
    assert f"so it uses {wire.url}" in caplog.text
    assert wire.requests[0].query == "api-version=1"


async def test_a_proxy_is_used_with_its_own_password(wire: OpenAIWire, start: Start, context: CallContext) -> None:
    async with proxy(f"me:{SECRET}") as (url, seen):
        provider = await start(base_url=wire.url, proxy=url.replace("://", f"://me:{SECRET}@"))
        assert text(await ask(provider, context)) == "one two three"
        assert seen == [f"{wire.url}/models", f"{wire.url}/chat/completions"]

        with pytest.raises(ProviderError, match=r"the proxy before .* requires a user and a password"):
            await start(base_url=wire.url, proxy=url)


async def test_a_proxy_that_is_away_is_named(wire: OpenAIWire, start: Start) -> None:
    with pytest.raises(ProviderError) as raised:
        await start(base_url=wire.url, proxy=f"http://me:{SECRET}@127.0.0.1:9")

    told = "".join(traceback.format_exception(raised.value))
    assert f"the proxy http://127.0.0.1:9 before {wire.url} cannot be reached: Connection refused." in told
    assert SECRET not in told
    assert "proxy 'socks5://h:1' is not of the form" in problems(base_url="http://h/v1", proxy="socks5://h:1")


async def test_a_private_authority(tmp_path: Path, start: Start, context: CallContext) -> None:
    authority = Authority(tmp_path)
    async with OpenAIWire(tls=authority.server()) as wire:
        trusting = await start(base_url=wire.url, ca_certs=str(authority.file))
        assert text(await ask(trusting, context)) == "one two three"
        careless = await start(base_url=wire.url, verify_certs=False)
        assert text(await ask(careless, context)) == "one two three"

        with pytest.raises(ProviderError) as raised:
            await start(base_url=wire.url)
    assert raised.value.message == (
        f"{wire.url} cannot be reached: certificate verify failed: self-signed certificate in certificate chain. "
        "Set ca_certs to the certificate of the authority that signed it."
    )
    assert not raised.value.retryable


@pytest.mark.parametrize(
    ("name", "how", "sentence"),
    [
        ("localhost", {"expired": True}, "certificate has expired. Renew it"),
        ("elsewhere", {}, "certificate is not valid for 'localhost'. Use a host name that the certificate covers"),
        ("localhost", {"self_signed": True}, "certificate verify failed: self-signed certificate"),
    ],
)
async def test_the_certificate_is_the_reason(
    tmp_path: Path, start: Start, name: str, how: dict[str, bool], sentence: str
) -> None:
    authority = Authority(tmp_path)
    async with OpenAIWire(tls=authority.server(name, **how)) as wire:
        with pytest.raises(ProviderError) as raised:
            await start(base_url=wire.url, ca_certs=str(authority.file), start_timeout=30)
    assert sentence in raised.value.message


async def test_a_server_without_tls(wire: OpenAIWire, start: Start) -> None:
    with pytest.raises(ProviderError, match=r"the server does not speak TLS\. Write http://"):
        await start(base_url=wire.url.replace("http://", "https://"))


def test_a_file_of_authorities_that_cannot_be_used_is_found_by_check(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")

    assert "does not exist" in problems(ca_certs=str(tmp_path / "gone.pem"))
    assert "contains no certificate in PEM form" in problems(ca_certs=str(junk))
    assert "is a folder" in problems(ca_certs=str(tmp_path))
    assert "no effect" in problems(ca_certs=str(Authority(tmp_path).file), verify_certs=False)
