"""How servers are addressed: parts of the API, users, queries, proxies, certificates; and how models are named."""

from __future__ import annotations

import base64
import traceback
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from ollama_kit import ANYTHING, QUESTION, Start, ask, command, text
from ollama_wire import OllamaWire
from orbit_ollama import OllamaProvider, OllamaSettings
from proxy_kit import proxy
from tls_kit import Authority
from upstream_contract import SECRET, with_user

from orbit import CallContext, ProviderError
from orbit.cli.check import check
from orbit.host.host import OrbitHost


def problems(**settings: Any) -> str:
    own = msgspec.convert({"model": "m"} | settings, OllamaSettings)
    return "\n".join(OllamaProvider("ollama", own, host=None).validate())  # type: ignore[arg-type]  # not started


async def test_user_and_query_go_with_every_request(wire: OllamaWire, start: Start, context: CallContext) -> None:
    provider = await start(base_url=with_user(wire.url))

    await ask(provider, context)
    await provider.embed(["cats"], "document", context)
    await provider.health()

    expected = "Basic " + base64.b64encode(f"svc:{SECRET}".encode()).decode()
    asked = wire.lookups + wire.requests
    paths = {"/api/version", "/api/tags", "/api/show", "/api/chat", "/api/embed"}
    assert {request.path for request in asked} == paths
    for request in asked:
        assert request.headers["Authorization"] == expected
        assert request.query == "key=Qu3rySecret"


async def test_commands_do_not_show_them(wire: OllamaWire) -> None:
    for name in ("models", "pull"):
        code, output = await command(wire, name, base_url=with_user(wire.url))
        assert code == 0
        assert wire.url in output
        assert SECRET not in output


@pytest.mark.parametrize("ending", ["/v1", "/v1/", "/api", "/api/", "/api/chat", "/v1/chat/completions"])
async def test_a_part_of_the_api_at_the_end_is_left_out_with_a_notice(
    wire: OllamaWire, start: Start, context: CallContext, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    provider = await start(base_url=wire.url + ending)

    assert text(await ask(provider, context)) == "one two three"
    assert f"so it uses {wire.url}" in caplog.text


async def test_a_path_that_no_server_has_is_named(wire: OllamaWire, start: Start) -> None:
    with pytest.raises(ProviderError, match=f"{wire.url}/ollama does not know that address.*without /v1"):
        await start(base_url=f"{wire.url}/ollama")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("localhost:11434", "it has no scheme, as in http://localhost:11434"),
        ("ws://localhost:11434", "its scheme is ws"),
        ("http://localhost:114340", "its port is not a number"),
        ("http://::1:11434", "an IPv6 address needs brackets"),
        ("http://my host:11434", "a space"),
        (f"http://svc:{SECRET}/@localhost:11434", "as %2F"),
    ],
)
def test_what_is_no_address_is_told_in_one_sentence(url: str, sentence: str) -> None:
    told = problems(base_url=url)

    assert sentence in told
    assert len(told.splitlines()) == 1
    assert SECRET not in told


def test_check_names_credentials_that_exclude_each_other(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"ollama: {{base_url: 'http://svc:{SECRET}@localhost:11434', model: m, headers: {{Authorization: Bearer x}}}}"
    )
    result = CliRunner().invoke(check, ["--config", str(path)])

    told = f"{result.output} {result.exception}"
    assert result.exit_code != 0
    assert "base_url contains a user, and headers.Authorization is set" in told
    assert SECRET not in told


async def test_a_proxy_is_used_with_its_own_password(wire: OllamaWire, start: Start, context: CallContext) -> None:
    async with proxy(f"me:{SECRET}") as (url, seen):
        provider = await start(base_url=wire.url, proxy=url.replace("://", f"://me:{SECRET}@"))
        assert text(await ask(provider, context)) == "one two three"
        assert seen[-1] == f"{wire.url}/api/chat"

        with pytest.raises(ProviderError, match=r"the proxy before .* requires a user and a password"):
            await start(base_url=wire.url, proxy=url)

    with pytest.raises(ProviderError) as raised:
        await start(base_url=wire.url, proxy=f"http://me:{SECRET}@127.0.0.1:9")
    told = "".join(traceback.format_exception(raised.value))
    assert f"the proxy http://127.0.0.1:9 before {wire.url} cannot be reached: Connection refused." in told
    assert SECRET not in told


async def test_a_private_authority(tmp_path: Path, start: Start, context: CallContext) -> None:
    authority = Authority(tmp_path)
    async with OllamaWire(tls=authority.server()) as wire:
        trusting = await start(base_url=wire.url, ca_certs=str(authority.file))
        assert text(await ask(trusting, context)) == "one two three"
        assert (await trusting.embed(["cats"], "query", context)).shape == (1, 32)
        careless = await start(base_url=wire.url, verify_certs=False)
        assert text(await ask(careless, context)) == "one two three"

        with pytest.raises(ProviderError) as raised:
            await start(base_url=wire.url, start_timeout=30)
    assert raised.value.message == (
        f"{wire.url} cannot be reached: certificate verify failed: self-signed certificate in certificate chain. "
        "Set ca_certs to the certificate of the authority that signed it."
    )


@pytest.mark.parametrize(
    ("name", "how", "sentence"),
    [
        ("localhost", {"expired": True}, "certificate has expired. Renew it"),
        ("elsewhere", {}, "certificate is not valid for 'localhost'. Use a host name that the certificate covers"),
    ],
)
async def test_the_certificate_is_the_reason(
    tmp_path: Path, start: Start, name: str, how: dict[str, bool], sentence: str
) -> None:
    authority = Authority(tmp_path)
    async with OllamaWire(tls=authority.server(name, **how)) as wire:
        with pytest.raises(ProviderError) as raised:
            await start(base_url=wire.url, ca_certs=str(authority.file))
    assert sentence in raised.value.message


def test_a_file_of_authorities_that_cannot_be_used_is_found_by_check(tmp_path: Path) -> None:
    assert "does not exist" in problems(ca_certs=str(tmp_path / "gone.pem"))
    assert "is a folder" in problems(ca_certs=str(tmp_path))


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("-1", -1),
        ("300", 300),
        (" 300 ", 300),
        ("5m", "5m"),
        ("1h30m", "1h30m"),
        ("-1m", "-1m"),
        (-1, -1),
        ("0", 0),
        (0, 0),
        ("", None),
    ],
)
async def test_how_long_a_model_is_kept_loaded(
    wire: OllamaWire, start: Start, context: CallContext, given: str | float, sent: Any
) -> None:
    provider = await start(base_url=wire.url, keep_alive=given)
    await ask(provider, context)
    await provider.embed(["cats"], "query", context)

    assert [request.body.get("keep_alive") for request in wire.requests] == [sent, sent]
    assert problems(keep_alive=given) == ""


@pytest.mark.parametrize("given", ["forever", "5 m", "1d", "10min", "m", "${KEEP}", "nan", "inf"])
def test_what_is_no_length_of_time_is_found_by_check(given: str) -> None:
    assert f"keep_alive '{given}' is not a time: " in problems(keep_alive=given)


@pytest.mark.parametrize("value", ["-1", "300", "0", "5m"])
async def test_a_length_of_time_from_the_environment(
    wire: OllamaWire, context: CallContext, tmp_path: Path, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEP", value)
    config = tmp_path / "config.yaml"
    own = f"base_url: '{wire.url}', model: llama3.2, keep_alive: '${{KEEP}}'"
    config.write_text(f"general: {{data_dir: '{tmp_path}'}}\nollama: {{{own}}}\n")

    async with OrbitHost.from_file(str(config), needed=["generate"]) as host:
        assert [chunk async for chunk in host.generate(QUESTION, ANYTHING, context)]

    assert wire.asked()[0]["keep_alive"] == (value if value == "5m" else int(value))


@pytest.mark.parametrize(
    ("installed", "model"), [("Llama3.2", "llama3.2"), ("llama3.2", "registry.ollama.ai/library/llama3.2")]
)
async def test_a_model_is_found_under_its_other_names(start: Start, installed: str, model: str) -> None:
    async with OllamaWire(models=[installed]) as wire:
        await start(base_url=wire.url, model=model, embed_model="")


@pytest.mark.parametrize("status", [403, 404, 405])
async def test_a_gateway_without_a_list_of_models(
    start: Start, context: CallContext, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with OllamaWire(list_status=status) as wire:
        assert text(await ask(await start(base_url=wire.url), context)) == "one two three"
    assert "lists no models" in caplog.text
